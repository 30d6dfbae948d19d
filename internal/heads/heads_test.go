package heads

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKept: of each interface the last answers are kept and the last failures, whatever came
// between and however many there were.
func TestKept(t *testing.T) {
	b := &Book{}
	var all sync.WaitGroup
	all.Go(func() { b.Of("file store of acme").Note(Head{Operation: "queryBillData", Status: 200}) })
	all.Go(func() {
		l := b.Of("gateway of acme")
		l.Note(Head{Operation: "sign in", Status: 200, Code: "100-002", Class: "caller"})
		for i := range 10_000 {
			l.Note(Head{At: time.Unix(int64(i), 0), Operation: "poll", Status: 200, Code: "0"})
		}
	})
	all.Wait()
	pages := b.Pages()
	if len(pages) != 2 || pages[0].Interface != "file store of acme" || len(pages[0].Answers) != 1 || len(pages[0].Failures) != 0 {
		t.Fatalf("%+v", pages)
	}
	if g := pages[1]; len(g.Answers) != kept || g.Answers[0].At.Unix() != 9_999 || len(g.Failures) != 1 || g.Failures[0].Code != "100-002" {
		t.Errorf("%+v", g)
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, nil)
	var told []Page
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || fmt.Sprint(told[0]) != fmt.Sprint(pages[0]) {
		t.Errorf("%v, %s", err, w.Body)
	}
}

// TestOnlyCodes: what the platform, or who stands in its place, calls a code is not kept unless it
// looks like one.
func TestOnlyCodes(t *testing.T) {
	b := &Book{}
	for code, want := range map[string]string{
		"": "", "0": "0", "100-002": "100-002", "0300011": "0300011", "010106": "010106",
		"70092": "odd", "13800138000": "odd", "5550123": "odd", "s3cr3t": "odd", "100-002 of 70092": "odd", "0300011\n70092": "odd",
	} {
		b.Of("x").Note(Head{Code: code})
		if got := b.Pages()[0].Answers[0].Code; got != want {
			t.Errorf("%q is kept as %q, want %q", code, got, want)
		}
	}
}

// TestNote: to note an answer allocates nothing, and a Log that is none keeps nothing.
func TestNote(t *testing.T) {
	var none *Book
	l := (&Book{}).Of("x")
	h := Head{Operation: "poll", Status: 200, Code: "0"}
	if n := testing.AllocsPerRun(100, func() { l.Note(h); none.Of("x").Note(h) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
	if text := fmt.Sprint(l); strings.Count(text, "poll") != kept {
		t.Errorf("kept: %s", text)
	}
}
