package ledger

import (
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// standingOf is how a tenant with these windows stands. Times are minutes after the ledger
// began.
func standingOf(t *testing.T, entries []schemas.WindowEntry, called ...int) Standing {
	t.Helper()
	l, err := New(Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	at := func(minute time.Time) time.Time {
		if minute.IsZero() {
			return minute
		}
		return l.begun.Add(minute.Sub(epoch))
	}
	for i, e := range entries {
		e.Tenant, e.Kind, e.Window = exportertest.Acme, schemas.KindCDR, schemas.Window{From: l.begun.Add(time.Duration(i) * time.Hour), To: l.begun.Add(time.Duration(i+1) * time.Hour)}
		e.RequestedAt, e.ReadyAt = at(e.RequestedAt), at(e.ReadyAt)
		l.remember(e.Key(), item{WindowEntry: e, revision: uint64(i + 1)})
	}
	for _, minute := range called {
		l.hear(schemas.FileNotice{Tenant: exportertest.Acme, Via: schemas.ViaCallback, ReceivedAt: at(epoch.Add(time.Duration(minute) * time.Minute))})
	}
	return l.Standing(exportertest.Acme, l.begun.Add(24*time.Hour))
}

var epoch = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// fetched is a window whose file came so, asked for in a minute.
func fetched(via schemas.Via, minute int) schemas.WindowEntry {
	at := epoch.Add(time.Duration(minute) * time.Minute)
	return schemas.WindowEntry{State: schemas.WindowCompleted, Via: via, RequestedAt: at, ReadyAt: at.Add(30 * time.Second)}
}

// overdue is a window whose callback did not come, and which has no response id either.
func overdue(minute int) schemas.WindowEntry {
	return schemas.WindowEntry{State: schemas.WindowFailed, Reason: schemas.ReasonOverdue, RequestedAt: epoch.Add(time.Duration(minute) * time.Minute), Attempts: 1}
}

func TestSilentCallbacks(t *testing.T) {
	p, c := schemas.ViaPredicted, schemas.ViaCallback
	for name, tt := range map[string]struct {
		entries []schemas.WindowEntry
		called  []int // callbacks that arrived, of whatever window
		want    bool
	}{
		"nothing yet":                 {nil, nil, false},
		"two without":                 {[]schemas.WindowEntry{fetched(p, 1), fetched(p, 2)}, nil, false},
		"never one":                   {[]schemas.WindowEntry{fetched(p, 1), fetched(p, 2), fetched(p, 3)}, nil, true},
		"never one, nor an answer":    {[]schemas.WindowEntry{overdue(1), overdue(2), fetched(p, 3)}, nil, true},
		"never one, before a restart": {[]schemas.WindowEntry{fetched(p, -9), fetched(p, -8), fetched(p, -7)}, nil, true},
		"one has arrived":             {[]schemas.WindowEntry{fetched(p, 1), fetched(p, 2), fetched(p, 3), fetched(c, 4)}, nil, false},
		"one for nobody":              {[]schemas.WindowEntry{fetched(p, 1), fetched(p, 2), fetched(p, 3)}, []int{4}, false},
		"none any more":               {[]schemas.WindowEntry{fetched(c, 1), fetched(p, 2), fetched(p, 3), overdue(4)}, nil, true},
		"two in a row":                {[]schemas.WindowEntry{fetched(p, 1), fetched(c, 2), fetched(p, 3), fetched(p, 4)}, nil, false},
		"not heard during a restart":  {[]schemas.WindowEntry{fetched(c, -9), fetched(p, -3), fetched(p, -2), fetched(p, -1)}, nil, false},
		"failed for other reasons":    {[]schemas.WindowEntry{{State: schemas.WindowFailed, Reason: schemas.ReasonRefused}, {State: schemas.WindowFailed, Reason: schemas.ReasonUnreachable}, {State: schemas.WindowPlanned}}, nil, false},
	} {
		if s := standingOf(t, tt.entries, tt.called...); s.Silent() != tt.want {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestFailingWindows(t *testing.T) {
	of := func(state schemas.WindowState, attempts int) schemas.WindowEntry {
		return schemas.WindowEntry{State: state, Attempts: attempts, Reason: schemas.ReasonDamagedZip}
	}
	for name, tt := range map[string]struct {
		entry schemas.WindowEntry
		want  int
	}{
		"four times":               {of(schemas.WindowFailed, 4), 0},
		"five times":               {of(schemas.WindowFailed, 5), 1},
		"the fifth is under way":   {of(schemas.WindowRequested, 5), 0},
		"the fifth has its file":   {of(schemas.WindowReady, 5), 0},
		"the sixth is under way":   {of(schemas.WindowRequested, 6), 1},
		"complete":                 {of(schemas.WindowCompleted, 6), 0},
		"put back after the sixth": {of(schemas.WindowPlanned, 6), 1},
	} {
		if s := standingOf(t, []schemas.WindowEntry{tt.entry}); s.Failing != tt.want || tt.want > 0 && s.Reason != schemas.ReasonDamagedZip {
			t.Errorf("%s: %+v", name, s)
		}
	}
	old := []schemas.WindowEntry{of(schemas.WindowFailed, 9)}
	l, err := New(Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
	exportertest.Check(t, err)
	old[0].Tenant, old[0].Kind, old[0].Window = exportertest.Acme, schemas.KindCDR, exportertest.Hour(0)
	l.remember(old[0].Key(), item{WindowEntry: old[0], revision: 1})
	if s := l.Standing(exportertest.Acme, old[0].Window.To.Add(retryUntil)); s.Failing != 0 {
		t.Errorf("a week later: %+v", s)
	}
	other := old[0]
	other.Kind, other.Reason = schemas.KindSkill, schemas.ReasonOverdue
	l.remember(other.Key(), item{WindowEntry: other, revision: 2})
	for range 100 { // an alarm says it at each look
		if s := l.Standing(exportertest.Acme, old[0].Window.To); s.Failing != 2 || s.Reason != schemas.ReasonDamagedZip {
			t.Fatalf("of two kinds: %+v", s)
		}
	}
}
