package spill

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

// Ext is the extension of the files.
const Ext = ".run"

const (
	// blockBytes are read at once to find a key.
	blockBytes = 4 << 10
	// streamBytes are written, or read for a merge, at once.
	streamBytes = 64 << 10
)

// run is a file of entries in the order of their keys, each key once.
type run struct {
	file      *os.File
	key, size int
	count     int
	level     int    // how often its entries were merged
	first     []byte // the first key of each block
	filter    filter
}

// perBlock is how many entries of a size make a block.
func perBlock(size int) int { return max(blockBytes/size, 1) }

// find returns the entry of a key, nil when there is none. It is in block, which grows as
// needed.
func (r *run) find(key []byte, block *[]byte) ([]byte, error) {
	if !r.filter.may(key) {
		return nil, nil
	}
	n := sort.Search(len(r.first)/r.key, func(i int) bool { return bytes.Compare(r.first[i*r.key:(i+1)*r.key], key) > 0 }) - 1
	if n < 0 {
		return nil, nil
	}
	each := perBlock(r.size)
	if len(*block) < each*r.size {
		*block = make([]byte, each*r.size)
	}
	entries := min(each, r.count-n*each)
	b := (*block)[:entries*r.size]
	if _, err := r.file.ReadAt(b, int64(n*each*r.size)); err != nil {
		return nil, fmt.Errorf("read back from %s: %w", r.file.Name(), err)
	}
	i, found := sort.Find(entries, func(i int) int { return bytes.Compare(key, b[i*r.size:i*r.size+r.key]) })
	if !found {
		return nil, nil
	}
	return b[i*r.size : (i+1)*r.size], nil
}

// close removes the file. A nil run has none.
func (r *run) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.file.Close(), os.Remove(r.file.Name()))
}

// writer writes a run.
type writer struct {
	run *run
	out *bufio.Writer
}

func newWriter(dir string, key, size int, f filter) (*writer, error) {
	file, err := os.CreateTemp(dir, "rows-*"+Ext) // for nobody else: 0600
	if err != nil {
		return nil, fmt.Errorf("make room on disk: %w", err)
	}
	return &writer{&run{file: file, key: key, size: size, filter: f}, bufio.NewWriterSize(file, streamBytes)}, nil
}

// add writes the next entry. What goes wrong is said by done.
func (w *writer) add(entry []byte) {
	key := entry[:w.run.key]
	if w.run.count%perBlock(w.run.size) == 0 {
		w.run.first = append(w.run.first, key...)
	}
	if w.run.filter != nil {
		w.run.filter.add(key)
	}
	w.run.count++
	_, _ = w.out.Write(entry) // a bufio.Writer keeps its error
}

// done returns the run.
func (w *writer) done() (*run, error) {
	if err := w.out.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("write to disk what memory has no room for: %w", err), w.run.close())
	}
	return w.run, nil
}

// source reads a run from its begin to its end.
type source struct {
	in    *bufio.Reader
	left  int
	head  []byte // the next entry, nil at the end
	taken []byte // the one before
	err   error
}

func newSource(r *run) *source {
	all := io.NewSectionReader(r.file, 0, int64(r.count)*int64(r.size))
	s := &source{in: bufio.NewReaderSize(all, streamBytes), left: r.count, head: make([]byte, r.size), taken: make([]byte, r.size)}
	s.advance()
	return s
}

func (s *source) advance() {
	if s.left == 0 {
		s.head = nil
		return
	}
	s.left--
	if _, err := io.ReadFull(s.in, s.head); err != nil {
		s.err, s.head = fmt.Errorf("read back for a merge: %w", err), nil
	}
}

// take returns the next entry. It may be used until the next call.
func (s *source) take() []byte {
	s.head, s.taken = s.taken, s.head
	entry := s.taken
	s.advance()
	return entry
}

// next takes the entry of the least key, nil at the end. Of sources that have the key, it
// is the last one's.
func next(sources []*source, key int) []byte {
	var least *source
	for _, s := range sources {
		switch {
		case s.head == nil:
		case least == nil:
			least = s
		default:
			order := bytes.Compare(s.head[:key], least.head[:key])
			if order == 0 {
				least.advance() // an older value
			}
			if order <= 0 {
				least = s
			}
		}
	}
	if least == nil {
		return nil
	}
	return least.take()
}
