package ccgateway

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// text is a value that the platform sends now bare, now quoted: "0" and 0, "true"
// and true. It never fails to decode, so that an odd value in a field nobody
// needs can't cost an event.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	switch {
	case string(data) == "null":
		s = ""
	case data[0] == '"':
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
	default:
		s = string(data)
	}
	*t = text(strings.TrimSpace(s))
	return nil
}

// number is the value as an integer, absent if it isn't one.
func (t text) number(absent int) int {
	n, err := strconv.Atoi(string(t))
	if err != nil {
		return absent
	}
	return n
}

// truth is true for "true" and 1 in any spelling.
func (t text) truth() bool {
	b, err := strconv.ParseBool(strings.ToLower(string(t)))
	return err == nil && b
}

// maxMillis is the last millisecond of the year 9999, the end of RFC 3339.
const maxMillis = 253_402_300_799_999

// moment reads milliseconds since 1970; anything else is the zero time.
func (t text) moment() time.Time {
	ms, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(string(t), 64)
		if err != nil || f > maxMillis {
			return time.Time{}
		}
		ms = int64(f)
	}
	if ms <= 0 || ms > maxMillis {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
