package view

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"aiccbridge/schemas"
)

// terminal is a pseudo-terminal of 80 columns, and what is to be seen on it.
type terminal struct {
	t             *testing.T
	master, slave *os.File
	done          chan struct{}
	drawn         chan struct{} // something was

	mu     sync.Mutex
	screen [][]byte
	row    int
	column int
	escape string // begun, and not at its end
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil {
		err = unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, master: master, slave: slave, done: make(chan struct{}), drawn: make(chan struct{}, 1)}
	go x.read()
	t.Cleanup(func() { _ = slave.Close(); <-x.done; _ = master.Close() })
	return x
}

// read draws until the other end is closed.
func (x *terminal) read() {
	defer close(x.done)
	piece := make([]byte, 4096)
	for {
		n, err := x.master.Read(piece)
		x.mu.Lock()
		for _, c := range piece[:n] {
			x.draw(c)
		}
		x.mu.Unlock()
		select {
		case x.drawn <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (x *terminal) draw(c byte) {
	for len(x.screen) <= x.row {
		x.screen = append(x.screen, nil)
	}
	line := &x.screen[x.row]
	switch {
	case c == 0x1b || x.escape != "":
		x.control(c)
	case c == '\n':
		x.row++
	case c == '\r':
		x.column = 0
	case x.column == 80: // it breaks the line
		x.row, x.column = x.row+1, 0
		x.draw(c)
	default:
		for len(*line) <= x.column {
			*line = append(*line, ' ')
		}
		(*line)[x.column] = c
		x.column++
	}
}

// control is what the view sends of a terminal's language.
func (x *terminal) control(c byte) {
	if x.escape += string(c); c < '@' || c == '[' {
		return
	}
	var up int
	switch n, _ := fmt.Sscanf(x.escape, "\x1b[%dA", &up); {
	case n == 1 && c == 'A':
		x.row = max(0, x.row-up)
	case x.escape == "\x1b[2K":
		x.screen[x.row] = nil
	case x.escape == "\x1b[J":
		x.screen[x.row] = x.screen[x.row][:min(x.column, len(x.screen[x.row]))]
		x.screen = x.screen[:x.row+1]
	default:
		x.t.Errorf("not understood: %q", x.escape)
	}
	x.escape = ""
}

// shows waits until the screen shows a text, and returns all that is there.
func (x *terminal) shows(text string) string {
	x.t.Helper()
	overdue := time.NewTimer(time.Minute)
	defer overdue.Stop()
	for {
		x.mu.Lock()
		var lines []string
		for _, line := range x.screen {
			lines = append(lines, strings.TrimRight(string(line), " "))
		}
		x.mu.Unlock()
		screen := strings.TrimRight(strings.Join(lines, "\n"), "\n")
		if strings.Contains(screen, text) {
			return screen
		}
		select {
		case <-x.drawn:
		case <-overdue.C:
			x.t.Fatalf("%q is not on the screen:\n%s", text, screen)
		}
	}
}

// interrupt presses Ctrl-C and waits for its echo.
func (x *terminal) interrupt() {
	x.t.Helper()
	if _, err := x.master.WriteString("\x03"); err != nil {
		x.t.Fatal(err)
	}
	x.shows("^C")
}

// end is the screen when all has been drawn.
func (x *terminal) end() string {
	x.t.Helper()
	if _, err := x.slave.WriteString("\nTHE END\n"); err != nil {
		x.t.Fatal(err)
	}
	return x.shows("THE END")
}

// crowded is a picture with much to say.
func crowded(t *testing.T, s *Stats, after time.Duration) picture {
	t.Helper()
	for i, state := range []string{"on_call", "ready", "wrapup", "not_ready", "rest", "signed_out"} {
		if err := s.Add(stored(schemas.TypeEvent, "", fmt.Sprintf(`{"agent":"2%d","group":"conference","name":"participant_removed","state":%q}`, i, state))); err != nil {
			t.Fatal(err)
		}
	}
	return s.picture(s.since.Add(after))
}

// TestOnATerminal: at 80 columns the block stays one, also after Ctrl-C and past its time.
func TestOnATerminal(t *testing.T) {
	x, stats, phase := openTerminal(t), busy(t), NewPhase("agents work")
	v := &view{out: x.slave, terminal: x.slave, phase: phase, start: stats.since, total: time.Minute, before: stats.picture(stats.since)}
	v.block(crowded(t, stats, 2*time.Second))
	x.shows("00:02 of 01:00")
	x.interrupt()
	phase.Hint(" (Ctrl-C again ends at once)")
	phase.Enter("no new calls; running ones come to their end")
	v.block(crowded(t, stats, 95*time.Second))
	want := "bridge demo  01:00, and 00:35 since then\nno new calls; running ones come to their end (Ctrl-C again ends at once)\nagents   on_call"
	if screen := x.end(); !strings.HasPrefix(screen, want) || strings.Count(screen, "\n") != 8 || strings.Contains(screen, "^C") {
		t.Errorf("the screen shows\n%s", screen)
	}
}

// TestLinesOnATerminal: among the lines of a log none is broken by the terminal, and what a
// key leaves is written over.
func TestLinesOnATerminal(t *testing.T) {
	x, stats, phase := openTerminal(t), busy(t), NewPhase("agents work")
	v := &view{out: x.slave, terminal: x.slave, phase: phase, start: stats.since, total: time.Minute, before: stats.picture(stats.since)}
	v.line(crowded(t, stats, 2*time.Second))
	x.shows("last: ")
	x.interrupt()
	phase.Hint(" (Ctrl-C again ends at once)")
	phase.Enter("no new calls; running ones come to their end")
	v.line(crowded(t, stats, 4*time.Second))
	screen := x.end()
	if strings.Contains(screen, "^C") || !strings.Contains(screen, "\n00:04  no new calls; running ones come to their end (Ctrl-C again ends at once)\n") {
		t.Errorf("the screen shows\n%s", screen)
	}
	for line := range strings.Lines(strings.TrimSuffix(screen, "\nTHE END")) {
		if _, err := fmt.Sscanf(line, "00:%d  ", new(int)); err != nil && !strings.HasPrefix(line, "       ") {
			t.Errorf("broken: %q in\n%s", line, screen)
		}
	}
}
