package serverlog

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestRebuiltIndexesAreOneLine(t *testing.T) {
	var log bytes.Buffer
	l := New(zerolog.New(&log))
	for range 5 {
		l.Warnf("Filestore [%s] Stream state outdated, last block has additional entries, will rebuild", "A")
		l.Warnf("Filestore [%s] Recovering stream state from index errored: %v", "A", "prior state file")
	}
	l.Warnf("Something else: %d", 7)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "indexes are rebuilt") || !strings.Contains(lines[1], "Something else: 7") {
		t.Errorf("logged %q", lines)
	}
}

func TestRefusedClientsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := New(zerolog.New(&log))
		for range 300 {
			l.Errorf("%s - cid:%d - %s", "127.0.0.1:4711", 7, "authentication error")
			time.Sleep(time.Second)
		}
		l.Errorf("another error")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 6 || !strings.Contains(lines[4], `"more":59`) || !strings.Contains(lines[5], "another error") {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestLogs(t *testing.T) {
	var out bytes.Buffer
	l := New(zerolog.New(&out))
	l.Noticef("a %d", 1)
	l.Debugf("b")
	l.Tracef("c")
	if out.Len() > 0 {
		t.Errorf("logged %s", out.String())
	}
	l.Warnf("disk %d", 7)
	l.Errorf("gone")
	l.Fatalf("first %d", 1)
	l.Fatalf("second")
	if got := out.String(); !strings.Contains(got, "disk 7") || !strings.Contains(got, "gone") {
		t.Errorf("logged %s", got)
	}
	if err := l.Fatal(); err == nil || err.Error() != "first 1" {
		t.Errorf("fatal %v", err)
	}
}
