package view

import (
	"fmt"
	"slices"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// widest is how many cells a day has at most.
const widest = 48

// cells are how states are drawn, the worst first: a cell that stands for several windows
// shows the worst of them. A time that no window covers is a hole.
var cells = []struct {
	state schemas.WindowState
	text  string
	color string
}{
	{"", "_", red},
	{schemas.WindowFailed, "×", red},
	{"newer", "?", red},
	{schemas.WindowPlanned, "·", ""},
	{schemas.WindowRequested, "▒", yellow},
	{schemas.WindowReady, "▓", yellow},
	{schemas.WindowCompleted, "█", green},
}

func rank(s schemas.WindowState) int {
	newer := 0 // a state of a newer bridge
	for i, c := range cells {
		switch c.state {
		case s:
			return i
		case "newer":
			newer = i
		}
	}
	return newer
}

// Strip is a calendar of windows: a line for each tenant, kind and day. The windows must be
// sorted by tenant, kind and time.
func (s Screen) Strip(all []ask.Window) error {
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(w ask.Window) bool { return w.Tenant != all[0].Tenant || w.Kind != all[0].Kind })
		if n < 0 {
			n = len(all)
		}
		if err := s.stripOf(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	_, err := fmt.Fprintln(s, "█ complete  ▓ file is there  ▒ asked for  · planned  × failed  _ no window")
	return err
}

// stripOf is the strip of one kind of one tenant.
func (s Screen) stripOf(all []ask.Window) error {
	if _, err := fmt.Fprintf(s, "%s %s\n", all[0].Tenant, all[0].Kind); err != nil {
		return err
	}
	shortest := 24 * time.Hour
	for _, w := range all {
		shortest = min(shortest, w.Window.To.Sub(w.Window.From))
	}
	first := s.local(all[0].Window.From)
	end := all[len(all)-1].Window.To
	for day := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, first.Location()); day.Before(end); day = day.AddDate(0, 0, 1) {
		if err := s.day(day, all, shortest); err != nil {
			return err
		}
	}
	return nil
}

// day is the line of one day.
func (s Screen) day(day time.Time, all []ask.Window, shortest time.Duration) error {
	next := day.AddDate(0, 0, 1)
	length := next.Sub(day) // 23 or 25 hours at a clock change
	n := int(min(widest, max(1, length/shortest)))
	line, complete, there := "", 0, 0
	for i := range n {
		from, to := day.Add(length*time.Duration(i)/time.Duration(n)), day.Add(length*time.Duration(i+1)/time.Duration(n))
		line += s.cell(all, from, to)
	}
	for _, w := range all {
		if w.Window.From.Before(day) || !w.Window.From.Before(next) {
			continue
		}
		there++
		if w.State == schemas.WindowCompleted {
			complete++
		}
	}
	_, err := fmt.Fprintf(s, "  %s  %s  %d/%d\n", day.Format("2006-01-02 Mon"), line, complete, there)
	return err
}

// cell is the worst of what lies in a span of time; a blank before the first window and
// behind the last.
func (s Screen) cell(all []ask.Window, from, to time.Time) string {
	if !all[0].Window.From.Before(to) || !all[len(all)-1].Window.To.After(from) {
		return " "
	}
	worst, covered := len(cells)-1, from
	if first := all[0].Window.From; first.After(from) {
		covered = first
	}
	for _, w := range all {
		if !w.Window.To.After(from) || !w.Window.From.Before(to) {
			continue
		}
		if w.Window.From.After(covered) {
			worst = 0
		}
		covered = w.Window.To
		worst = min(worst, rank(w.State))
	}
	if covered.Before(to) && covered.Before(all[len(all)-1].Window.To) {
		worst = 0
	}
	return s.paint(cells[worst].color, cells[worst].text)
}
