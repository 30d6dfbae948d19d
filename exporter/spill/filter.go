package spill

import (
	"encoding/binary"
	"math/bits"
)

// filter is a Bloom filter of four bits for each key, in one word so that a question is one
// look at memory. Of keys that it has not, it takes about one in twenty for one that it has.
// nil has every key.
type filter []uint64

// bitsPerKey is how large a filter is.
const bitsPerKey = 8

func filterFor(keys int) filter { return make(filter, keys*bitsPerKey/64+1) }

func (f filter) bytes() int { return 8 * len(f) }

// place is the word of a key and its bits in there.
func (f filter) place(key []byte) (word uint64, in uint64) {
	h := binary.LittleEndian.Uint64(key[8:])
	word, _ = bits.Mul64(h, uint64(len(f)))
	h = binary.LittleEndian.Uint64(key)
	return word, 1<<(h>>58) | 1<<(h>>52&63) | 1<<(h>>46&63) | 1<<(h>>40&63)
}

func (f filter) add(key []byte) {
	word, in := f.place(key)
	f[word] |= in
}

// may reports whether a key may have been added.
func (f filter) may(key []byte) bool {
	if f == nil {
		return true
	}
	word, in := f.place(key)
	return f[word]&in == in
}
