//go:build faults

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// TestF07StreamsChanged: whatever somebody does to the streams while a bridge
// runs is said within two minutes, and no stream with other settings takes the
// place of one that was deleted.
func TestF07StreamsChanged(t *testing.T) {
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}, external: true, window: time.Hour})
	r := s.run()
	js := s.jetStream()
	s.changeStream(schemas.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge, c.Duplicates = time.Hour, time.Minute })
	s.changeStream(schemas.StreamRows, func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 30 })
	s.changeStream(schemas.StreamCoverage, func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew })
	s.changeStream(schemas.StreamFiles, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 })
	if err := js.DeleteStream(t.Context(), r.names.Stream(schemas.StreamDeadLetters)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"AICC_EVENTS.max_age", "AICC_EVENTS.duplicate_window", "AICC_ROWS.max_bytes", "AICC_COVERAGE.discard",
		"AICC_FILES.max_msgs", "AICC_DEADLETTERS",
	}
	begun := time.Now()
	alarm := ""
	for until := begun.Add(2 * time.Minute); alarm == "" && time.Now().Before(until); pause(t, time.Second) {
		alarm = lastLineWith(s.journal.String(), "a stream was deleted or is weaker")
	}
	took := time.Since(begun)
	for line := range strings.Lines(s.journal.String()) {
		if strings.Contains(line, "a stream was deleted or is weaker") {
			alarm = line
		}
	}
	detected := 0
	for _, name := range want {
		if strings.Contains(alarm, name) {
			detected++
		} else {
			t.Errorf("the alarm does not name %s: %s", name, alarm)
		}
	}
	if _, err := js.Stream(t.Context(), r.names.Stream(schemas.StreamDeadLetters)); err == nil {
		t.Error("the deleted stream is there again")
	}
	r.end()
	t.Attr("figure", fmt.Sprintf("detected %d/%d", detected, len(want)))
	t.Attr("measured", fmt.Sprintf("after %.0f s", took.Seconds()))
	t.Attr("tries", fmt.Sprintf("%d", len(want)))
}
