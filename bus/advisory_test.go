package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// TestServerGivesUp: somebody has put max_deliver on the consumer. Its files end
// as dead letters all the same, and other advisories as nothing.
func TestServerGivesUp(t *testing.T) {
	t.Parallel()
	b := ready(t, func(o *Options) {
		o.MaxAttempts, o.RetryDelay, o.MaxRetryDelay = 10, time.Millisecond, time.Millisecond
	})
	stream, err := boss(t, b).Stream(t.Context(), "AICC_FILES")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), schemas.FileConsumer)
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxDeliver = 2
	if _, err := stream.UpdateConsumer(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	publishFiles(t, b, 1)
	c := consume(t, b, 1)
	awaitAdvisories(t, b)
	for range 2 {
		<-c.deliveries
		c.results <- fmt.Errorf("away")
	}
	bustest.Await(t, func() bool {
		_, found, err := b.conn.LastIn(t.Context(), "AICC_DEADLETTERS", "aicc.v1.acme.deadletter.>")
		return err == nil && found
	})
	c.stop(t)
	letters := all(t, b, schemas.StreamDeadLetters)
	var d schemas.DeadLetter
	if err := json.Unmarshal(letters[0].Body, &d); err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || d.Reason != schemas.ReasonAttempts || d.Attempts != 2 || d.Tenant != "acme" || letters[0].Get("ce-id") != "AICC_FILES/1" {
		t.Errorf("%d dead letters, the first is %s", len(letters), letters[0].Body)
	}
}

func awaitAdvisories(t *testing.T, b *Bus) {
	t.Helper()
	bustest.Await(t, func() bool { return b.conn.JetStream().Conn().NumSubscriptions() > 0 })
	if err := b.conn.JetStream().Conn().Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestAdvisories(t *testing.T) {
	t.Parallel()
	b := ready(t)
	publishFiles(t, b, 1)
	for _, data := range []string{``, `{}`, `{"stream_seq":"x"}`} {
		if b.exhausted(t.Context(), b.queue(schemas.FileConsumer, workFunc(nil)), []byte(data)) == nil {
			t.Errorf("%q is taken for an advisory", data)
		}
	}
	if err := b.exhausted(t.Context(), b.queue(schemas.FileConsumer, workFunc(nil)), []byte(`{"stream_seq":99,"deliveries":3}`)); err != nil {
		t.Errorf("of a message that is gone: %v", err)
	}
	for range 2 { // as two bridges hear it
		if err := b.exhausted(t.Context(), b.queue(schemas.FileConsumer, workFunc(nil)), []byte(`{"stream_seq":1,"deliveries":3}`)); err != nil {
			t.Error(err)
		}
	}
	if n := len(all(t, b, schemas.StreamDeadLetters)); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

func TestStored(t *testing.T) {
	t.Parallel()
	b := ready(t)
	publishFiles(t, b, 70)
	start := time.Now()
	other := bustest.File("3")
	other.Source = "/aicc/other"
	for name, tt := range map[string]struct {
		m     schemas.Message
		since time.Time
		want  bool
	}{
		"first":           {bustest.File("0"), start, true},
		"last":            {bustest.File("69"), start, true},
		"not there":       {bustest.File("70"), start, false},
		"another source":  {other, start, false},
		"another subject": {bustest.Message("aicc.v1.acme.file.skill.ready", "0", true), start, false},
		"too long ago":    {bustest.File("0"), start.Add(2 * clockSlack), false},
	} {
		if found, err := b.Stored(t.Context(), tt.m, tt.since); err != nil || found != tt.want {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	if _, err := b.Stored(t.Context(), bustest.Message("elsewhere", "0", true), start); err == nil {
		t.Error("a subject of no stream: no error")
	}
	consumers := 0
	stream, err := boss(t, b).Stream(t.Context(), "AICC_FILES")
	if err != nil {
		t.Fatal(err)
	}
	for range stream.ListConsumers(t.Context()).Info() {
		consumers++
	}
	if consumers != 1 {
		t.Errorf("%d consumers are left, want the workers' own", consumers)
	}
	if err := boss(t, b).DeleteStream(t.Context(), "AICC_FILES"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stored(t.Context(), bustest.File("0"), start); err == nil {
		t.Error("without a stream: no error")
	}
}

// TestFits: what Fits says is what the server does.
func TestFits(t *testing.T) {
	t.Parallel()
	b := ready(t)
	row := func(n int) schemas.Message {
		m := rows(1, 0, 1)[0]
		m.Body = json.RawMessage(`"` + strings.Repeat("1", n) + `"`)
		return m
	}
	largest := defaultPayloadBytes
	for !b.Rows().Fits(row(largest)) {
		largest -= 16
	}
	if largest < defaultPayloadBytes-2048 {
		t.Errorf("the largest body has %d bytes", largest)
	}
	if _, err := b.Rows().Append(t.Context(), []schemas.Message{row(10), row(largest)}, 0); err != nil {
		t.Errorf("what fits is refused: %v", err)
	}
	if _, err := b.Rows().Append(t.Context(), []schemas.Message{row(defaultPayloadBytes)}, 2); err == nil || !errors.As(err, new(*schemas.Permanent)) {
		t.Errorf("what does not fit: %v", err)
	}
}
