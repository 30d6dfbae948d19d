package scalar

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func Bool(text string) (bool, *Fault) {
	if text != "true" && text != "false" {
		return false, Faultf("write true or false", "%q is neither true nor false", text)
	}
	return text == "true", nil
}

func Int(text string) (int, *Fault) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, Faultf("write a whole number, for example 3", "%q is not a whole number", text)
	}
	return int(n), nil
}

var durationText = regexp.MustCompile(`^(-?)(?:(\d{1,6})d)?(.*)$`)

// Duration reads Go durations with days in front: 90m, 1h30m, 3d, 1d12h.
func Duration(text string) (time.Duration, *Fault) {
	if text == "0" {
		return 0, nil
	}
	bad := Faultf("write a number with a unit: 400ms, 15s, 30m, 6h or 3d", "%q is not a duration", text)
	m := durationText.FindStringSubmatch(text)
	if m == nil || strings.ContainsAny(m[3], "+-") || m[2] == "" && m[3] == "" {
		return 0, bad
	}
	var total time.Duration
	if m[3] != "" {
		d, err := time.ParseDuration(m[3])
		if err != nil {
			return 0, bad
		}
		total = d
	}
	if m[2] != "" {
		days, _ := strconv.Atoi(m[2]) // at most six digits
		if days > 100_000 || total > math.MaxInt64-time.Duration(days)*24*time.Hour {
			return 0, bad
		}
		total += time.Duration(days) * 24 * time.Hour
	}
	if m[1] != "" {
		total = -total
	}
	return total, nil
}

// DurationString is the shortest text that Duration reads back.
func DurationString(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = strings.TrimSuffix(s, zero[1:])
		}
	}
	return s
}

// Size is a number of bytes, in the file as 500MiB or 2GiB.
type Size int64

var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String is the size in the largest unit that is exact.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func ParseSize(text string) (Size, *Fault) {
	number, unit := text, Size(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = n, u.size
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return 0, Faultf("write a whole number with KiB, MiB, GiB or TiB, for example 500MiB", "%q is not a size", text)
	}
	return Size(n) * unit, nil
}

func Time(text string) (time.Time, *Fault) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, Faultf("write date, time and offset, for example 2026-11-01T00:00:00+08:00", "%q is not a time", text)
	}
	return t, nil
}
