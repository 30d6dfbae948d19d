package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// TestFilesIdle: files that wait, are with somebody, or come back later, are to be expected;
// those that are done or that the server has given up, heard by nobody, are not.
func TestFilesIdle(t *testing.T) {
	t.Parallel()
	b := ready(t)
	stream, err := boss(t, b).Stream(t.Context(), "AICC_FILES")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), schemas.FileConsumer)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, idle bool) {
		t.Helper()
		if got, err := b.FilesIdle(t.Context()); got != idle || err != nil {
			t.Errorf("%s: idle %t, %v", what, got, err)
		}
	}
	take := func() jetstream.Msg {
		t.Helper()
		m, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	want("nothing yet", true)
	publishFiles(t, b, 1)
	bustest.Await(t, func() bool { idle, err := b.FilesIdle(t.Context()); return !idle && err == nil }) // the consumer learns of it a little later
	m := take()
	want("one is with a worker", false)
	if err := m.NakWithDelay(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if m = take(); m.DoubleAck(t.Context()) != nil {
		t.Fatal("not acknowledged")
	}
	want("it is done", true)
	config := consumer.CachedInfo().Config
	config.MaxDeliver, config.AckWait = 1, 200*time.Millisecond
	if _, err := stream.UpdateConsumer(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	publishFiles(t, b, 2) // the first is known
	_ = take()
	want("its last try is under way", false)
	bustest.Await(t, func() bool { idle, err := b.FilesIdle(t.Context()); return idle && err == nil })
	if err := stream.DeleteConsumer(t.Context(), schemas.FileConsumer); err != nil {
		t.Fatal(err)
	}
	if idle, err := b.FilesIdle(t.Context()); idle || err == nil {
		t.Errorf("without a consumer: idle %t, %v", idle, err)
	}
}
