package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"aiccbridge/config"
	"aiccbridge/internal/reload"
)

// TestChangeAllOrNone: when one part cannot take the other configuration, none does.
func TestChangeAllOrNone(t *testing.T) {
	var taken []string
	fails := errors.New("no")
	c := &changeable{}
	part := func(name string, err *error) change {
		return func(_, _ *config.Config) (func(), error) {
			return func() { taken = append(taken, name) }, *err
		}
	}
	var none error
	c.add(part("first", &none))
	c.add(func(_, _ *config.Config) (func(), error) { return nil, nil })
	c.add(part("last", &fails))
	if err := c.apply(nil, nil); !errors.Is(err, fails) || len(taken) > 0 {
		t.Errorf("%v, taken by %v", err, taken)
	}
	fails = nil
	if err := c.apply(nil, nil); err != nil || strings.Join(taken, " ") != "first last" {
		t.Errorf("%v, taken by %v", err, taken)
	}
}

// TestLevelChanges: also that of loggers that were made of the first one.
func TestLevelChanges(t *testing.T) {
	var out bytes.Buffer
	level := &logLevel{}
	log := newLevelledLogger(config.Log{Level: "info", Format: "json"}, level, &out)
	tenant := log.With().Str("tenant", "acme").Logger()
	for _, step := range []struct {
		level string
		lines int // of debug, info, warn and error
	}{{"info", 3}, {"debug", 4}, {"error", 1}, {"warn", 2}} {
		level.set(step.level)
		out.Reset()
		tenant.Debug().Msg("d")
		tenant.Info().Msg("i")
		tenant.Warn().Msg("w")
		tenant.Error().Msg("e")
		if n := strings.Count(out.String(), "\n"); n != step.lines {
			t.Errorf("%s: %d lines\n%s", step.level, n, &out)
		}
	}
}

func TestPrintReload(t *testing.T) {
	for _, c := range []struct {
		answer reload.Answer
		asJSON bool
		want   string
		fails  bool
	}{
		{reload.Answer{}, false, "nothing has changed\n", false},
		{reload.Answer{Changes: []reload.Change{{Key: "log.level", From: "info", To: "debug"}}}, false, "KEY        FROM  TO     DETAIL\nlog.level  info  debug  \n", false},
		{reload.Answer{Error: "no"}, false, "", true},
		{reload.Answer{Changes: []reload.Change{}, Error: "no", Keys: []string{"data_dir"}}, true, `{"changes":[],"error":"no","keys":["data_dir"]}` + "\n", true},
	} {
		var out bytes.Buffer
		if err := printReload(&out, c.answer, c.asJSON); (err != nil) != c.fails || out.String() != c.want {
			t.Errorf("%+v: %q, %v", c.answer, &out, err)
		}
	}
}
