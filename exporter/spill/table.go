package spill

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// table is a hash table of entries, which are keys with their values behind them.
type table struct {
	key, size int      // of an entry
	chunks    [][]byte // the entries, in the order they came
	count     int
	slots     []uint32 // by key: which entry, from 1; 0 for none
}

// chunkBytes are taken for entries at once, so that none is moved when the table grows.
const chunkBytes = 32 << 10

// at is the i-th entry.
func (t *table) at(i uint32) []byte {
	each := uint32(max(chunkBytes/t.size, 1))
	start := int(i%each) * t.size
	return t.chunks[i/each][start : start+t.size]
}

// slot is where a key is or would be.
func (t *table) slot(key []byte) int {
	mask := len(t.slots) - 1
	for i := int(binary.LittleEndian.Uint32(key)) & mask; ; i = (i + 1) & mask {
		if n := t.slots[i]; n == 0 || bytes.Equal(t.at(n - 1)[:t.key], key) {
			return i
		}
	}
}

// find returns the entry of a key, nil when there is none.
func (t *table) find(key []byte) []byte {
	if t.count == 0 {
		return nil
	}
	if n := t.slots[t.slot(key)]; n > 0 {
		return t.at(n - 1)
	}
	return nil
}

// entry returns the entry of a key, which it makes when there is none.
func (t *table) entry(key []byte) []byte {
	if t.count*4 >= len(t.slots)*3 {
		t.grow()
	}
	slot := t.slot(key)
	if n := t.slots[slot]; n > 0 {
		return t.at(n - 1)
	}
	each := max(chunkBytes/t.size, 1)
	if t.count == len(t.chunks)*each {
		t.chunks = append(t.chunks, make([]byte, each*t.size))
	}
	t.count++
	t.slots[slot] = uint32(t.count)
	entry := t.at(uint32(t.count - 1))
	copy(entry, key)
	return entry
}

// grow makes twice as many slots.
func (t *table) grow() {
	t.slots = make([]uint32, max(2*len(t.slots), 64))
	for i := range uint32(t.count) {
		t.slots[t.slot(t.at(i)[:t.key])] = i + 1
	}
}

// bytes is what the table takes up.
func (t *table) bytes() int { return t.count*t.size + 4*len(t.slots) }

// inOrder returns which entries there are, from 1, in the order of their keys. Nothing can
// be found in the table afterwards.
func (t *table) inOrder() []uint32 {
	order := slices.DeleteFunc(t.slots, func(n uint32) bool { return n == 0 })
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(t.at(a - 1)[:t.key], t.at(b - 1)[:t.key]) })
	return order
}
