package embedded

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
)

const reserveFile = "reserve"

// reserve is a file that does nothing but keep space. Its size is 0 when there is
// to be none.
type reserve struct {
	path string
	size int64
	held bool // the file is there, with all its blocks
}

// full is how little free space makes the disk full.
func (b *reserve) full() int64 { return b.size / 8 }

// adopt takes over the file of the last run. One of another size, or without its
// blocks, as a copying tool may leave it, is removed.
func (b *reserve) adopt() error {
	info, err := os.Stat(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b.held = b.size > 0 && info.Size() == b.size && allocatedBytes(info) >= b.size
	if !b.held {
		return os.Remove(b.path)
	}
	return nil
}

// fill makes the file, with blocks of its own from beginning to end.
func (b *reserve) fill() error {
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, b.size)
	if err == nil {
		err = f.Sync() // some file systems look for the space only now
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		_ = os.Remove(b.path) // the first error says more
		return err
	}
	b.held = true
	return nil
}

// drop gives the space back.
func (b *reserve) drop() error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.held = false
	return nil
}

// writeNoise allocates by writing. Noise, because a compressing file system
// stores zeros nowhere.
func writeNoise(f *os.File, size int64) error {
	_, err := io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	return err
}
