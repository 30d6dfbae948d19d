package spill

import (
	"cmp"
	"errors"
)

// Options say how a [Map] is. All are required.
type Options struct {
	// Dir is where the files are. It must be there as soon as the map is larger than its
	// memory.
	Dir string
	// Memory is how many bytes the map may take up, besides one for a hundred in its files
	// and a fixed 1 MiB while it merges. However little it is, the map works.
	Memory int
	// Key and Value are the sizes of keys, 16 bytes or more, and of values. The first 16
	// bytes of keys must be evenly spread, as those of digests are.
	Key, Value int
}

// Map is a map from keys to values. The zero value is none; see [New]. It is not for
// concurrent use. After an error it is good for nothing but to be closed.
type Map struct {
	o       Options
	fresh   table
	runs    []*run // the newest last
	block   []byte // read last
	filters int    // bytes that the runs' filters take up
}

// New makes an empty map. It does no I/O.
func New(o Options) *Map {
	return &Map{o: o, fresh: table{key: o.Key, size: o.Key + o.Value}}
}

// Get returns the value of a key. It may be used until the next call.
func (m *Map) Get(key []byte) (value []byte, found bool, err error) {
	if entry := m.fresh.find(key); entry != nil {
		return entry[m.o.Key:], true, nil
	}
	return m.spilled(key)
}

// spilled is Get of what was written to the disk.
func (m *Map) spilled(key []byte) (value []byte, found bool, err error) {
	for i := len(m.runs) - 1; i >= 0; i-- {
		entry, err := m.runs[i].find(key, &m.block)
		if entry != nil || err != nil {
			return entry[min(m.o.Key, len(entry)):], entry != nil, err
		}
	}
	return nil, false, nil
}

// Put sets the value of a key.
func (m *Map) Put(key, value []byte) error {
	copy(m.fresh.entry(key)[m.o.Key:], value)
	return m.bound()
}

// At returns the value of a key to be read and changed in place until the next call; a key
// that is not there is put there, with zeros.
func (m *Map) At(key []byte) (value []byte, err error) {
	if err := m.bound(); err != nil {
		return nil, err
	}
	before := m.fresh.count
	value = m.fresh.entry(key)[m.o.Key:]
	if m.fresh.count > before && len(m.runs) > 0 {
		old, _, err := m.spilled(key)
		if err != nil {
			return nil, err
		}
		copy(value, old)
	}
	return value, nil
}

// bound writes the table to the disk when it has outgrown its memory.
func (m *Map) bound() error {
	if m.fresh.bytes() <= max(m.o.Memory-m.filters, m.o.Memory/4) {
		return nil
	}
	return m.spill()
}

// Settle makes the map one that is rather read than written from now on. It leaves a map
// alone that is within its memory.
func (m *Map) Settle() error {
	if len(m.runs) == 0 {
		return nil
	}
	if err := m.spill(); err != nil {
		return err
	}
	return m.merge(0, false)
}

// Close removes the map's files.
func (m *Map) Close() error {
	var err error
	for _, r := range m.runs {
		err = errors.Join(err, r.close())
	}
	m.runs, m.fresh = nil, table{}
	return err
}

// fanout is how many runs of a size become one.
const fanout = 8

// spill makes a run of the table.
func (m *Map) spill() error {
	if m.fresh.count == 0 {
		return nil
	}
	w, err := m.writer(m.fresh.count, true)
	if err != nil {
		return err
	}
	for _, i := range m.fresh.inOrder() {
		w.add(m.fresh.at(i - 1))
	}
	r, err := w.done()
	if err != nil {
		return err
	}
	m.runs = append(m.runs, r)
	m.fresh = table{key: m.o.Key, size: m.fresh.size}
	return m.tidy()
}

// tidy merges the newest runs while there are enough of a size.
func (m *Map) tidy() error {
	for {
		first := len(m.runs) - 1
		for first > 0 && m.runs[first-1].level == m.runs[len(m.runs)-1].level {
			first--
		}
		if len(m.runs)-first < fanout {
			return nil
		}
		if err := m.merge(first, true); err != nil {
			return err
		}
	}
}

// merge makes one of the runs from first on.
func (m *Map) merge(first int, filtered bool) error {
	old := m.runs[first:]
	if len(old) < 2 {
		return nil
	}
	sources := make([]*source, len(old))
	count, level := 0, 0
	for i, r := range old {
		sources[i] = newSource(r)
		count, level = count+r.count, max(level, r.level)
		m.filters -= r.filter.bytes()
	}
	w, err := m.writer(count, filtered)
	if err != nil {
		return err
	}
	for entry := next(sources, m.o.Key); entry != nil; entry = next(sources, m.o.Key) {
		w.add(entry)
	}
	r, err := w.done()
	for _, s := range sources {
		err = cmp.Or(err, s.err)
	}
	if err != nil {
		return errors.Join(err, r.close())
	}
	r.level = level + 1
	m.runs = append(m.runs[:first:first], r)
	for _, r := range old {
		err = errors.Join(err, r.close())
	}
	return err
}

// writer makes a new run of at most so many entries. It has a filter if one is wanted and
// there is memory left for it: three quarters are for filters.
func (m *Map) writer(count int, filtered bool) (*writer, error) {
	f := filterFor(count)
	if !filtered || m.filters+f.bytes() > m.o.Memory/4*3 {
		f = nil
	}
	w, err := newWriter(m.o.Dir, m.o.Key, m.fresh.size, f)
	if err == nil {
		m.filters += f.bytes()
	}
	return w, err
}
