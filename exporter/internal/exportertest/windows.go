package exportertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no time zones

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
