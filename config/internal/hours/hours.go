// Package hours reads opening hours: weekdays, as mon, mon-fri or sat-thu, each with the spans of
// the day in which it is open, as 08:00-20:00 or 08:00-12:00, 13:00-17:30.
package hours

import (
	"slices"
	"strings"
	"time"

	"aiccbridge/config/internal/scalar"
)

// Span is a part of a day, [From, To) since midnight; To is 24 h at most.
type Span struct{ From, To time.Duration }

// Week are the spans of each weekday, in order and without overlaps.
type Week [7][]Span

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts

// Days reads which weekdays a key names. Those from one to another may span the end of a week.
func Days(text string) (days []time.Weekday, f *scalar.Fault) {
	first, last, several := strings.Cut(strings.ToLower(text), "-")
	if !several {
		last = first
	}
	from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if from < 0 || to < 0 {
		return nil, scalar.Faultf("write one of mon, tue, wed, thu, fri, sat and sun, or two of them, as in mon-fri", "%q is not a weekday", text)
	}
	for day := from; ; day = (day + 1) % len(weekdays) {
		if days = append(days, time.Weekday(day)); day == to {
			return days, nil
		}
	}
}

// Spans reads when a day is open.
func Spans(text string) (all []Span, f *scalar.Fault) {
	for part := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
		a, okFrom := clock(from)
		b, okTo := clock(to)
		switch {
		case !ok || !okFrom || !okTo:
			return nil, scalar.Faultf("write hours and minutes of the day, as in 08:00-20:00 or 08:00-12:00, 13:00-17:30", "%q is not a span of a day", part)
		case b <= a:
			return nil, scalar.Faultf("write what is after midnight to the next day, as in 22:00-24:00 for this and 00:00-06:00 for that", "%q ends before it begins", part)
		case len(all) > 0 && a < all[len(all)-1].To:
			return nil, scalar.Faultf("write the spans in order, without overlaps", "%q begins before the one in front of it ends", part)
		}
		all = append(all, Span{a, b})
	}
	return all, nil
}

// clock reads a time of the day, 24:00 at most.
func clock(text string) (time.Duration, bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	at, err := time.Parse("15:04", text)
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, err == nil && len(text) == len("15:04")
}

// Date reads a day, as 2027-01-01.
func Date(text string) *scalar.Fault {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return scalar.Faultf("write year, month and day, as in 2027-01-01", "%q is not a day", text)
	}
	return nil
}
