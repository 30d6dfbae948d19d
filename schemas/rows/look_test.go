package rows

import (
	"slices"
	"testing"
	"time"

	"aiccbridge/schemas"
)

func TestTimesAndAccountOfARecord(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 1, hour, minute, 0, 0, zone) }
	record := []string{
		"9000003", "testak01", " 202405019999 ", "1", "39", "101", "2026-11-01 09:00:00", "291", "1", "12;13", "1714525198-7", "1",
		"soon", "0", "2026-11-01 01:05:00", "11",
	}
	e := NewEncoder(schemas.Names{}, schemas.FileReady{}, schemas.KindSkill, Options{Zone: zone})
	if got := e.Times(record); !slices.EqualFunc(got, []time.Time{at(9, 0), at(9, 5)}, time.Time.Equal) {
		t.Errorf("times %v", got)
	}
	if got := e.Account(record); got != "202405019999" {
		t.Errorf("account %q", got)
	}
	if err := e.Header([]string{"update_time", "id"}); err != nil {
		t.Fatal(err)
	}
	behindHeader := []string{"1970-01-01 00:00:00", "9000003", "202405019999"}
	if times, account := e.Times(behindHeader), e.Account(behindHeader); len(times) > 0 || account != "" {
		t.Errorf("times %v, account %q behind a header line that names neither", times, account)
	}
}
