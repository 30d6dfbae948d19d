package view

import (
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// Span is time of which windows are missing for one reason, all next to each other.
type Span struct {
	Tenant  string
	Kind    schemas.Kind
	Span    schemas.Window
	Windows int
	Why     string
}

// Spans is a table of what is missing.
func (s Screen) Spans(all []Span) error {
	var rows [][]string
	for _, one := range all {
		rows = append(rows, []string{one.Tenant, string(one.Kind), s.long(one.Span.From, one.Span.To), fmt.Sprint(one.Windows), one.Why})
	}
	return s.table("TENANT KIND SPAN WINDOWS WHY", rows)
}

// Backfills is a table of orders, whose requests are so far apart.
func (s Screen) Backfills(all []ask.Backfill, pace func(tenant string) time.Duration) error {
	var rows [][]string
	for _, b := range all {
		var kinds []string
		for _, k := range b.Kinds {
			kinds = append(kinds, string(k))
		}
		failed, left := fmt.Sprint(b.Failed), "-"
		if b.Failed > 0 {
			failed = s.paint(red, failed)
		}
		if b.Waiting > 0 {
			left = "≥" + ago(time.Duration(b.Waiting)*pace(b.Tenant))
		}
		rows = append(rows, []string{
			b.ID, b.Tenant, strings.Join(kinds, ","), s.long(b.From, b.To), fmt.Sprint(b.Windows), fmt.Sprint(b.Complete),
			fmt.Sprint(b.UnderWay), fmt.Sprint(b.Waiting), failed, left,
		})
	}
	return s.table("ORDER TENANT KINDS SPAN WINDOWS COMPLETE UNDER-WAY WAITING FAILED LEFT", rows)
}

// long is a span of any length.
func (s Screen) long(from, to time.Time) string {
	return s.local(from).Format("2006-01-02 15:04") + " – " + s.local(to).Format("2006-01-02 15:04")
}
