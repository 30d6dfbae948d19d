package worker

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aiccbridge/exporter/spill"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// windowRows is what the stream holds of one window and kind, and what the file says of it.
// All of it is known by digests, and what memory has no room for is on disk.
type windowRows struct {
	last    uint64 // sequence of the subject's last message
	count   int    // of rows
	markers int
	marked  bool // this extract's marker is there
	revised bool // an earlier extract brought a revision beyond the first

	rows    *spill.Map // storedRow, by id, without what [rows.Identity.Again] adds
	keys    *spill.Map // revision, by natural key, of earlier extracts
	changed *spill.Map // natural keys of which this extract brings a later revision; no values
	turned  bool       // there is one
	zones   []string   // what [rows.Encoder.Rest] ends with, each once
}

// digest tells rows or natural keys apart.
type digest [16]byte

// newMap makes a map from digests that takes up so many parts of a quarter of the memory for
// a file. The rest is for what is read and sent; and as much as is in use may be in use once
// more until it is collected.
func (x *export) newMap(parts, value int) *spill.Map {
	return spill.New(spill.Options{Dir: x.w.o.DownloadDir, Memory: int(x.w.o.Memory / 64 * int64(parts)), Key: len(digest{}), Value: value})
}

// rowCount counts identical rows for [rows.Options.Count].
type rowCount struct{ rows *spill.Map }

func (x *export) newRowCount() rowCount { return rowCount{x.newMap(8, 4)} }

func (c rowCount) count(row [16]byte) (int, error) {
	value, err := c.rows.At(row[:])
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(value) + 1
	binary.BigEndian.PutUint32(value, n)
	return int(n), nil
}

// storedRow is the last revision of one content of a row.
type storedRow struct {
	revision int
	ours     bool   // this extract brought it, now or before a crash
	rest     string // [rows.Encoder.Rest]
}

// parseID returns where the row of an id is kept: by the hash of its values, of which there is
// one row mostly. ok is false for what is no id.
func parseID(id string) (place digest, ok bool) {
	hash, ordinal, _ := strings.Cut(rows.BaseID(id), "-")
	n, err := strconv.ParseUint(ordinal, 10, 32)
	place, ok = parseDigest(hash)
	if err != nil || !ok {
		return place, false
	}
	const odd = 0x9e3779b97f4a7c15 // spreads what a hash of many rows would have in one place
	binary.LittleEndian.PutUint64(place[:], binary.LittleEndian.Uint64(place[:])+(n-1)*odd)
	return place, true
}

func parseDigest(text string) (d digest, ok bool) {
	if len(text) != hex.EncodedLen(len(d)) {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(text))
	return d, err == nil
}

func (x *export) readBack(ctx context.Context, k schemas.Kind) (_ *windowRows, err error) {
	subject := x.w.o.Names.Row(x.file.Tenant, k, x.file.Window)
	s := &windowRows{rows: x.newMap(4, storedBytes), keys: x.newMap(3, revisionBytes), changed: x.newMap(1, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("read back %s: %w", subject, err), s.close())
		}
	}()
	var failed error
	sum := schemas.ExtractSum(x.file.ResponseID)
	s.last, err = x.w.o.Rows.ReadBack(ctx, subject, func(h schemas.RowHeader, _ uint64) {
		x.progress()
		ours := h.Extract == sum || h.Extract == x.file.ResponseID // a row's, or a marker's
		switch {
		case h.Type == schemas.TypeWindowComplete:
			s.markers++
			s.marked = s.marked || ours
		case failed == nil:
			failed = s.stored(h, ours)
		}
	})
	return s, cmp.Or(err, failed, s.rows.Settle(), s.keys.Settle())
}

// close removes what is on disk.
func (s *windowRows) close() error {
	return errors.Join(s.rows.Close(), s.keys.Close(), s.changed.Close())
}

// stored takes a row of the stream. What is no row of the bridge's is counted.
func (s *windowRows) stored(h schemas.RowHeader, ours bool) error {
	s.count++
	if place, ok := parseID(h.ID); ok {
		if err := s.rows.Put(place[:], s.encodeRow(storedRow{h.Revision, ours, h.Rest})); err != nil {
			return err
		}
	}
	key, ok := parseDigest(h.Key)
	if !ok || ours {
		return nil
	}
	s.revised = s.revised || h.Revision > 1
	if last, err := s.newest(key); err != nil || h.Revision < last {
		return err
	}
	return s.keys.Put(key[:], binary.BigEndian.AppendUint32(nil, uint32(h.Revision)))
}

// Sizes of what is kept. That a rest without its zone is longer is not to be expected: it
// has 11 characters.
const (
	maxRest       = 14
	storedBytes   = 4 + 4 + 2 + maxRest
	revisionBytes = 4
)

func (s *windowRows) encodeRow(r storedRow) []byte {
	rest, zone := r.rest, ""
	if at := strings.IndexByte(rest, '@'); at >= 0 {
		rest, zone = rest[:at], rest[at:]
	}
	if len(rest) > maxRest {
		rest = ""
	}
	at := slices.Index(s.zones, zone)
	if at < 0 {
		at, s.zones = len(s.zones), append(s.zones, zone)
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, storedBytes), uint32(r.revision))
	b = append(binary.BigEndian.AppendUint32(b, uint32(at)), byte(len(rest)), 0)
	if r.ours {
		b[9] = 1
	}
	return append(b, rest...)
}

func (s *windowRows) decodeRow(b []byte) storedRow {
	rest := string(b[10:10+b[8]]) + s.zones[binary.BigEndian.Uint32(b[4:])]
	return storedRow{int(binary.BigEndian.Uint32(b)), b[9] == 1, rest}
}

// newest is the last revision that earlier extracts brought of a natural key, 0 when there
// is none.
func (s *windowRows) newest(key digest) (revision int, err error) {
	value, found, err := s.keys.Get(key[:])
	if found {
		revision = int(binary.BigEndian.Uint32(value))
	}
	return revision, err
}

// found is what the stream holds of a row.
type found struct {
	storedRow
	known bool
	key   digest
	last  int // revision of its natural key before this extract
}

func (s *windowRows) find(id rows.Identity) (f found, err error) {
	place, _ := parseID(id.ID)
	f.key, _ = parseDigest(id.Key)
	value, known, err := s.rows.Get(place[:])
	if known {
		f.storedRow, f.known = s.decodeRow(value), true
	}
	if f.last = f.revision; err == nil && (!known || f.ours || s.revised) {
		f.last, err = s.newest(f.key)
	}
	return f, err
}

// standing is what becomes of a row of the file.
type standing struct {
	id       rows.Identity // as it is published
	revision int
	fresh    bool // the stream does not have it yet
	ours     bool // this extract brings it, now or before a crash
}

// add notes a row of the file; same reports whether it says the same as a stored one of
// its id beyond what ids are made of. A row of whose natural key the stream has other rows, or
// has had since, is that key's next revision.
func (s *windowRows) add(id rows.Identity, same func(rest string) bool) (standing, error) {
	f, err := s.find(id)
	if err != nil {
		return standing{}, err
	}
	switch next := f.last + 1; {
	case f.ours:
		return standing{id, f.revision, false, true}, nil
	case !f.known:
		s.count++
		return standing{id, next, true, true}, nil
	case f.stays(same):
		return standing{id, f.revision, false, false}, nil
	default:
		s.count++
		return standing{id.Again(next), next, true, true}, nil
	}
}

// stays reports a row of which the newest revision of its natural key is the stream's last word.
func (f found) stays(same func(rest string) bool) bool {
	return f.known && !f.ours && f.revision == f.last && same(f.rest)
}

// change notes that this extract brings a row as a later revision of its natural key.
func (s *windowRows) change(id rows.Identity) error {
	s.turned = true
	key, _ := parseDigest(id.Key)
	return s.changed.Put(key[:], []byte{1})
}

// sibling reports whether a row stays as it is while another one of its natural key becomes a
// revision, and which one: then it goes along, so that the rows of the newest revision are all
// that there are of a key. It counts it.
func (s *windowRows) sibling(id rows.Identity, same func(rest string) bool) (revision int, is bool, err error) {
	f, err := s.find(id)
	if err != nil || !f.stays(same) {
		return 0, false, err
	}
	if _, is, err = s.changed.Get(f.key[:]); is && err == nil {
		s.count++
	}
	return f.last + 1, is, err
}

// drop takes back a fresh row that cannot be published.
func (s *windowRows) drop() { s.count-- }
