package view

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// Status is how everything is.
func (s Screen) Status(st ask.Status) error {
	if len(st.Bridges) == 0 {
		fmt.Fprintln(s, s.paint(red, "no bridge answers"))
	}
	var rows [][]string
	for _, b := range st.Bridges {
		spool := "-"
		if b.Spool != nil {
			spool = fmt.Sprintf("%d", b.Spool.Messages)
		}
		rows = append(rows, []string{
			b.Instance, b.Version, b.Mode, ago(st.At.Sub(b.Started)), strings.Join(b.Tenants, ","), fmt.Sprint(b.Agents),
			rate(b.Rates.Events), rate(b.Rates.Polls), rate(b.Rates.Rows), rate(b.Rates.Requests), spool,
		})
	}
	err := s.table("BRIDGE VERSION NATS UP TENANTS AGENTS EVENTS/S POLLS/S ROWS/S REQUESTS/S SPOOL", rows)
	s.alarms(st)
	return errors.Join(err, s.agents(st.Agents), s.leases(st.Leases), s.coverage(st), s.counts(st.Windows), s.letterCounts(st))
}

func rate(perSecond float64) string { return fmt.Sprintf("%.1f", perSecond) }

func (s Screen) alarms(st ask.Status) {
	for _, b := range st.Bridges {
		for _, a := range b.Alarms {
			fmt.Fprintf(s, "\n%s %s since %s on %s: %s\n", s.paint(red, "alarm"), a.Name, s.clock(a.Since, st.At), b.Instance, clean(a.Reason))
		}
	}
}

func (s Screen) agents(states map[string]int) error {
	if len(states) == 0 {
		return nil
	}
	var all []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		all = append(all, fmt.Sprintf("%s %d", state, states[state]))
	}
	_, err := fmt.Fprintf(s, "\nagents: %s\n", strings.Join(all, ", "))
	return err
}

func (s Screen) leases(all []ask.Lease) error {
	var rows [][]string
	for _, l := range all {
		rows = append(rows, []string{l.Tenant, l.By, fmt.Sprint(l.Partitions), fmt.Sprint(l.Others)})
	}
	return s.table("TENANT LEASES-OF PARTITIONS OTHERS", rows)
}

func (s Screen) coverage(st ask.Status) error {
	var rows [][]string
	for _, c := range st.Coverage {
		holes := fmt.Sprint(len(c.Holes))
		if len(c.Holes) > 0 {
			holes = s.paint(red, holes)
		}
		rows = append(rows, []string{c.Tenant, string(c.Kind), s.clock(c.From, st.At), s.clock(c.CompleteTo, st.At), since(c.CompleteTo, st.At), holes})
	}
	return s.table("TENANT KIND FROM COMPLETE-TO BEHIND HOLES", rows)
}

func (s Screen) counts(all []ask.WindowCount) error {
	states := []schemas.WindowState{schemas.WindowPlanned, schemas.WindowRequested, schemas.WindowReady, schemas.WindowFailed, schemas.WindowCompleted}
	var rows [][]string
	for _, c := range all {
		row := slices.IndexFunc(rows, func(r []string) bool { return r[0] == c.Tenant && r[1] == string(c.Kind) })
		if row < 0 {
			row, rows = len(rows), append(rows, []string{c.Tenant, string(c.Kind), "0", "0", "0", "0", "0"})
		}
		if i := slices.Index(states, c.State); i >= 0 {
			rows[row][2+i] = fmt.Sprint(c.Count)
		}
	}
	return s.table("TENANT KIND PLANNED REQUESTED READY FAILED COMPLETE", rows)
}

func (s Screen) letterCounts(st ask.Status) error {
	var rows [][]string
	for _, l := range st.Letters {
		rows = append(rows, []string{l.Tenant, string(l.Reason), s.paint(red, fmt.Sprint(l.Count)), s.clock(l.LastAt, st.At)})
	}
	return s.table("TENANT DEAD-LETTERS-OF-24H COUNT LAST", rows)
}

// Line is one message, for people.
func (s Screen) Line(m schemas.Stored) string {
	at := m.StoredAt
	if made, err := time.Parse(time.RFC3339Nano, m.Get("ce-time")); err == nil {
		at = made
	}
	return s.local(at).Format("15:04:05.000") + "  " + clean(s.said(m))
}
