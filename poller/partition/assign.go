package partition

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
)

// Partitions is into how many the agents of a tenant are divided, whoever polls them. All
// bridges of a hub have to agree on it.
const Partitions = 64

// Of is the partition of an agent: 0 to [Partitions]-1, by a hash of the id.
func Of(agent string) int { return int(mix(agent, 0) % Partitions) }

// assign says which of some bridges has which partition. They have as many each, give or
// take one; what a bridge had before is nearly all it has after another one has come or
// gone: each partition has an order of its own in which it wants the bridges, and gets the
// first with room. All bridges come to the same answer, in whatever order they see each
// other. No bridges: nil.
func assign(bridges []string) (owners []string) {
	bridges = slices.Sorted(slices.Values(bridges))
	room := make([]int, len(bridges))
	for i := range bridges {
		room[i] = Partitions / len(bridges)
		if i < Partitions%len(bridges) {
			room[i]++
		}
	}
	for p := range Partitions * min(1, len(bridges)) {
		best := -1
		for i, b := range bridges {
			if room[i] > 0 && (best < 0 || mix(b, p) > mix(bridges[best], p)) {
				best = i
			}
		}
		room[best]--
		owners = append(owners, bridges[best])
	}
	return owners
}

// mix hashes a name and a number. The high bits of FNV hardly differ between short names:
// they are folded and stirred.
func mix(name string, n int) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64([]byte(name), uint64(n)))
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}
