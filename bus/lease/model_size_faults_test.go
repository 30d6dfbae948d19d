//go:build faults

package lease

// modelSeeds is how many contests are played.
const modelSeeds = 100
