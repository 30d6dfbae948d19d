package spool

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// The lines of an outage count what waited, and how long it took to bring it.
func TestOutageFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := &outage{log: zerolog.New(&out).Level(zerolog.InfoLevel)}
		fails, succeeds := func() { o.failed(errors.New("away")) }, func() { o.success() }
		second := func(waiting uint64, connected bool, reports func(), n int, want string) {
			t.Helper()
			for range n {
				reports()
			}
			time.Sleep(time.Second)
			o.tick(waiting, connected)
			if got := strings.TrimSpace(out.String()); got != want {
				t.Errorf("logged %s, want %s", got, want)
			}
			out.Reset()
		}
		second(0, true, succeeds, 3, "")
		second(5, false, fails, 9, "")
		second(9, false, fails, 9, "")
		second(7, true, succeeds, 2, `{"level":"info","messages":9,"away":"1s","message":"hub is back; catching up"}`)
		second(0, true, succeeds, 8, `{"level":"info","messages":10,"took":"2s","message":"caught up with the hub"}`)
		second(4, true, fails, 2, `{"level":"warn","error":"away","message":"hub takes no messages; they wait in the spool"}`)
		second(0, true, succeeds, 4, `{"level":"info","messages":4,"took":"1s","message":"caught up with the hub"}`)
		second(0, true, succeeds, 1, "")
	})
}
