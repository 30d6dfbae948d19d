package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// Story is everything that is known of a call.
func (s Screen) Story(story ask.Story) error {
	fmt.Fprintf(s, "call %s of %s", story.CallID, story.Tenant)
	if c := story.Call; c != nil {
		s.record(*c)
	} else {
		fmt.Fprintln(s)
	}
	if len(story.Agents) > 0 {
		fmt.Fprintf(s, "agents  %s\n", clean(strings.Join(story.Agents, ", ")))
	}
	for _, l := range story.Linked {
		fmt.Fprintf(s, "%s  %s, by agent %s\n", strings.ReplaceAll(l.How, "_", " "), cmp.Or(l.CallID, "a call that nothing names"), l.Agent)
	}
	var rows [][]string
	for _, m := range story.Moments {
		source := string(m.Source)
		if m.Source == ask.SourceGap {
			source = s.paint(red, source)
		}
		what := m.What
		if m.Call != "" {
			what += ", call " + m.Call
		}
		rows = append(rows, []string{s.local(m.At).Format("2006-01-02 15:04:05.000"), source, orDash(m.Agent), what, orDash(m.Where)})
	}
	if err := s.table("AT FROM AGENT WHAT WHERE", rows); err != nil {
		return err
	}
	if len(story.Missing) > 0 {
		fmt.Fprintln(s, "\nnot known:")
	}
	for _, m := range story.Missing {
		if _, err := fmt.Fprintln(s, "  "+clean(s.paint(yellow, m))); err != nil {
			return err
		}
	}
	return nil
}

func (s Screen) record(c schemas.Call) {
	for _, text := range []string{c.Direction, c.Names.MediaType, c.Names.ReleaseCause} {
		if text != "" {
			fmt.Fprintf(s, ", %s", text)
		}
	}
	fmt.Fprintf(s, "; revision %d, window %s\n", c.Revision, c.Window)
	fmt.Fprintf(s, "%s – %s", s.local(c.Begin).Format(time.DateTime), s.local(c.End).Format("15:04:05"))
	for _, d := range []struct {
		name    string
		seconds *int
	}{{"waited", c.WaitS}, {"rang", c.RingS}, {"talked", c.TalkS}} {
		if d.seconds != nil {
			fmt.Fprintf(s, ", %s %ds", d.name, *d.seconds)
		}
	}
	fmt.Fprintln(s)
}

// Calls is a table of calls, without the numbers of those who called.
func (s Screen) Calls(all []ask.CallBrief) error {
	var rows [][]string
	for _, c := range all {
		begin, state := "-", string(c.State)
		if !c.Begin.IsZero() {
			begin = s.local(c.Begin).Format(time.DateTime)
		}
		if len(c.Problems) > 0 {
			state = s.paint(yellow, state)
		}
		rows = append(rows, []string{
			begin, c.Tenant, c.CallID, orDash(strings.Join(c.Agents, ",")), fmt.Sprint(c.Legs), seconds(c.WaitS), seconds(c.TalkS),
			state, orDash(c.Outcome), recordings(c.Recordings), fmt.Sprint(c.Revision),
		})
	}
	return s.table("BEGIN TENANT CALL AGENTS LEGS WAIT TALK STATE OUTCOME RECORDINGS REVISION", rows)
}

func seconds(n *int) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%ds", *n)
}

func recordings(r ask.BriefRecordings) string {
	text := orDash(strings.TrimPrefix(fmt.Sprint(r.All), "0"))
	if r.Stored > 0 {
		text += fmt.Sprintf(", %d stored", r.Stored)
	}
	if r.Missing > 0 {
		text += fmt.Sprintf(", %d missing", r.Missing)
	}
	return text
}

// WindowStory is all of one window.
func (s Screen) WindowStory(w ask.WindowStory) error {
	if err := s.Windows([]ask.Window{w.Window}); err != nil {
		return err
	}
	if w.Error != "" {
		fmt.Fprintf(s, "\nlast error: %s\n", clean(w.Error))
	}
	if w.Object != "" {
		fmt.Fprintf(s, "damaged file: %s\n", w.Object)
	}
	var rows [][]string
	for _, m := range w.Markers {
		rows = append(rows, []string{
			s.local(m.CompletedAt).Format(time.DateTime), m.ResponseID, fmt.Sprint(m.Rows), fmt.Sprint(m.Added), fmt.Sprint(m.Revised), fmt.Sprint(m.Rejected),
		})
	}
	if err := s.table("COMPLETE EXTRACT ROWS ADDED REVISED REJECTED", rows); err != nil {
		return err
	}
	return s.Letters(w.Letters)
}

// Letters is a table of dead letters.
func (s Screen) Letters(all []ask.Letter) error {
	var rows [][]string
	for _, l := range all {
		resolved := s.paint(red, "no")
		if l.Resolved {
			resolved = "yes"
		}
		about := "-"
		if l.Kind != "" {
			about = string(l.Kind) + " " + s.span(l.Window)
		}
		rows = append(rows, []string{s.local(l.LastAt).Format(time.DateTime), l.Tenant, string(l.Reason), resolved, l.ID, about, l.Error})
	}
	return s.table("DEAD-LETTER TENANT REASON RESOLVED ID ABOUT ERROR", rows)
}
