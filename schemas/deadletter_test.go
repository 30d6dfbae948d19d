package schemas

import (
	"bytes"
	"testing"
	"time"
)

func TestDeadLetterKeepsWhatFits(t *testing.T) {
	at := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		original []byte
		fits     bool
		want     string
	}{
		"json":       {[]byte(`{"a":1}`), true, `{"a":1}`},
		"text":       {[]byte(`a,b`), true, `"a,b"`},
		"no utf-8":   {[]byte{0xff}, true, `"\ufffd"`},
		"empty":      {nil, true, `""`},
		"just fits":  {bytes.Repeat([]byte{'7'}, MaxOriginalBytes), true, string(bytes.Repeat([]byte{'7'}, MaxOriginalBytes))},
		"just above": {bytes.Repeat([]byte{'7'}, MaxOriginalBytes+1), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDeadLetter("acme", ReasonInvalid, "no use", at)
			if fits := d.Keep(c.original); fits != c.fits || string(d.Original) != c.want {
				t.Errorf("kept %v: %.80s", fits, d.Original)
			}
			if err := d.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
