package exporter

import (
	"context"
	"fmt"

	"aiccbridge/schemas"
)

// windowRows is what the stream holds of one window and kind.
type windowRows struct {
	last      uint64          // sequence of the subject's last message
	ids       map[string]bool // of every row; true: this extract brought it
	revisions map[string]int  // natural key → highest revision from earlier extracts
	marked    bool            // this extract's marker is there
}

func (x *export) readBack(ctx context.Context, k schemas.Kind) (*windowRows, error) {
	subject := x.w.o.Names.Row(x.file.Tenant, k, x.file.Window)
	s := &windowRows{ids: map[string]bool{}, revisions: map[string]int{}}
	last, err := x.w.o.Rows.ReadBack(ctx, subject, func(h schemas.RowHeader, _ uint64) {
		x.progress()
		own := h.Extract == x.file.ResponseID
		switch {
		case h.Type == schemas.TypeWindowComplete:
			s.marked = s.marked || own
		case x.w.forgetRows:
		default:
			s.ids[h.ID] = own
			if !own {
				s.revisions[h.Key] = max(s.revisions[h.Key], h.Revision)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read back %s: %w", subject, err)
	}
	s.last = last
	return s, nil
}

// add notes a row of the file. fresh says that the stream does not have it yet,
// ours that this extract brings it, now or before a crash. A row whose natural
// key an earlier extract brought with other content is its next revision.
func (s *windowRows) add(id schemas.RowIdentity) (fresh, ours bool, revision int) {
	ours, known := s.ids[id.ID]
	if !known {
		s.ids[id.ID], fresh, ours = true, true, true
	}
	if !ours {
		return false, false, 0
	}
	return fresh, true, s.revisions[id.Key] + 1
}

// rows is how many rows the window has.
func (s *windowRows) rows() int { return len(s.ids) }
