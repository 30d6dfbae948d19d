package ask

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// TestWindows: those that are asked for come in order, and nothing else that the bucket holds.
func TestWindows(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	begin := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	window := func(i int) schemas.Window {
		return schemas.Window{From: begin.Add(time.Duration(i) * time.Hour), To: begin.Add(time.Duration(i+1) * time.Hour)}
	}
	for _, kind := range []schemas.Kind{schemas.KindRecording, schemas.KindCDR} {
		for i := range 3 {
			state := schemas.WindowCompleted
			if i == 2 {
				state = schemas.WindowFailed
			}
			h.put(schemas.BucketWindows, schemas.WindowKey(acme, kind, window(i)), schemas.WindowEntry{
				Tenant: acme, Kind: kind, Window: window(i), State: state, CompletedAt: begin, Reason: schemas.ReasonOverdue,
			})
		}
	}
	h.put(schemas.BucketWindows, schemas.UnmatchedKey(acme, "0123456789abcdef0123456789abcdef"), schemas.FileNotice{Tenant: acme})
	h.put(schemas.BucketWindows, schemas.BudgetKey("ak"), map[string]string{})
	for _, c := range []struct {
		q    WindowQuery
		want string
	}{
		{WindowQuery{}, "cdr 0 cdr 1 cdr 2 recording 0 recording 1 recording 2"},
		{WindowQuery{Tenant: acme, Kind: schemas.KindCDR}, "cdr 0 cdr 1 cdr 2"},
		{WindowQuery{State: schemas.WindowFailed}, "cdr 2 recording 2"},
		{WindowQuery{From: window(1).From, To: window(1).To}, "cdr 1 recording 1"},
		{WindowQuery{Tenant: "other"}, ""},
	} {
		all, err := h.Windows(t.Context(), c.q)
		got := ""
		for _, w := range all {
			got += fmt.Sprintf(" %s %d", w.Kind, int(w.Window.From.Sub(begin).Hours()))
		}
		if err != nil || got != "" && got[1:] != c.want || got == "" && c.want != "" {
			t.Errorf("%+v: %q, want %q (%v)", c.q, got, c.want, err)
		}
	}
	if _, err := h.Window(t.Context(), acme, schemas.KindCDR, window(7)); !errors.Is(err, ErrNone) {
		t.Errorf("error %v", err)
	}
}

// TestWindowStory: a window with its dead letters, of which one has been mended.
func TestWindowStory(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	at := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	w := schemas.Window{From: at, To: at.Add(time.Hour)}
	h.put(schemas.BucketWindows, schemas.WindowKey(acme, schemas.KindCDR, w), schemas.WindowEntry{Tenant: acme, Kind: schemas.KindCDR, Window: w, State: schemas.WindowPlanned})
	for _, id := range []string{"mended", "not"} {
		d := schemas.NewDeadLetter(acme, schemas.ReasonDamagedZip, "cut off", at)
		d.Kind, d.Window = schemas.KindCDR, w
		h.publish(h.Names.DeadLetterMessage(d, id))
	}
	h.publish(h.Names.ResolvedMessage(schemas.Resolved{
		Tenant: acme, Letter: "mended", Reason: schemas.ReasonDamagedZip, Kind: schemas.KindCDR, Window: w, ResponseID: "0123456789abcdef0123456789abcdef", At: at,
	}))
	story, err := h.Window(t.Context(), acme, schemas.KindCDR, w)
	if err != nil || len(story.Letters) != 2 || !story.Letters[0].Resolved || story.Letters[1].Resolved || story.Markers == nil {
		t.Errorf("%+v %v", story, err)
	}
	status, err := h.Status(t.Context(), nil)
	if err != nil || len(status.Windows) != 1 || status.Windows[0].Count != 1 || len(status.Letters) != 0 {
		t.Errorf("%+v %v: letters of long ago do not count", status, err)
	}
}

// TestMeaning: each state in words, with what comes next.
func TestMeaning(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	soon, before, yesterday := now.Add(time.Minute), now.Add(-time.Minute), now.AddDate(0, 0, -1)
	for _, c := range []struct {
		e    schemas.WindowEntry
		want string
	}{
		{schemas.WindowEntry{State: schemas.WindowPlanned}, "not asked for yet"},
		{schemas.WindowEntry{State: schemas.WindowPlanned, DueAt: soon}, "not asked for yet; its turn is 10:01:00"},
		{schemas.WindowEntry{State: schemas.WindowPlanned, DueAt: before}, "not asked for yet; it waits for its turn since 09:59:00"},
		{schemas.WindowEntry{State: schemas.WindowRequested, RequestedAt: before, Attempts: 3, DueAt: soon}, "asked for at 09:59:00 (attempt 3); its callback is awaited until 10:01:00, then the file is fetched by its name"},
		{schemas.WindowEntry{State: schemas.WindowRequested, RequestedAt: yesterday, DueAt: before}, "asked for at 2026-11-29 10:00; its callback is awaited, and overdue since 09:59:00"},
		{schemas.WindowEntry{State: schemas.WindowReady, ReadyAt: before, DueAt: soon}, "its file is known since 09:59:00; a worker is to have it by 10:01:00"},
		{schemas.WindowEntry{State: schemas.WindowCompleted, Rows: 12, CompletedAt: before}, "12 rows, as of 09:59:00"},
		{schemas.WindowEntry{State: schemas.WindowFailed, Reason: schemas.ReasonOverdue, Attempts: 2, DueAt: soon}, "no file came in time (attempt 2); asked for again 10:01:00"},
		{schemas.WindowEntry{State: schemas.WindowFailed, Reason: "something_new", DueAt: before}, "something_new; to be asked for again since 09:59:00"},
		{schemas.WindowEntry{State: schemas.WindowFailed}, "it is not known why"},
		{schemas.WindowEntry{State: "newer"}, "a newer bridge's state"},
	} {
		if got := Meaning(c.e, now); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
