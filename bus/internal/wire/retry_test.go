package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/denied"
	"aiccbridge/schemas"
)

func TestTroubleLogsChangesOnly(t *testing.T) {
	var out bytes.Buffer
	tr := &Trouble{log: zerolog.New(&out)}
	tr.Over()
	for port := range 100 { // each try has a port of its own
		tr.Failed(fmt.Errorf("read tcp 127.0.0.1:%d->127.0.0.1:4222: timeout", 50000+97*port))
	}
	tr.Failed(errors.New("refused"))
	tr.Over()
	tr.Over()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "timeout") || !strings.Contains(lines[1], "refused") ||
		!strings.Contains(lines[2], `"failures":101`) {
		t.Errorf("logged:\n%s", out.String())
	}
}

// What follows from a connection that is down, or goes by soon, is no warning.
func TestTroubleIsQuietWhileTheConnectionIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		down := true
		tr := &Trouble{log: zerolog.New(&out).Level(zerolog.InfoLevel), down: func() bool { return down }, patience: troubleAfter}
		step := func(lines int) {
			t.Helper()
			time.Sleep(troubleAfter / 2)
			if got := strings.Count(out.String(), "\n"); got != lines {
				t.Errorf("%d lines, want %d:\n%s", got, lines, out.String())
			}
		}
		for range 10 {
			tr.Failed(errors.New("timeout"))
			step(0)
		}
		down = false
		tr.Failed(errors.New("timeout"))
		step(0)
		tr.Over() // soon: not even its end
		step(0)
		for _, lines := range []int{0, 0, 1, 1} {
			tr.Failed(errors.New("timeout"))
			step(lines)
		}
		tr.Over()
		step(2)
	})
}

// A callback is answered within four seconds: a lost answer of the server must
// leave time for a second try.
func TestATryIsShort(t *testing.T) {
	if defaultRequestTimeout > 2*time.Second {
		t.Errorf("a try may take %s", defaultRequestTimeout)
	}
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{opts: Options{RequestTimeout: defaultRequestTimeout}, denials: new(denied.List)}
		tries := 0
		again := errors.New("away")
		begin := time.Now()
		err := c.Retry(t.Context(), &Trouble{}, func(ctx context.Context) error {
			if tries++; time.Since(begin) < 24*time.Hour {
				return again
			}
			return nil
		})
		if err != nil {
			t.Errorf("gave up: %v", err)
		}
		if least := int(24 * time.Hour / maxRetryWait); tries < least {
			t.Errorf("%d tries in a day, want at least %d", tries, least)
		}
		for name, final := range map[string]error{
			"permanent": &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: again},
			"conflict":  schemas.ErrConflict,
			"closed":    nats.ErrConnectionClosed,
		} {
			tries = 0
			err := c.Retry(t.Context(), &Trouble{}, func(context.Context) error { tries++; return final })
			if tries != 1 || !errors.Is(err, final) {
				t.Errorf("%s: %d tries, %v", name, tries, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = c.Retry(ctx, &Trouble{}, func(ctx context.Context) error {
			<-ctx.Done() // a server that does not answer
			return again
		})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, again) {
			t.Errorf("error %v", err)
		}
	})
}
