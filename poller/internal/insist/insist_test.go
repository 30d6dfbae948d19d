package insist

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
)

func TestInsist(t *testing.T) {
	down, fenced := errors.New("no responders"), errors.New("somebody else")
	large := &schemas.Permanent{Reason: schemas.ReasonOversized, Err: errors.New("too large")}
	for name, c := range map[string]struct {
		results []error // then success
		ends    time.Duration
		want    error
		took    time.Duration
		warned  int
		over    int
	}{
		"at once":                    {nil, time.Hour, nil, 0, 0, 0},
		"after a while":              {[]error{down, down, down}, time.Hour, nil, 3 * pause, 1, 1},
		"a permanent error":          {[]error{down, large}, time.Hour, large, pause, 1, 0},
		"another that ends it":       {[]error{backoff.Permanent(fenced)}, time.Hour, fenced, 0, 0, 0},
		"the end comes in the pause": {[]error{down, down, down, down}, 2500 * time.Millisecond, context.DeadlineExceeded, 2500 * time.Millisecond, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs strings.Builder
				trouble := New(zerolog.New(&logs))
				ctx, cancel := context.WithTimeout(t.Context(), c.ends)
				defer cancel()
				begun, results := time.Now(), c.results
				err := trouble.Insist(ctx, "publish", func(context.Context) (err error) {
					if len(results) > 0 {
						err, results = results[0], results[1:]
					}
					return err
				})
				if !errors.Is(err, c.want) || time.Since(begun) != c.took {
					t.Errorf("%v after %s", err, time.Since(begun))
				}
				var ended *backoff.PermanentError
				if errors.As(err, &ended) {
					t.Error("the error is still wrapped")
				}
				if said := logs.String(); strings.Count(said, "not stored") != c.warned || strings.Count(said, "works again") != c.over {
					t.Errorf("logged: %s", said)
				}
			})
		})
	}
}

// What fails while the context ends fails because of that.
func TestTheEndOfTheContextIsNoTrouble(t *testing.T) {
	var logs strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	err := New(zerolog.New(&logs)).Insist(ctx, "publish", func(context.Context) error {
		cancel()
		return errors.New("connection closed")
	})
	if !errors.Is(err, context.Canceled) || logs.Len() > 0 {
		t.Errorf("%v, logged: %s", err, logs.String())
	}
}

func TestOnlyChangesAreLogged(t *testing.T) {
	var logs strings.Builder
	trouble := New(zerolog.New(&logs))
	for _, cause := range []string{"a", "a", "b", "b", "a"} {
		trouble.On(cause, errors.New("x"), "it fails")
	}
	trouble.Over("it works")
	trouble.Over("it works")
	if got := strings.Count(logs.String(), "it fails"); got != 3 || strings.Count(logs.String(), "it works") != 1 || !strings.Contains(logs.String(), `"failures":5`) {
		t.Errorf("logged: %s", logs.String())
	}
}

func TestForgive(t *testing.T) {
	var logs strings.Builder
	log := zerolog.New(&logs)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Forgive(t.Context(), log, nil, "not stored"); err != nil || logs.Len() > 0 {
		t.Errorf("%v, logged: %s", err, logs.String())
	}
	if err := Forgive(ended, log, errors.New("x"), "not stored"); !errors.Is(err, context.Canceled) || logs.Len() > 0 {
		t.Errorf("%v, logged: %s", err, logs.String())
	}
	if err := Forgive(t.Context(), log, errors.New("x"), "not stored"); err != nil || strings.Count(logs.String(), "not stored") != 1 {
		t.Errorf("%v, logged: %s", err, logs.String())
	}
}
