package foreign

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The years in which a moment may lie. Whatever says another one has no clock, or another
// unit than the one taken for it; between these years no number fits two units.
var (
	firstMoment = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	lastMoment  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// units are those since 1970 that servers count in.
var units = [...]time.Duration{time.Millisecond, time.Second, time.Microsecond, time.Nanosecond}

// layouts are the texts that name an instant. One without an offset names none: nobody
// knows whose clock it was read from. Parts of seconds are read by all of them.
var layouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700",
	"20060102T150405Z07:00", "20060102T150405Z0700", "20060102150405Z0700",
	time.RFC1123Z, "Mon, 02 Jan 2006 15:04:05 GMT", "Mon Jan _2 15:04:05 GMT 2006", "Mon Jan _2 15:04:05 UTC 2006",
	"Mon Jan _2 15:04:05 -0700 2006",
}

// Moment reads an instant, in UTC: seconds, milliseconds, microseconds or nanoseconds since
// 1970, or a date and time with its offset. Anything else, and what lies outside the years
// from 1990 to 2099, is the zero time.
func (t Text) Moment() time.Time {
	text := t.String()
	if about, err := strconv.ParseFloat(text, 64); err == nil {
		n, ok := new(big.Rat).SetString(text) // only of a number that a moment may be: another one may be huge
		if about < 1 || about > math.MaxInt64 || !ok {
			return time.Time{}
		}
		return sinceEpoch(n)
	}
	text = isoForm(text)
	for _, layout := range layouts {
		if moment, err := time.Parse(layout, text); err == nil && within(moment) {
			return moment.UTC()
		}
	}
	return time.Time{}
}

// sinceEpoch finds the unit with which n is a moment.
func sinceEpoch(n *big.Rat) time.Time {
	for _, unit := range units {
		nanos := new(big.Rat).Mul(n, new(big.Rat).SetInt64(int64(unit)))
		whole := new(big.Int).Quo(nanos.Num(), nanos.Denom()) // parts of a nanosecond are nobody's
		if !whole.IsInt64() {
			continue
		}
		if moment := time.Unix(0, whole.Int64()).UTC(); within(moment) {
			return moment
		}
	}
	return time.Time{}
}

func within(t time.Time) bool { return !t.Before(firstMoment) && t.Before(lastMoment) }

// isoForm mends the spellings of a text that begins with year, month and day.
func isoForm(text string) string {
	const day = len("2006-01-02")
	if len(text) <= day || text[4] != '-' && text[4] != '/' {
		return text
	}
	clock := strings.TrimLeft(text[day:], " tT")
	for _, utc := range []string{"UTC", "GMT", "z"} {
		if before, ok := strings.CutSuffix(clock, utc); ok {
			clock = before + "Z"
		}
	}
	return strings.ReplaceAll(text[:day], "/", "-") + "T" + strings.ReplaceAll(clock, " ", "")
}
