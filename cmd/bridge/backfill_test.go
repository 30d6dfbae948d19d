package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"aiccbridge/exporter/backfill"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// TestUsualLength: windows are as long as most are, not as the longest, which a clock change makes.
func TestUsualLength(t *testing.T) {
	t.Parallel()
	var all []schemas.WindowEntry
	at := time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC)
	for _, hours := range []int{1, 1, 2, 1, 1} {
		next := at.Add(time.Duration(hours) * time.Hour)
		all = append(all, schemas.WindowEntry{Window: schemas.Window{From: at, To: next}})
		at = next
	}
	if got := usualLength(all); got != time.Hour {
		t.Errorf("they are %s long", got)
	}
}

// TestBound: an order that nobody means is refused unless he says so.
func TestBound(t *testing.T) {
	t.Parallel()
	large := []planned{{Requests: mostWindows, Seconds: 86400}, {Requests: 1, Seconds: 86400}}
	o := &backfillOptions{}
	if err := o.bound(large); err == nil || !strings.Contains(err.Error(), "50001 windows are missing, which take 2 days at least") {
		t.Errorf("%v", err)
	}
	if err := o.bound(large[:1]); err != nil {
		t.Error(err)
	}
	if o.many = true; o.bound(large) != nil {
		t.Error("it is refused although somebody means it")
	}
}

// TestSpansOf: neighbours that are missing for one reason are one line.
func TestSpansOf(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	missing := func(hour int, why backfill.Why, reason schemas.Reason) backfill.Missing {
		from := at.Add(time.Duration(hour) * time.Hour)
		return backfill.Missing{Window: schemas.Window{From: from, To: from.Add(time.Hour)}, Why: why, Reason: reason}
	}
	got := spansOf(backfill.Plan{Tenant: "acme", Kind: schemas.KindCDR, Missing: []backfill.Missing{
		missing(0, backfill.WhyUnknown, ""), missing(1, backfill.WhyUnknown, ""), missing(2, backfill.WhyRows, ""),
		missing(4, backfill.WhyFailed, schemas.ReasonRefused), missing(6, backfill.WhyFailed, schemas.ReasonRefused),
	}})
	var said []string
	for _, s := range got {
		said = append(said, s.Why)
	}
	want := "not in ledger/rows missing/failed: " + ask.InWords(schemas.ReasonRefused) + "/failed: " + ask.InWords(schemas.ReasonRefused)
	if strings.Join(said, "/") != want || got[0].Windows != 2 || !got[0].Span.To.Equal(at.Add(2*time.Hour)) {
		t.Errorf("%+v", got)
	}
}

// TestBackfillEnds: an order of which something failed, or was taken out meanwhile, did not end
// well.
func TestBackfillEnds(t *testing.T) {
	t.Parallel()
	o, of := &backfillOptions{}, []ask.Backfill{{ID: "o1"}}
	for _, c := range []struct {
		sum  ask.Backfill
		want string
	}{
		{ask.Backfill{Windows: 3, Complete: 3}, ""},
		{ask.Backfill{Windows: 3, Complete: 2, Failed: 1}, "1 windows failed"},
		{ask.Backfill{Windows: 1, Complete: 1}, "2 windows were taken out"},
	} {
		var out bytes.Buffer
		err := o.end(repairing{looking: looking{out: &out}}, of, c.sum, 3)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || !strings.Contains(out.String(), "of 3 windows are complete") {
			t.Errorf("%+v: %v, %q", c.sum, err, out.String())
		}
	}
}
