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

// Options say what is shown, and how.
type Options struct {
	Stats *Stats
	Phase *Phase
	Total time.Duration // how long the stats are meant to grow
	Lines bool          // plain lines on a terminal, too: others write there
}

// Show shows stats and phase until ctx ends: as a block that is redrawn on a terminal,
// as a plain line now and then otherwise.
func Show(ctx context.Context, out io.Writer, o Options) {
	stats := o.Stats
	v := &view{out: out, phase: o.Phase, start: stats.since, total: o.Total, before: stats.picture(time.Now())}
	show, every := v.line, lineEvery
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.terminal = f
		if !o.Lines {
			show, every = v.block, redrawEvery
		}
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
		v.print(passed, phase)
	}
	if p.sameAs(v.before) {
		return
	}
	v.print(passed, "agents "+byState(p), fmt.Sprintf("events %d (%.1f/s)", p.events, v.rate(p)),
		"windows "+byKind(p.windows), "rows "+byKind(p.rows), "last: "+p.last)
	v.before = p
}

// print writes parts after the time, on as many lines as a terminal needs for them: what
// the terminal breaks itself cannot be read. The first one is written over what a key that
// was pressed has left there.
func (v *view) print(passed string, parts ...string) {
	begin := ""
	if v.terminal != nil {
		begin = "\r"
	}
	line := passed + "  " + strings.Join(parts, "  ")
	for width := v.width(); width > 0 && len(line) >= width; {
		at := strings.LastIndexByte(line[:width], ' ')
		if at <= len(passed)+1 {
			break // a word that fits no line
		}
		fmt.Fprintln(v.out, begin+strings.TrimRight(line[:at], " "))
		line = strings.Repeat(" ", len(passed)+2) + strings.TrimLeft(line[at:], " ")
	}
	fmt.Fprintln(v.out, begin+cutTo(line, v.width()))
}

// width is how many columns there are, 0 when that is not known.
func (v *view) width() int {
	if v.terminal == nil {
		return 0
	}
	width, _, err := term.GetSize(int(v.terminal.Fd()))
	if err != nil {
		return 0
	}
	return width
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
	up := "\r" // Ctrl-C leaves its name, and the cursor behind that
	if v.drawn > 0 {
		up += fmt.Sprintf("\x1b[%dA", v.drawn)
	}
	width := v.width()
	for _, line := range lines {
		fmt.Fprintf(v.out, "%s\x1b[2K%s\n", up, cutTo(line, width))
		up = ""
	}
	fmt.Fprint(v.out, "\x1b[J") // and below
	v.drawn = len(lines)
}

// time is how much of the time has passed. What is beyond it is no part of it.
func (v *view) time(at time.Time) string {
	passed := at.Sub(v.start)
	if passed.Round(time.Second) > v.total.Round(time.Second) {
		return fmt.Sprintf("%s, and %s since then", clock(v.total), clock(passed-v.total))
	}
	return clock(passed) + " of " + clock(v.total)
}

// cutTo shortens a line to what fits: one that wraps would not be overwritten.
func cutTo(line string, width int) string {
	if signs := []rune(line); len(signs) >= width && width > 0 {
		return string(signs[:width-1])
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
