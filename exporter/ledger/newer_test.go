package ledger

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// rewrite changes the text of a window's entry, as a newer bridge may write it.
func rewrite(t *testing.T, b *exportertest.Bucket, w schemas.Window, old, text string) {
	t.Helper()
	key := schemas.WindowKey(exportertest.Acme, schemas.KindCDR, w)
	value, revision, err := b.Get(t.Context(), key)
	exportertest.Check(t, err)
	if !strings.Contains(string(value), old) {
		t.Fatalf("no %s in %s", old, value)
	}
	_, ok, err := b.Swap(t.Context(), key, []byte(strings.Replace(string(value), old, text, 1)), revision)
	exportertest.Check(t, err)
	if !ok {
		t.Fatal("the entry was not written")
	}
}

// TestEntriesOfANewerBridge: what a newer bridge has added to an entry is still there after
// this one has worked on the window; an entry of a newer format is left alone, and its window
// is not planned here.
func TestEntriesOfANewerBridge(t *testing.T) {
	bucket := exportertest.NewBucket()
	l, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	read := func(w schemas.Window) (text string) {
		value, _, err := bucket.Get(t.Context(), schemas.WindowKey(exportertest.Acme, schemas.KindCDR, w))
		exportertest.Check(t, err)
		return string(value)
	}
	added, newer := exportertest.Hour(0), exportertest.Hour(1)
	for i, w := range []schemas.Window{added, newer} {
		exportertest.Request(t, l, w, i)
	}
	const more = `"priority":{"of":[1,2.50]}`
	rewrite(t, bucket, added, `"tenant"`, more+`,"tenant"`)
	rewrite(t, bucket, newer, `"tenant"`, `"format":2,"tenant"`)
	before := read(newer)
	for i := range 2 {
		exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(i)))
		f := schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: exportertest.Hour(i), ResponseID: exportertest.ResponseID(i)}
		exportertest.Check(t, l.Complete(t.Context(), f, 7, time.Now()))
	}
	if text := read(added); !strings.Contains(text, more) || !strings.Contains(text, `"rows":7`) || !json.Valid([]byte(text)) {
		t.Errorf("the entry is %s", text)
	}
	if text := read(newer); text != before {
		t.Errorf("the newer bridge's entry is %s", text)
	}
	again, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	all := again.Entries(exportertest.Acme, schemas.KindCDR)
	if len(all) != 2 || all[0].Unplanned || !all[1].Unplanned {
		t.Errorf("the windows are %+v", all)
	}
	if _, err := again.Import(t.Context(), schemas.FileReady{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Window: newer}, time.Now()); err == nil {
		t.Error("a file was imported into the newer bridge's window")
	}
	if _, ok, err := again.Requested(t.Context(), all[1], time.Now(), time.Now()); ok || err != nil {
		t.Errorf("the newer bridge's window may be asked for: %v", err)
	}
}

// TestFurtherMembersOfBudgets: what a newer bridge has added to a budget is still there when
// this one has taken turns on it.
func TestFurtherMembersOfBudgets(t *testing.T) {
	bucket := exportertest.NewBucket()
	const name, more = "ab", `"weight":{"acme":[1,2.50]}`
	_, ok, err := bucket.Swap(t.Context(), schemas.BudgetKey(name), []byte(`{`+more+`,"next":"2026-11-01T00:00:00Z"}`), 0)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	l, _ := running(t, Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
	until := time.Now()
	exportertest.Check(t, l.Queue(t.Context(), l.Budget(name), exportertest.Acme))
	if ok, err := l.Take(t.Context(), l.Budget(name), exportertest.Acme, until); !ok || err != nil {
		t.Errorf("the turn is not taken: %v", err)
	}
	exportertest.Check(t, l.HoldOff(t.Context(), name, until.Add(time.Minute)))
	text, _, err := bucket.Get(t.Context(), schemas.BudgetKey(name))
	if err != nil || !strings.Contains(string(text), more) || strings.Contains(string(text), "2026-11-01") {
		t.Errorf("the budget is %s, %v", text, err)
	}
}
