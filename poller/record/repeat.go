package record

import (
	"encoding/binary"
	"hash/maphash"
	"slices"

	"aiccbridge/internal/ccgateway"
)

// remembered is how many of an agent's last events are told from new ones. A site
// switchover repeats what was queued, and one agent has a few events a minute.
const remembered = 32

// recentEvents knows an agent's last events again, by type, time and content. It
// keeps hashes only. The zero value has seen none.
type recentEvents struct {
	hashes [remembered]uint64
	next   int
}

// again reports an event that was seen before, and remembers it. Without the
// platform's time nothing is known again: equal events are everyday then.
func (r *recentEvents) again(seed maphash.Seed, e ccgateway.Event) bool {
	if e.GeneratedAt.IsZero() {
		return false
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(e.GeneratedAt.UnixMilli())))
	h.WriteString(e.Type)
	h.WriteByte(0)
	h.Write(e.Content)
	sum := h.Sum64()
	if slices.Contains(r.hashes[:], sum) {
		return true
	}
	r.hashes[r.next%remembered] = sum
	r.next++
	return false
}
