// Package bustest is what the tests of the bus's rooms run on: servers, links that
// lose, hold up and cut, messages, and waiting. It knows no connection; package hubtest
// does.
//
// Only tests may import it. It may import schemas and bus/embedded.
package bustest

import (
	"context"
	"flag"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// atOnce is how many tests run beside each other: they wait for servers and disks
// more than they compute.
const atOnce = 6

// Main runs a package's tests, and fails when they leave goroutines.
func Main(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	// The client library's object store ends a publisher of its own after each Put. When
	// that is quicker than the start of the publisher's goroutine, this waits without end,
	// on a channel that is nil by then (nats.go 1.55.0).
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

// Limited is a context that ends after a while, or with the test.
func Limited(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Await polls a condition that no channel announces.
func Await(t testing.TB, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx := Limited(t, 10*time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not happen")
		}
	}
}

// Receive waits for the next value of a channel.
func Receive[T any](t testing.TB, c <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-Limited(t, 20*time.Second).Done():
		t.Fatal("nothing came")
	}
	return value
}
