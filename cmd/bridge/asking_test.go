package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestLastPassed: a clock's time is the last that has passed; an instant that is still to come
// is refused.
func TestLastPassed(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"09:30": "2026-03-02T09:30:00Z", "09:31": "2026-03-01T09:31:00Z", "10:03:20": "2026-03-01T10:03:20Z",
		"90m": "2026-03-02T08:00:00Z", "2026-03-02": "2026-03-02T00:00:00Z",
		"2026-03-03": "", "2026-03-02 10:03:20": "", "2026-03-02T09:30:01Z": "",
	} {
		at, err := readTime(text, now)
		if err != nil {
			t.Fatal(err)
		}
		at, err = lastPassed(text, at, now)
		if want == "" && err == nil || want != "" && (err != nil || at.Format(time.RFC3339) != want) {
			t.Errorf("%s: %s, %v", text, at, err)
		}
	}
	var out, errOut bytes.Buffer
	if code := execute([]string{"agents", "--at", "2999-01-01"}, &out, &errOut); code != exitUsage || !strings.Contains(errOut.String(), "--at 2999-01-01: it is still to come") {
		t.Errorf("it ended with %d: %s", code, &errOut)
	}
}

// TestRetryOfNone: where no window has failed there is nothing to do, and that is well.
func TestRetryOfNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code, said := saidByAll(t, []string{"windows", "retry", "--failed"}, dir, "127.0.0.1:0", ""); code != exitOK || !strings.Contains(said, "of such windows there is none") {
		t.Errorf("it ended with %d: %s", code, said)
	}
	if code, said := saidByAll(t, []string{"windows", "retry", "cdr", "20261130t000000z-20261130t010000z", "--tenant", "acme"}, dir, "127.0.0.1:0", ""); code != exitFailed || !strings.Contains(said, "there is none") {
		t.Errorf("of a window by name it ended with %d: %s", code, said)
	}
}
