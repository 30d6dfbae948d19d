package ask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// WindowQuery says which windows are asked for.
type WindowQuery struct {
	Tenant string              `json:"tenant"` // "": every tenant
	Kind   schemas.Kind        `json:"kind"`   // "": every kind
	From   time.Time           `json:"from"`   // only windows that end after it; zero: all
	To     time.Time           `json:"to"`     // only windows that begin before it; zero: all
	State  schemas.WindowState `json:"state"`  // "": every state
}

// Matches reports whether a window is asked for.
func (q WindowQuery) Matches(e schemas.WindowEntry) bool {
	return (q.Tenant == "" || q.Tenant == e.Tenant) && (q.Kind == "" || q.Kind == e.Kind) &&
		(q.State == "" || q.State == e.State) &&
		(q.From.IsZero() || e.Window.To.After(q.From)) && (q.To.IsZero() || e.Window.From.Before(q.To))
}

// keys match the ledger's entries.
func (q WindowQuery) keys() string {
	tenant, kind := "*", "*"
	if q.Tenant != "" {
		tenant = schemas.EncodeToken(q.Tenant)
	}
	if q.Kind != "" {
		kind = string(q.Kind)
	}
	return tenant + "." + kind + ".*"
}

// Window is a window's entry in the ledger, and what it means.
type Window struct {
	schemas.WindowEntry
	Meaning string `json:"meaning"`
}

// Windows are the windows asked for, by tenant, kind and time.
func (q Questions) Windows(ctx context.Context, which WindowQuery) ([]Window, error) {
	all, now := []Window{}, time.Now()
	err := q.Hub.Entries(ctx, schemas.BucketWindows, which.keys(), func(key string, m schemas.Stored) error {
		if e, ok := WindowOf(key, m); ok && which.Matches(e) {
			all = append(all, Window{e, Meaning(e, now)})
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Kind, b.Kind), a.Window.From.Compare(b.Window.From))
	})
	return all, err
}

// WindowOf reads an entry of the ledger; ok is false for what is no window: a file that
// waits for its window, or an access key's budget.
func WindowOf(key string, m schemas.Stored) (e schemas.WindowEntry, ok bool) {
	e, err := read[schemas.WindowEntry](m)
	return e, err == nil && e.Window != (schemas.Window{}) && e.Key() == key
}

// reasons say in words why a window failed.
var reasons = map[schemas.Reason]string{
	schemas.ReasonUndecodable:    "the platform's answer could not be read",
	schemas.ReasonDamagedZip:     "the file was damaged",
	schemas.ReasonUnsafeZip:      "the file is beyond a limit, encrypted or nested",
	schemas.ReasonDamagedCSV:     "the file's text was damaged",
	schemas.ReasonMissingColumns: "the file lacks columns that are needed",
	schemas.ReasonNotAZip:        "something else than a ZIP came",
	schemas.ReasonFileMissing:    "the platform did not have the file any more",
	schemas.ReasonOversized:      "something in the file is larger than the hub takes",
	schemas.ReasonAttempts:       "it was tried until the limit",
	schemas.ReasonRefused:        "the platform refused the request",
	schemas.ReasonOverdue:        "no file came in time",
	schemas.ReasonUnreachable:    "the platform gave no usable answer",
}

// InWords is a reason as people say it.
func InWords(r schemas.Reason) string {
	return cmp.Or(reasons[r], string(r), "it is not known why")
}

// Meaning says in one sentence where a window stands, and what comes next.
func Meaning(e schemas.WindowEntry, now time.Time) string {
	switch e.State {
	case schemas.WindowPlanned:
		return "not asked for yet" + due(e, now, "; its turn is %s", "; it waits for its turn since %s")
	case schemas.WindowRequested:
		return fmt.Sprintf("asked for at %s%s; its callback is awaited", clock(e.RequestedAt, now), attempt(e)) +
			due(e, now, " until %s, then the file is fetched by its name", ", and overdue since %s")
	case schemas.WindowReady:
		return fmt.Sprintf("its file is known since %s; a worker is to have it", clock(e.ReadyAt, now)) + due(e, now, " by %s", ", and is overdue since %s")
	case schemas.WindowCompleted:
		return fmt.Sprintf("%d rows, as of %s", e.Rows, clock(e.CompletedAt, now))
	case schemas.WindowFailed:
		return InWords(e.Reason) + attempt(e) + due(e, now, "; asked for again %s", "; to be asked for again since %s")
	}
	return "a newer bridge's state"
}

func attempt(e schemas.WindowEntry) string {
	if e.Attempts < 2 {
		return ""
	}
	return fmt.Sprintf(" (attempt %d)", e.Attempts)
}

// due says when something is due, by one text if that is to come and by another if it is over.
func due(e schemas.WindowEntry, now time.Time, coming, over string) string {
	switch {
	case e.DueAt.IsZero():
		return ""
	case e.DueAt.After(now):
		return fmt.Sprintf(coming, clock(e.DueAt, now))
	}
	return fmt.Sprintf(over, clock(e.DueAt, now))
}

// clock is a time as the reader's clock shows it, with the day unless it is today.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// WindowStory is all that is kept of one window.
type WindowStory struct {
	Window
	Markers []schemas.WindowComplete `json:"markers"`           // one for each extract whose rows are kept, the oldest first
	Letters []Letter                 `json:"letters,omitempty"` // dead letters that name it
}

// Letter is a dead letter as it is stored.
type Letter struct {
	ID       string `json:"id"`
	Sequence uint64 `json:"sequence"`
	Resolved bool   `json:"resolved"`
	schemas.DeadLetter
}

// ErrNone says that there is nothing of what was asked for.
var ErrNone = errors.New("there is none")

// Window tells all of one window.
func (q Questions) Window(ctx context.Context, tenant string, kind schemas.Kind, w schemas.Window) (story WindowStory, err error) {
	err = q.Hub.Entries(ctx, schemas.BucketWindows, schemas.WindowKey(tenant, kind, w), func(key string, m schemas.Stored) error {
		if e, ok := WindowOf(key, m); ok {
			story.Window = Window{e, Meaning(e, time.Now())}
		}
		return nil
	})
	if err == nil && story.State == "" {
		err = ErrNone
	}
	if err != nil {
		return story, fmt.Errorf("%s window %s of %s: %w", kind, w, tenant, err)
	}
	story.Markers = []schemas.WindowComplete{}
	err = q.Hub.Read(ctx, schemas.StreamRows, q.Names.Row(tenant, kind, w), 0, func(m schemas.Stored) error {
		if m.Get("ce-type") != schemas.TypeWindowComplete {
			return nil
		}
		marker, err := read[schemas.WindowComplete](m)
		story.Markers = append(story.Markers, marker)
		return err
	})
	if err != nil {
		return story, err
	}
	story.Letters, err = q.Letters(ctx, tenant, time.Time{}, func(l Letter) bool { return l.Kind == kind && l.Window == w })
	return story, err
}

// Letters are the dead letters of a tenant ("": all) that want says, made since a time, the
// oldest first. Of what failed only callbacks are kept in them; [Questions.Letter] has all.
func (q Questions) Letters(ctx context.Context, tenant string, since time.Time, want func(Letter) bool) (all []Letter, err error) {
	return q.letters(ctx, tenant, since, func(l *Letter) bool {
		if !want(*l) {
			return false
		}
		if l.Reason != schemas.ReasonUnknownResponse {
			l.Original = nil
		}
		return true
	})
}

// Letter is the dead letter of an id, whole; of several tenants' there may be several.
func (q Questions) Letter(ctx context.Context, tenant, id string) ([]Letter, error) {
	return q.letters(ctx, tenant, time.Time{}, func(l *Letter) bool { return l.ID == id })
}

func (q Questions) letters(ctx context.Context, tenant string, since time.Time, want func(*Letter) bool) (all []Letter, err error) {
	filter, index := "", map[string][]int{}
	if tenant != "" {
		filter = strings.TrimSuffix(q.Names.DeadLetter(tenant, "x"), "x") + "*"
	}
	err = q.Hub.ReadSince(ctx, schemas.StreamDeadLetters, filter, since, func(m schemas.Stored) error {
		if m.Get("ce-type") == schemas.TypeResolved {
			r, err := read[schemas.Resolved](m)
			for _, i := range index[m.Get("ce-source")+" "+r.Letter] { // one may be stored twice
				all[i].Resolved = true
			}
			return err
		}
		d, err := read[schemas.DeadLetter](m)
		if l := (Letter{ID: m.Get("ce-id"), Sequence: m.Sequence, DeadLetter: d}); err == nil && want(&l) {
			key := m.Get("ce-source") + " " + l.ID
			index[key] = append(index[key], len(all))
			all = append(all, l)
		}
		return err
	})
	return all, err
}
