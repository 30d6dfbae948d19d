package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// reach is how far from its begin a call's rows may be: those of calls that last longer are
// not looked for.
const reach = 4 * time.Hour

// window is one of the ledger's.
type window struct {
	schemas.Window
	completed time.Time // of its last complete extract; zero: there was none
}

// landscape is what the ledger has at one time: the windows of each kind, by their begin.
type landscape map[schemas.Kind][]window

func (r *Reconciler) survey() landscape {
	l := landscape{}
	r.o.Ledger.Each(r.o.Tenant, func(e schemas.WindowEntry) {
		if !e.Unplanned {
			l[e.Kind] = append(l[e.Kind], window{schemas.Window{From: e.Window.From.UTC(), To: e.Window.To.UTC()}, e.CompletedAt})
		}
	})
	for _, all := range l {
		slices.SortFunc(all, func(a, b window) int { return a.From.Compare(b.From) })
	}
	return l
}

// around are the windows of a kind that touch a span, but for one.
func (l landscape) around(k schemas.Kind, s span, but schemas.Window) (all []window) {
	for _, w := range l[k] {
		if w.Window != but && !w.From.After(s.to) && !w.To.Before(s.from) {
			all = append(all, w)
		}
	}
	return all
}

// completed is when a window was complete last; zero: never.
func (l landscape) completed(k schemas.Kind, w schemas.Window) time.Time {
	i := slices.IndexFunc(l[k], func(x window) bool { return x.Window == w })
	if i < 0 {
		return time.Time{}
	}
	return l[k][i].completed
}

// after is when the window behind another was complete last; zero: never.
func (l landscape) after(s source) time.Time {
	i := slices.IndexFunc(l[s.kind], func(w window) bool { return w.From.Equal(s.window.To) })
	if i < 0 {
		return time.Time{}
	}
	return l[s.kind][i].completed
}

// file is what the stream has of a window's rows: of those with one natural key the ones that
// the last extract brought.
type file struct {
	rows []row
	// asked is when the last extract of it was asked for: what the platform knew then is in it.
	asked time.Time
}

// row is one of them; the members of all three kinds that are compared.
type row struct {
	id, key, extract string

	Agent     string    `json:"agent_id"`
	Call      string    `json:"call_id"`
	AckBegin  time.Time `json:"ack_begin"`
	AckEnd    time.Time `json:"ack_end"`
	CallBegin time.Time `json:"call_begin"`
	CallEnd   time.Time `json:"call_end"`
	OpType    *int      `json:"op_type"`
	Begin     time.Time `json:"begin_time"`
	End       time.Time `json:"end_time"`
}

// span is from the first to the last of a row's times.
func (r row) span() (s span) {
	for _, t := range [...]time.Time{r.AckBegin, r.AckEnd, r.CallBegin, r.CallEnd, r.Begin, r.End} {
		if t.IsZero() {
			continue
		}
		if s.from.IsZero() || t.Before(s.from) {
			s.from = t
		}
		if t.After(s.to) {
			s.to = t
		}
	}
	return s
}

// read reads a window's rows.
func (r *Reconciler) read(ctx context.Context, k schemas.Kind, w schemas.Window) (f file, err error) {
	newest := map[string]string{} // extracts by keys
	err = r.o.Rows(ctx, r.o.Names.Row(r.o.Tenant, k, w), func(m schemas.Stored) error {
		h := schemas.ReadRowHeader(m.Header)
		if h.Type == schemas.TypeWindowComplete {
			var marker schemas.WindowComplete
			if json.Unmarshal(m.Body, &marker) == nil {
				f.asked = marker.RequestedAt
				if f.asked.IsZero() {
					f.asked = marker.CompletedAt
				}
			}
			return nil
		}
		x := row{id: h.ID, key: cmp.Or(h.Key, h.ID), extract: h.Extract}
		if json.Unmarshal(m.Body, &x) == nil { // else nobody but a newer bridge knows what it is
			f.rows = append(f.rows, x)
			newest[x.key] = x.extract
		}
		return nil
	})
	if err != nil {
		return f, fmt.Errorf("read rows of %s %s: %w", k, w, err)
	}
	f.rows = slices.DeleteFunc(f.rows, func(x row) bool { return newest[x.key] != x.extract })
	return f, nil
}

// end is when the last of what the rows tell of was over, at least that of the window.
func (f file) end(w schemas.Window) time.Time {
	end := w.To
	for _, x := range f.rows {
		if to := x.span().to; to.After(end) && to.Before(w.To.Add(reach)) {
			end = to
		}
	}
	return end
}
