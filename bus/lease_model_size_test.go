//go:build !faults

package bus

// modelSeeds is how many contests are played.
const modelSeeds = 6
