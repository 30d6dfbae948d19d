package view

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// Screen is where answers are shown.
type Screen struct {
	io.Writer
	Color bool           // the terminal shows colours
	Zone  *time.Location // that times are shown in; nil: the machine's
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (s Screen) paint(color, text string) string {
	if !s.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (s Screen) local(t time.Time) time.Time {
	if s.Zone != nil {
		return t.In(s.Zone)
	}
	return t.Local()
}

// clock is a time of today, or with its day; "-" when there is none.
func (s Screen) clock(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t = s.local(t)
	if t.Format(time.DateOnly) == s.local(now).Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// table is rows of cells under a heading.
func (s Screen) table(heading string, rows [][]string) error {
	if _, err := fmt.Fprintln(s, ""); len(rows) == 0 {
		return err
	}
	w := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	if heading != "" {
		fmt.Fprintln(w, strings.ReplaceAll(heading, " ", "\t"))
	}
	for _, r := range rows {
		for i := range r {
			r[i] = clean(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// ours are the signs that paint makes, and nobody else's.
var ours = regexp.MustCompile("\x1b\\[(3[123]|0)m")

// clean takes from a text what would do something to a terminal: it is foreign text, mostly.
func clean(text string) string {
	var b strings.Builder
	for text != "" {
		if at := ours.FindStringIndex(text); at != nil && at[0] == 0 {
			b.WriteString(text[:at[1]])
			text = text[at[1]:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if unicode.IsControl(r) {
			r = '\uFFFD'
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return b.String()
}

// ago is a span of time in a form that is short.
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return ago(now.Sub(t))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// Agents is a table of where agents stand, as of a time.
func (s Screen) Agents(all []ask.Agent, at time.Time) error {
	var rows [][]string
	for _, a := range all {
		polled := "-"
		if a.Polled {
			polled = orDash(a.By)
		}
		rows = append(rows, []string{
			a.Tenant, a.Agent, string(a.State), since(a.Since, at), orDash(a.CallID), orDash(a.Event), since(a.EventAt, at),
			since(a.HeardAt, at), fmt.Sprintf("%d.%d", a.Epoch, a.Seq), polled,
		})
	}
	return s.table("TENANT AGENT STATE FOR CALL EVENT AGO HEARD EPOCH.SEQ POLLED-BY", rows)
}

// Windows is a table of windows.
func (s Screen) Windows(all []ask.Window) error {
	var rows [][]string
	for _, w := range all {
		rows = append(rows, []string{
			w.Tenant, string(w.Kind), w.Window.String(), s.span(w.Window), s.state(w.State), w.Meaning,
		})
	}
	return s.table("TENANT KIND WINDOW SPAN STATE MEANING", rows)
}

func (s Screen) span(w schemas.Window) string {
	from, to, clock := s.local(w.From), s.local(w.To), "15:04"
	if from.Second() != 0 || to.Second() != 0 {
		clock = "15:04:05"
	}
	if to.Sub(from) < 24*time.Hour {
		return from.Format(time.DateOnly+" "+clock) + " – " + to.Format(clock)
	}
	return from.Format(time.DateOnly+" "+clock) + " – " + to.Format(time.DateOnly+" "+clock)
}

// Change is one line about a window that has changed.
func (s Screen) Change(w ask.Window, at time.Time) error {
	_, err := fmt.Fprintf(s, "%s  %s %s %s  %s  %s\n", s.local(at).Format("15:04:05"), w.Tenant, w.Kind, s.span(w.Window), s.state(w.State), w.Meaning)
	return err
}

func (s Screen) state(state schemas.WindowState) string {
	switch state {
	case schemas.WindowCompleted:
		return s.paint(green, string(state))
	case schemas.WindowFailed:
		return s.paint(red, string(state))
	}
	return string(state)
}
