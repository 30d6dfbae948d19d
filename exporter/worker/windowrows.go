package worker

import (
	"context"
	"fmt"
	"strings"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// windowRows is what the stream holds of one window and kind.
type windowRows struct {
	last   uint64               // sequence of the subject's last message
	count  int                  // of rows
	rows   map[string]storedRow // by id, without what [rows.Identity.Again] adds
	keys   map[string]newest    // by natural key, of earlier extracts
	marked bool                 // this extract's marker is there

	current map[string]bool   // keys whose newest revision is in this file
	passed  map[string]string // rows of this file that a revision has replaced: id → key
}

// storedRow is the last revision of one content of a row.
type storedRow struct {
	revision int
	ours     bool   // this extract brought it, now or before a crash
	rest     string // [rows.Encoder.Rest]
}

// newest is the last revision of a row, and the hash of its content.
type newest struct {
	revision int
	content  string
}

// contentOf is the hash of a row's values, which its id begins with.
func contentOf(id string) string {
	content, _, _ := strings.Cut(id, "-")
	return content
}

func (x *export) readBack(ctx context.Context, k schemas.Kind) (*windowRows, error) {
	subject := x.w.o.Names.Row(x.file.Tenant, k, x.file.Window)
	s := &windowRows{
		rows: map[string]storedRow{}, keys: map[string]newest{}, current: map[string]bool{}, passed: map[string]string{},
	}
	last, err := x.w.o.Rows.ReadBack(ctx, subject, func(h schemas.RowHeader, _ uint64) {
		x.progress()
		ours := h.Extract == x.file.ResponseID
		switch {
		case h.Type == schemas.TypeWindowComplete:
			s.marked = s.marked || ours
		default:
			s.count++
			s.rows[rows.BaseID(h.ID)] = storedRow{h.Revision, ours, h.Rest}
			if !ours && h.Revision >= s.keys[h.Key].revision {
				s.keys[h.Key] = newest{h.Revision, contentOf(h.ID)}
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read back %s: %w", subject, err)
	}
	s.last = last
	return s, nil
}

// standing is what becomes of a row of the file.
type standing struct {
	id       rows.Identity // as it is published
	revision int
	fresh    bool // the stream does not have it yet
	ours     bool // this extract brings it, now or before a crash
}

// add notes a row of the file; same reports whether it says the same as a stored one of
// its id beyond what ids are made of. A row whose natural key an earlier extract brought
// with other content is its next revision.
func (s *windowRows) add(id rows.Identity, same func(rest string) bool) standing {
	row, known := s.rows[id.ID]
	last := s.keys[id.Key]
	switch {
	case !known:
		return s.bring(id, id)
	case row.ours:
		return standing{id, row.revision, false, true}
	case row.revision < last.revision && contentOf(id.ID) != last.content:
		s.passed[id.ID] = id.Key
	case !same(row.rest):
		s.current[id.Key] = true
		return s.bring(id, id.Again(s.next(id)))
	case row.revision == last.revision && last.revision > 1:
		s.current[id.Key] = true
	}
	return standing{id, row.revision, false, false}
}

// bring has a row published as its next revision.
func (s *windowRows) bring(id, as rows.Identity) standing {
	revision := s.next(id)
	s.rows[id.ID] = storedRow{revision: revision, ours: true}
	s.count++
	return standing{as, revision, true, true}
}

// drop takes back a fresh row that cannot be published.
func (s *windowRows) drop(id rows.Identity) {
	delete(s.rows, id.ID)
	s.count--
}

// next is the revision that a row would be published as.
func (s *windowRows) next(id rows.Identity) int { return s.keys[id.Key].revision + 1 }

// reverted returns the ids of the rows that were revised and are now, in the whole
// file, what they were before: a natural key of which the file has an old revision
// and not the newest. (A key that two rows of one file share keeps both its rows.)
func (s *windowRows) reverted() map[string]bool {
	back := map[string]bool{}
	for id, key := range s.passed {
		if !s.current[key] {
			back[id] = true
			s.count++
		}
	}
	return back
}
