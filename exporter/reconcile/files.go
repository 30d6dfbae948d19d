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

// landscape is what the ledger has at one time of windows that may matter yet: those of each
// kind, by their begin.
type landscape struct {
	windows map[schemas.Kind][]window
	by      map[source]time.Time // when each was complete last
	behind  map[begin]time.Time  // the same, by their begin
}

// begin is that of a window of a kind.
type begin struct {
	kind schemas.Kind
	at   time.Time
}

// remembered is for how long windows are known: longer than they are compared by the hours that a
// call may reach back, and by the day that they belong to.
const remembered = horizon + 48*time.Hour

func (r *Reconciler) survey() landscape {
	l := landscape{map[schemas.Kind][]window{}, map[source]time.Time{}, map[begin]time.Time{}}
	oldest := time.Now().Add(-remembered)
	r.o.Ledger.Each(r.o.Tenant, func(e schemas.WindowEntry) {
		if e.Unplanned || e.Window.To.Before(oldest) {
			return
		}
		w := schemas.Window{From: e.Window.From.UTC(), To: e.Window.To.UTC()}
		l.windows[e.Kind] = append(l.windows[e.Kind], window{w, e.CompletedAt})
		l.by[source{e.Kind, w}], l.behind[begin{e.Kind, w.From}] = e.CompletedAt, e.CompletedAt
	})
	for _, all := range l.windows {
		slices.SortFunc(all, func(a, b window) int { return a.From.Compare(b.From) })
	}
	return l
}

// around are the windows of a kind that touch a span, but for one.
func (l landscape) around(k schemas.Kind, s span, but schemas.Window) (all []window) {
	for _, w := range l.windows[k] {
		if w.Window != but && !w.From.After(s.to) && !w.To.Before(s.from) {
			all = append(all, w)
		}
	}
	return all
}

// completed is when a window was complete last; zero: never.
func (l landscape) completed(k schemas.Kind, w schemas.Window) time.Time {
	return l.by[source{k, schemas.Window{From: w.From.UTC(), To: w.To.UTC()}}]
}

// after is when the window behind another was complete last; zero: never.
func (l landscape) after(s source) time.Time { return l.behind[begin{s.kind, s.window.To.UTC()}] }

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
	Odd       []string  `json:"ambiguous"` // columns of a time that occurs twice or never, as clocks changed
}

// vague reports whether one of the row's times may be that of another hour.
func (r row) vague() bool { return len(r.Odd) > 0 }

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
