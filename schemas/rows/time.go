package rows

import (
	"strconv"
	"strings"
	"time"
)

// trimCell removes the padding of a cell: blanks, tabs and control characters.
func trimCell(s string) string {
	i, j := 0, len(s)
	for i < j && s[i] <= ' ' {
		i++
	}
	for j > i && s[j-1] <= ' ' {
		j--
	}
	return s[i:j]
}

// isNull reports whether a trimmed cell says "no value". -1 is a value: a code.
func isNull(text string) bool {
	switch text {
	case "", "null", "NULL", `\N`:
		return true
	}
	return false
}

// neverHappened reports whether a trimmed time cell stands for "not happened":
// the first day of the epoch, as text or as milliseconds.
func neverHappened(text string) bool {
	return strings.HasPrefix(text, "1970-01-01") || strings.HasPrefix(text, "1970/01/01") ||
		len(text) == 13 && strings.HasPrefix(text, "00000")
}

// clock is a time as the file says it: a wall-clock time, or an instant.
type clock struct {
	year, month, day, hour, minute, second int
	fraction                               string // digits after the point, without zeros at their end
	short                                  bool   // written without seconds

	instant bool // at counts; the rest is unset
	at      time.Time
}

// clockLength is the length of yyyy-MM-dd HH:mm:ss, shortLength without the seconds.
const clockLength, shortLength = 19, 16

// parseClock reads yyyy-MM-dd HH:mm:ss, also with "/" between the parts of the
// date, "T" before the time, without seconds, with a fraction of a second, and with an
// offset from UTC or "Z", which makes it an instant; or 13 digits of epoch milliseconds.
func parseClock(s string) (c clock, ok bool) {
	if c, ok = usualClock(s); ok {
		return c, true
	}
	if len(s) == 13 && allDigits(s) {
		millis, _ := strconv.ParseInt(s, 10, 64) // 13 digits always fit
		return clock{instant: true, at: time.UnixMilli(millis)}, true
	}
	s, offset, isInstant, ok := cutOffset(s)
	if !ok || !hasClockForm(s) {
		return c, false
	}
	c.year, c.month, c.day = digitsOf(s[0:4]), digitsOf(s[5:7]), digitsOf(s[8:10])
	c.hour, c.minute = digitsOf(s[11:13]), digitsOf(s[14:16])
	if c.short = len(s) == shortLength; !c.short {
		c.second = digitsOf(s[17:19])
	}
	if len(s) > clockLength {
		c.fraction = strings.TrimRight(s[clockLength+1:], "0")
	}
	if !isInstant || !c.exists() {
		return c, c.exists()
	}
	if c.year == 0 || c.year == 9999 {
		return c, false // in another zone it may be a year that cannot be written
	}
	nanos := digitsOf((c.fraction + "000000000")[:9])
	at := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, nanos, time.FixedZone("", offset))
	return clock{instant: true, at: at}, true
}

// usualClock reads a clock in the form that nearly all have; false for any other, and for
// a time that does not exist.
func usualClock(s string) (c clock, ok bool) {
	const form = "0000-00-00 00:00:00"
	if len(s) != len(form) {
		return c, false
	}
	for i := range len(form) {
		if isDigit := s[i] >= '0' && s[i] <= '9'; form[i] == '0' && !isDigit || form[i] != '0' && s[i] != form[i] {
			return c, false
		}
	}
	c = clock{
		year: digitsOf(s[0:4]), month: digitsOf(s[5:7]), day: digitsOf(s[8:10]),
		hour: digitsOf(s[11:13]), minute: digitsOf(s[14:16]), second: digitsOf(s[17:19]),
	}
	return c, c.exists()
}

// cutOffset takes the offset from UTC off a time: Z, +08:00, +0800 or +08, perhaps after
// a blank. ok is false when what looks like one cannot be.
func cutOffset(s string) (rest string, seconds int, found, ok bool) {
	if rest, found := strings.CutSuffix(s, "Z"); found {
		return strings.TrimRight(rest, " "), 0, true, true
	}
	const date = len("2006-01-02")
	if len(s) <= shortLength {
		return s, 0, false, true
	}
	sign := strings.LastIndexAny(s[date:], "+-")
	if sign < 0 {
		return s, 0, false, true
	}
	sign += date
	digits := strings.Replace(s[sign+1:], ":", "", 1)
	if !allDigits(digits) || len(digits) != 2 && len(digits) != 4 {
		return s, 0, false, false
	}
	hours, minutes := digitsOf(digits[:2]), digitsOf(digits[2:])
	if hours > 18 || minutes > 59 {
		return s, 0, false, false
	}
	if seconds = hours*3600 + minutes*60; s[sign] == '-' {
		seconds = -seconds
	}
	return strings.TrimRight(s[:sign], " "), seconds, true, true
}

// hasClockForm reports whether s has the digits and separators of a clock, and nothing
// behind them but a fraction.
func hasClockForm(s string) bool {
	if len(s) < shortLength || s[4] != '-' && s[4] != '/' || s[7] != s[4] || s[10] != ' ' && s[10] != 'T' || s[13] != ':' {
		return false
	}
	for _, part := range [...]string{s[0:4], s[5:7], s[8:10], s[11:13], s[14:16]} {
		if !allDigits(part) {
			return false
		}
	}
	return len(s) == shortLength || hasSeconds(s[shortLength:])
}

// hasSeconds reports whether the rest of a clock is :ss, perhaps with a fraction of up to
// nine digits.
func hasSeconds(rest string) bool {
	const whole = clockLength - shortLength
	if len(rest) < whole || rest[0] != ':' || !allDigits(rest[1:whole]) {
		return false
	}
	fraction := rest[whole:]
	return fraction == "" || fraction[0] == '.' && len(fraction) > 1 && len(fraction) <= 10 && allDigits(fraction[1:])
}

// exists reports whether there is such a day, and such a time of day.
func (c clock) exists() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month) &&
		c.hour <= 23 && c.minute <= 59 && c.second <= 59
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// digitsOf reads digits that allDigits has seen.
func digitsOf(s string) (n int) {
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// zoneSlack is more than the offset of any zone plus any change of it, so that
// one span of constant offset, made shorter by it on both ends, can be compared
// with wall-clock seconds.
const zoneSlack = 26 * 60 * 60

// wallClock resolves wall-clock times of one zone. It remembers the span of the
// last answer: the rows of a file lie close together.
type wallClock struct {
	zone     *time.Location // of what is read
	shown    *time.Location // of what is written
	from, to int64          // wall-clock seconds with one answer only
	offset   int            // that answer
}

// append writes c as RFC 3339; at is the instant in seconds. odd says that the
// wall-clock time occurs twice at a clock change (then the first occurrence is taken) or
// never (then what time.Date makes of it).
func (w *wallClock) append(b []byte, c clock) (out []byte, at int64, odd bool) {
	if c.instant {
		return c.at.In(w.shown).AppendFormat(b, "2006-01-02T15:04:05.999999999Z07:00"), c.at.Unix(), false
	}
	wall := c.wall()
	offset, count := w.resolve(wall)
	if count == 0 {
		t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, w.zone)
		return w.show(b, t, c.fraction), t.Unix(), true
	}
	at = wall - int64(offset)
	if w.shown != w.zone {
		return w.show(b, time.Unix(at, 0).In(w.zone), c.fraction), at, count > 1
	}
	return appendClock(b, c, offset), at, count > 1
}

// show writes an instant with the offset of the zone that is shown, where that leaves it
// within years of four digits.
func (w *wallClock) show(b []byte, t time.Time, fraction string) []byte {
	if year := t.Year(); year > 0 && year < 9999 {
		t = t.In(w.shown)
	}
	return appendClock(b, clockOf(t, fraction), offsetOf(t))
}

// resolve returns the offset of a wall-clock time (seconds as if it were UTC)
// and how often it occurs: usually once; at clock changes twice or never.
func (w *wallClock) resolve(wall int64) (offset, count int) {
	if wall >= w.from && wall < w.to {
		return w.offset, 1
	}
	span := time.Unix(wall-zoneSlack, 0).In(w.zone)
	for {
		start, end := span.ZoneBounds()
		at := wall - int64(offsetOf(span))
		if (start.IsZero() || at >= start.Unix()) && (end.IsZero() || at < end.Unix()) {
			if count++; count == 1 {
				offset = offsetOf(span)
				w.remember(start, end, offset)
			}
		}
		if end.IsZero() || end.Unix() > wall+zoneSlack {
			return offset, count
		}
		span = end
	}
}

func (w *wallClock) remember(start, end time.Time, offset int) {
	const forever = 1 << 60
	w.from, w.to, w.offset = -forever, forever, offset
	if !start.IsZero() {
		w.from = start.Unix() + zoneSlack
	}
	if !end.IsZero() {
		w.to = end.Unix() - zoneSlack
	}
}

// wall is a wall-clock time in seconds since the epoch, as if the zone were UTC.
func (c clock) wall() int64 {
	return daysBefore(c.year, c.month, c.day)*86400 + int64(c.hour*3600+c.minute*60+c.second)
}

// daysBefore is how many days lie between the epoch and a day, negative before it. Years are
// taken to begin in March, so that a leap day is the last.
func daysBefore(year, month, day int) int64 {
	if month -= 3; month < 0 {
		year, month = year-1, month+12
	}
	leaps := year/4 - year/100 + year/400
	if year < 0 { // of the first months of the year 0
		leaps = -1
	}
	const epoch = 719468 // 1 March of the year 0
	return int64(year*365+leaps+(153*month+2)/5+day-1) - epoch
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

func clockOf(t time.Time, fraction string) clock {
	return clock{
		year: t.Year(), month: int(t.Month()), day: t.Day(),
		hour: t.Hour(), minute: t.Minute(), second: t.Second(), fraction: fraction,
	}
}

// String writes a wall-clock time as the pages do: yyyy-MM-dd HH:mm:ss, with the
// fraction if there is one.
func (c clock) String() string { return string(appendWall(nil, c, ' ')) }

func appendWall(b []byte, c clock, separator byte) []byte {
	b = append(b, byte('0'+c.year/1000%10), byte('0'+c.year/100%10))
	b = appendTwo(b, c.year%100)
	b = appendTwo(append(b, '-'), c.month)
	b = appendTwo(append(b, '-'), c.day)
	b = appendTwo(append(b, separator), c.hour)
	b = appendTwo(append(b, ':'), c.minute)
	b = appendTwo(append(b, ':'), c.second)
	if c.fraction != "" {
		b = append(append(b, '.'), c.fraction...)
	}
	return b
}

func appendClock(b []byte, c clock, offset int) []byte {
	b = appendWall(b, c, 'T')
	if offset == 0 {
		return append(b, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = appendTwo(append(b, sign), offset/3600)
	return appendTwo(append(b, ':'), offset/60%60)
}

func appendTwo(b []byte, n int) []byte {
	return append(b, byte('0'+n/10%10), byte('0'+n%10))
}
