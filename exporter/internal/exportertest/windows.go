package exportertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no time zones

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// Names returns the names below the default prefix.
func Names(t testing.TB) schemas.Names {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Acme is the tenant of all that is made here.
const Acme = "acme"

// Start runs f until the returned function is called, at the latest when the
// test ends.
func Start(t testing.TB, f func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// NewYear is when the first [Hour] begins.
var NewYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Hour is the n-th window of one hour.
func Hour(n int) schemas.Window {
	return schemas.Window{From: NewYear.Add(time.Duration(n) * time.Hour), To: NewYear.Add(time.Duration(n+1) * time.Hour)}
}

// ResponseID is that of the n-th extract.
func ResponseID(n int) string { return fmt.Sprintf("%032x", n) }

// Notice is the callback of the n-th extract.
func Notice(n int) schemas.FileNotice {
	return schemas.FileNotice{
		Tenant: Acme, ResponseID: ResponseID(n), FileName: "20260101_" + ResponseID(n) + ".zip",
		ReceivedAt: NewYear.Add(2 * time.Hour), Via: schemas.ViaCallback,
	}
}

// Planned is the entry of a new window, due at its end.
func Planned(w schemas.Window, k schemas.Kind) schemas.WindowEntry {
	return schemas.WindowEntry{Tenant: Acme, Kind: k, Window: w, State: schemas.WindowPlanned, DueAt: w.To}
}

// Check ends the test with an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Unmarshal decodes JSON; what is none fails the test.
func Unmarshal(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Error(err)
	}
}

// Location loads a time zone.
func Location(t interface{ Fatal(...any) }, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// Ledger is what the helpers below need of a ledger.
type Ledger interface {
	Plan(ctx context.Context, e schemas.WindowEntry) error
	Requested(ctx context.Context, e schemas.WindowEntry, now, deadline time.Time) (schemas.WindowRequest, bool, error)
	Answered(ctx context.Context, e schemas.WindowEntry, responseID string) error
	Entry(ctx context.Context, tenant string, k schemas.Kind, w schemas.Window) (schemas.WindowEntry, bool, error)
}

// Request brings a window as far as "requested"; id < 0 leaves the answer out.
func Request(t testing.TB, l Ledger, w schemas.Window, id int) schemas.WindowEntry {
	t.Helper()
	ctx := t.Context()
	e := Entry(t, l, w)
	if e.State == "" {
		e = Planned(w, schemas.KindCDR)
		Check(t, l.Plan(ctx, e))
	}
	_, ok, err := l.Requested(ctx, e, w.To.Add(time.Hour), w.To.Add(2*time.Hour))
	Check(t, err)
	if !ok {
		t.Fatalf("window %s was not there to be requested", w)
	}
	if id >= 0 {
		Check(t, l.Answered(ctx, e, ResponseID(id)))
	}
	return Entry(t, l, w)
}

// Entry is what the ledger has of a window of call detail records.
func Entry(t testing.TB, l Ledger, w schemas.Window) schemas.WindowEntry {
	t.Helper()
	e, _, err := l.Entry(t.Context(), Acme, schemas.KindCDR, w)
	Check(t, err)
	return e
}

// RefusedWith is a refusal of the platform.
func RefusedWith(class ccfs.Class, code string) error {
	return &ccfs.Error{Operation: "queryBillData", Class: class, Code: code, Status: 200, Message: "refused"}
}
