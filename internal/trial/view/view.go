package view

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"aiccbridge/schemas"
)

// Phase is what a trial is doing, in words. It is safe for concurrent use.
type Phase struct {
	mu         sync.Mutex
	text, hint string
}

// NewPhase is the first phase.
func NewPhase(text string) *Phase { return &Phase{text: text} }

// Enter begins the next phase.
func (p *Phase) Enter(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text + p.hint
}

// Hint is added to the phases from the next one on.
func (p *Phase) Hint(hint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hint = hint
}

func (p *Phase) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}

// How often the view is renewed.
const (
	redrawEvery = 250 * time.Millisecond
	lineEvery   = 2 * time.Second
)

// Show shows stats and phase until ctx ends: as a block that is redrawn on a terminal,
// as a plain line now and then otherwise. total is how long the stats are meant to grow.
func Show(ctx context.Context, out io.Writer, stats *Stats, phase *Phase, total time.Duration) {
	v := &view{out: out, phase: phase, start: stats.since, total: total, before: stats.picture(time.Now())}
	show, every := v.line, lineEvery
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.terminal = f
		show, every = v.block, redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			show(stats.picture(now))
		}
	}
}

// view is what is shown and has been shown.
type view struct {
	out      io.Writer
	terminal *os.File // nil: out is none
	phase    *Phase
	start    time.Time
	total    time.Duration

	before picture
	said   string // the phase printed last
	drawn  int    // lines of the block on the screen
}

// rate is the events in a second since the picture before.
func (v *view) rate(p picture) float64 {
	if s := p.at.Sub(v.before.at).Seconds(); s > 0 {
		return float64(p.events-v.before.events) / s
	}
	return 0
}

// line prints a new phase, and what has changed.
func (v *view) line(p picture) {
	passed := clock(p.at.Sub(v.start))
	if phase := v.phase.String(); phase != v.said {
		v.said = phase
		fmt.Fprintf(v.out, "%s  %s\n", passed, phase)
	}
	if p.sameAs(v.before) {
		return
	}
	fmt.Fprintf(v.out, "%s  agents %s  events %d (%.1f/s)  windows %s  rows %s  last: %s\n",
		passed, byState(p), p.events, v.rate(p), byKind(p.windows), byKind(p.rows), p.last)
	v.before = p
}

// block draws everything over what was drawn last.
func (v *view) block(p picture) {
	rate := v.rate(p)
	if p.at.Sub(v.before.at) > 5*time.Second {
		v.before = p
	}
	lines := []string{
		"bridge demo  " + v.time(p.at),
		v.phase.String(), // alone: with its hint it has most of 80 columns
		"agents   " + byState(p),
		fmt.Sprintf("events   %d stored, %.1f/s, %s", p.events, rate, count(p.gaps, "gap")),
		"windows  " + byKind(p.windows),
		"rows     " + byKind(p.rows),
		"last     " + p.last,
	}
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA", v.drawn)
	}
	width, _, err := term.GetSize(int(v.terminal.Fd()))
	if err != nil {
		width = 0
	}
	for _, line := range lines {
		fmt.Fprintf(v.out, "\x1b[2K%s\n", cutTo(line, width))
	}
	v.drawn = len(lines)
}

// time is how much of the time has passed. What is beyond it is no part of it.
func (v *view) time(at time.Time) string {
	passed := at.Sub(v.start)
	if passed > v.total {
		return fmt.Sprintf("%s, and %s since then", clock(v.total), clock(passed-v.total))
	}
	return clock(passed) + " of " + clock(v.total)
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

func byState(p picture) string {
	var parts []string
	for _, s := range []schemas.State{
		schemas.StateOnCall, schemas.StateReady, schemas.StateWrapup, schemas.StateNotReady, schemas.StateRest,
		schemas.StateSignedOut, schemas.StateUnknown,
	} {
		if n := p.states[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n))
		}
	}
	return list(parts)
}

func byKind(n map[schemas.Kind]int) string {
	var parts []string
	for _, k := range schemas.Kinds() {
		if n[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, n[k]))
		}
	}
	return list(parts)
}

func list(parts []string) string {
	if parts == nil {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}
