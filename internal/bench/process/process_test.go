package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asChild makes the test binary a child that answers a number with the next one.
const asChild = "BENCH_PROCESS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	err := Serve(context.Background(), os.Stdin, os.Stdout, "ready", func(_ context.Context, n int) (any, error) {
		fmt.Fprintln(os.Stderr, "asked for", n)
		if n < 0 {
			return nil, errors.New("negative")
		}
		return n + 1, nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, log func([]byte)) *Child {
	t.Helper()
	o, err := Self("child")
	if err != nil {
		t.Fatal(err)
	}
	o.Env, o.Log = []string{asChild + "=1"}, log
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	var ready string
	if err := c.Next(t.Context(), &ready); err != nil || ready != "ready" {
		t.Fatalf("%q, %v", ready, err)
	}
	return c
}

func TestAsk(t *testing.T) {
	logged := make(chan string, 9)
	c := child(t, func(line []byte) { logged <- string(line) })
	var n int
	if err := c.Ask(t.Context(), 41, &n); err != nil || n != 42 {
		t.Fatalf("%d, %v", n, err)
	}
	if line := <-logged; line != "asked for 41" {
		t.Errorf("logged %q", line)
	}
	u, err := c.Usage()
	if err != nil || u.RSS < 1<<20 || u.Peak < u.RSS || u.CPU < 0 {
		t.Errorf("%+v, %v", u, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := c.Next(ctx, &n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a line that does not come: %v", err)
	}
	c.Stop()
	if _, err := c.Usage(); err == nil {
		t.Error("it has not ended")
	}
}

func TestFailureTellsTheLog(t *testing.T) {
	c := child(t, nil)
	var n int
	err := c.Ask(t.Context(), -1, &n)
	if err == nil || !strings.Contains(err.Error(), "child ended: exit status 1; it logged last:\n\tasked for -1\n\tnegative") {
		t.Errorf("%v", err)
	}
	<-c.Ended()
	if err := c.Failure("is late"); !strings.Contains(err.Error(), "child is late; it logged last") {
		t.Errorf("%v", err)
	}
}

func TestKill(t *testing.T) {
	c := child(t, nil)
	c.Kill()
	var n int
	if err := c.Next(t.Context(), &n); err == nil {
		t.Error("it has not ended")
	}
}

func TestStartOfNothing(t *testing.T) {
	if _, err := Start(t.Context(), Options{Name: "nothing", Path: "/nothing"}); err == nil {
		t.Error("it runs")
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, writer := io.Pipe()
	defer writer.Close()
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, in, io.Discard, 0, func(context.Context, int) (any, error) { return 0, nil })
	}()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestParse(t *testing.T) {
	for stat, want := range map[string]float64{
		"7 (bridge) S 1 7 7 0 -1 4194560 1 2 3 4 250 130 0 0 20":    3.8,
		"7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 100 100 0 0 20 0": 2,
	} {
		if got, err := parseCPU([]byte(stat)); err != nil || got != want {
			t.Errorf("%s: %v, %v", stat, got, err)
		}
	}
	for _, bad := range []string{"", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 a 1 0", "7 (x) S 1 7 7 0 -1 4194560 1 2 3 4 1 a 0"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	status := []byte("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n")
	if got := parseField(status, "VmHWM:"); got != 2048 {
		t.Errorf("%v", got)
	}
	if got := parseField(status, "VmSwap:"); got != 0 {
		t.Errorf("%v", got)
	}
}
