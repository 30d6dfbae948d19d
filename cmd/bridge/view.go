package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// view shows a tally while a demo runs: a block that is redrawn on a terminal,
// a plain line now and then otherwise.
type view struct {
	out   io.Writer
	tally *tally
	fancy bool
	start time.Time
	total time.Duration
	phase func() string

	before picture
	said   string // the phase printed last
	drawn  int    // lines of the block on the screen
}

// How often the view is renewed.
const (
	redrawEvery = 250 * time.Millisecond
	lineEvery   = 2 * time.Second
)

// run shows the tally until ctx ends.
func (v *view) run(ctx context.Context) {
	every := lineEvery
	if v.fancy {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	v.before = v.tally.picture(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			v.show(v.tally.picture(now))
		}
	}
}

func (v *view) show(p picture) {
	rate := 0.0
	if s := p.at.Sub(v.before.at).Seconds(); s > 0 {
		rate = float64(p.events-v.before.events) / s
	}
	if !v.fancy {
		if phase := v.phase(); phase != v.said {
			v.said = phase
			fmt.Fprintf(v.out, "%s  %s\n", clock(p.at.Sub(v.start)), phase)
		}
		if p.sameAs(v.before) {
			return
		}
		v.before = p
		fmt.Fprintf(v.out, "%s  agents %s  events %d (%.1f/s)  windows %s  rows %s  last: %s\n",
			clock(p.at.Sub(v.start)), byState(p), p.events, rate, byKind(p.windows), byKind(p.rows), p.last)
		return
	}
	if p.at.Sub(v.before.at) > 5*time.Second {
		v.before = p
	}
	lines := []string{
		fmt.Sprintf("bridge demo  %s of %s   %s", clock(p.at.Sub(v.start)), clock(v.total), v.phase()),
		"agents   " + byState(p),
		fmt.Sprintf("events   %d stored, %.1f/s, %s", p.events, rate, count(p.gaps, "gap")),
		"windows  " + byKind(p.windows),
		"rows     " + byKind(p.rows),
		"last     " + p.last,
	}
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA", v.drawn)
	}
	for _, line := range lines {
		fmt.Fprintf(v.out, "\x1b[2K%s\n", cutTo(line, width(v.out)))
	}
	v.drawn = len(lines)
}

// cutTo shortens a line to what fits: one that wraps would not be overwritten.
func cutTo(line string, width int) string {
	if len(line) >= width && width > 0 {
		return line[:width-1]
	}
	return line
}

func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

var stateOrder = []schemas.State{
	schemas.StateOnCall, schemas.StateReady, schemas.StateWrapup, schemas.StateNotReady, schemas.StateRest,
	schemas.StateSignedOut, schemas.StateUnknown,
}

func byState(p picture) string {
	var parts []string
	for _, s := range stateOrder {
		if n := p.states[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n))
		}
	}
	if parts == nil {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}

func byKind(n map[schemas.Kind]int) string {
	var parts []string
	for _, k := range schemas.Kinds() {
		if n[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, n[k]))
		}
	}
	if parts == nil {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}
