package rows

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the tests do not depend on the machine's zones

	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

func loadZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestParseClock(t *testing.T) {
	zone := loadZone(t, "Asia/Shanghai")
	for text, want := range map[string]string{
		"2015-02-08 20:23:30":           "2015-02-08T20:23:30+08:00",
		"2015/02/08 20:23:30":           "2015-02-08T20:23:30+08:00",
		"2015-02-08T20:23:30":           "2015-02-08T20:23:30+08:00",
		"2015-02-08 20:23:30.123":       "2015-02-08T20:23:30.123+08:00",
		"2015-02-08 20:23:30.120":       "2015-02-08T20:23:30.12+08:00",
		"2015-02-08 20:23:30.000":       "2015-02-08T20:23:30+08:00",
		"2015-02-08 20:23:30.123456789": "2015-02-08T20:23:30.123456789+08:00",
		"1423398210123":                 "2015-02-08T20:23:30.123+08:00",
		"1423398210000":                 "2015-02-08T20:23:30+08:00",
		"2024-02-29 23:59:59":           "2024-02-29T23:59:59+08:00",
		"0001-01-01 00:00:00":           "0001-01-01T00:00:00+08:05", // local mean time
		"2015-02-08 20:23":              "2015-02-08T20:23:00+08:00",
		"2015/02/08T20:23":              "2015-02-08T20:23:00+08:00",
		"2015-02-08 12:23:30Z":          "2015-02-08T20:23:30+08:00",
		"2015-02-08T12:23Z":             "2015-02-08T20:23:00+08:00",
		"2015-02-08T20:23:30+08:00":     "2015-02-08T20:23:30+08:00",
		"2015-02-08 20:23:30 +0800":     "2015-02-08T20:23:30+08:00",
		"2015-02-08 07:23:30.5-05":      "2015-02-08T20:23:30.5+08:00",
		"2015-02-08T17:53:30+05:30":     "2015-02-08T20:23:30+08:00",
		"2015-02-09 06:23:30+18:00":     "2015-02-08T20:23:30+08:00",
		"2015-02-08 12:22:30+00:59":     "2015-02-08T19:23:30+08:00",
		"2000-02-29 00:00:00":           "2000-02-29T00:00:00+08:00", // of 400 years
		"2015-12-31 00:00:00":           "2015-12-31T00:00:00+08:00",
	} {
		c, ok := parseClock(text)
		if !ok {
			t.Errorf("%q is not read", text)
			continue
		}
		got, at, odd := (&wallClock{zone: zone, shown: zone}).append(nil, c)
		if string(got) != want || odd {
			t.Errorf("%q became %s (odd: %t), want %s", text, got, odd, want)
		}
		if instant, err := time.Parse(time.RFC3339, want); err != nil || instant.Unix()/60 != at/60 && instant.Year() > 1 { // local mean time had seconds
			t.Errorf("%q is second %d, want that of %s (%v)", text, at, want, err)
		}
	}
	for _, text := range []string{
		"", "-1", "0", "2015-02-08", "2015-02-08 20:2", "2015-02-08 20:23:", "2015-02-08 20:23.5", "2015-2-8 20:23:30", "2015-02/08 20:23:30", "2015-02-30 20:23:30", "2023-02-29 00:00:00",
		"2015-13-08 20:23:30", "2015-00-08 20:23:30", "2015-02-00 20:23:30", "2015-02-08 24:00:00", "2015-02-08 20:60:30", "2015-02-08 20:23:60",
		"2015-02-08 20:23:30.", "2015-02-08 20:23:30.1234567890", "2015-02-08 20:23:30,5", "2015-02-08 20:23:30ZZ", "2015-02-08Z", "Z", "+08:00", "2015-02-08 20:23:30+8", "2015-02-08 20:23:30+19:00", "2015-02-08 20:23:30+08:60", "2015-02-30 20:23:30Z", "9999-12-31 23:59:59Z", "2015-02-08 20:23:30-0x", "2015-02-08 20:23:30.1x",
		"2015-04-31 20:23:30", "142339821012", "14233982101234", "142339821012x", "2015-02-08x20:23:30", "0000-00-00 00:00:00", "1900-02-29 00:00:00",
	} {
		if c, ok := parseClock(text); ok {
			t.Errorf("%q is read as %+v", text, c)
		}
	}
}

func TestClockChanges(t *testing.T) {
	for _, c := range []struct {
		zone, wall, want string
		odd              bool
	}{
		{"Europe/Berlin", "2024-10-27 01:59:59", "2024-10-27T01:59:59+02:00", false},
		{"Europe/Berlin", "2024-10-27 02:00:00", "2024-10-27T02:00:00+02:00", true}, // the first of two
		{"Europe/Berlin", "2024-10-27 02:59:59.5", "2024-10-27T02:59:59.5+02:00", true},
		{"Europe/Berlin", "2024-10-27 03:00:00", "2024-10-27T03:00:00+01:00", false},
		{"Europe/Berlin", "2024-03-31 01:59:59", "2024-03-31T01:59:59+01:00", false},
		{"Europe/Berlin", "2024-03-31 02:30:00", "2024-03-31T03:30:00+02:00", true}, // never
		{"Europe/Berlin", "2024-03-31 03:00:00", "2024-03-31T03:00:00+02:00", false},
		{"America/New_York", "2026-11-01 01:30:00", "2026-11-01T01:30:00-04:00", true},
		{"Australia/Lord_Howe", "2024-04-07 01:45:00", "2024-04-07T01:45:00+11:00", true}, // half an hour
		{"Australia/Lord_Howe", "2024-04-07 01:15:00", "2024-04-07T01:15:00+11:00", false},
		{"Pacific/Apia", "2011-12-30 12:00:00", "2011-12-31T12:00:00+14:00", true}, // a day that never was
		{"Pacific/Apia", "2011-12-31 00:00:00", "2011-12-31T00:00:00+14:00", false},
		{"Asia/Shanghai", "2024-03-31 02:30:00", "2024-03-31T02:30:00+08:00", false},
		{"Europe/London", "2024-01-01 00:00:00", "2024-01-01T00:00:00Z", false},
		{"UTC", "2024-10-27 02:30:00", "2024-10-27T02:30:00Z", false},
		{"Asia/Kathmandu", "2024-10-27 02:30:00", "2024-10-27T02:30:00+05:45", false},
	} {
		parsed, _ := parseClock(c.wall)
		got, _, odd := (&wallClock{zone: loadZone(t, c.zone), shown: loadZone(t, c.zone)}).append(nil, parsed)
		if string(got) != c.want || odd != c.odd {
			t.Errorf("%s %s became %s (odd: %t), want %s (%t)", c.zone, c.wall, got, odd, c.want, c.odd)
		}
	}
}

// occurrences finds by search when a wall-clock time occurs in a zone.
func occurrences(zone *time.Location, wall int64) (found []int64) {
	for shift := int64(-zoneSlack); shift <= zoneSlack; shift += 15 * 60 {
		_, offset := time.Unix(wall+shift, 0).In(zone).Zone()
		at := wall - int64(offset)
		if _, there := time.Unix(at, 0).In(zone).Zone(); there == offset && !slices.Contains(found, at) {
			found = append(found, at)
		}
	}
	slices.Sort(found)
	return found
}

// TestWallClockProperties compares with the search, one wallClock for many times
// so that its memory of the last span is tried too.
func TestWallClockProperties(t *testing.T) {
	zones := []*time.Location{time.UTC, time.FixedZone("", -5*3600)}
	for _, name := range []string{"Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Sao_Paulo"} {
		zones = append(zones, loadZone(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		w := &wallClock{zone: zone, shown: zone}
		near := rapid.Int64Range(0, 2_000_000_000).Draw(t, "near")
		if _, end := time.Unix(near, 0).In(zone).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "at a change") {
			near = end.Unix()
		}
		for range 5 {
			wall := near + rapid.Int64Range(-40*3600, 40*3600).Draw(t, "shift")
			u := time.Unix(wall, 0).UTC()
			got, second, odd := w.append(nil, clockOf(u, ""))
			at, err := time.Parse(time.RFC3339, string(got))
			if err != nil {
				t.Fatal(err)
			}
			if at.Unix() != second {
				t.Fatalf("%s is second %d, want %d", got, second, at.Unix())
			}
			want := occurrences(zone, wall)
			if odd != (len(want) != 1) {
				t.Fatalf("%s in %s: odd %t, occurs %d times", u, zone, odd, len(want))
			}
			if len(want) > 0 && at.Unix() != want[0] {
				t.Fatalf("%s in %s became %s, want %s", u, zone, got, time.Unix(want[0], 0).In(zone))
			}
		}
	})
}

func TestTimesInRows(t *testing.T) {
	e := testEncoder(t, schemas.KindSkill, loadZone(t, "Europe/Berlin"))
	record := make([]string, 16)
	record[0] = "1"
	record[6] = "2024-10-27 02:30:00"  // operate_time, of the tenant's zone
	record[12] = "1970-01-01 08:00:00" // operate_end_time: not happened
	record[14] = "2024-10-27 02:30:00" // update_time, UTC
	got := known(t, e, record)
	want := `map[ambiguous:[operate_time] id:1 operate_time:2024-10-27T02:30:00+02:00 update_time:2024-10-27T02:30:00Z]`
	if text := fmt.Sprint(got); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	for _, never := range []string{"1970-01-01 00:00:00", "1970/01/01 00:00:00", "0000000000000", "1970-01-01T08:00:00"} {
		record[6] = never
		if got := body(t, e, record); got["operate_time"] != nil || got["unparsed"] != nil {
			t.Errorf("%s became %v", never, got)
		}
	}
}

// TestWrittenInAnotherZone: wall clocks of UTC name every instant, on the nights on which
// the tenant's clocks change too, and are published with the tenant's offset at it.
func TestWrittenInAnotherZone(t *testing.T) {
	for _, tt := range []struct{ zone, written, cell, want string }{
		{"Asia/Shanghai", "UTC", "2026-11-01 16:30:00", "2026-11-02T00:30:00+08:00"},
		{"Europe/Berlin", "UTC", "2026-03-29 00:59:59", "2026-03-29T01:59:59+01:00"},
		{"Europe/Berlin", "UTC", "2026-03-29 01:00:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "UTC", "2026-10-25 00:30:00", "2026-10-25T02:30:00+02:00"},
		{"Europe/Berlin", "UTC", "2026-10-25 01:30:00.250", "2026-10-25T02:30:00.25+01:00"},
		{"America/Sao_Paulo", "UTC", "2018-11-04 02:59:59", "2018-11-03T23:59:59-03:00"},
		{"America/Sao_Paulo", "UTC", "2018-11-04 03:00:00", "2018-11-04T01:00:00-02:00"}, // midnight does not exist
		{"America/Sao_Paulo", "UTC", "2019-02-17 01:30:00", "2019-02-16T23:30:00-02:00"},
		{"America/Sao_Paulo", "UTC", "2019-02-17 02:30:00", "2019-02-16T23:30:00-03:00"}, // once more
		{"America/Sao_Paulo", "UTC", "2026-06-01T12:00:00Z", "2026-06-01T09:00:00-03:00"},
		{"Asia/Shanghai", "Asia/Tokyo", "2026-11-01 00:30:00", "2026-10-31T23:30:00+08:00"},
		{"America/Sao_Paulo", "UTC", "0000-01-01 00:00:00", "0000-01-01T00:00:00Z"}, // a year before cannot be written
	} {
		e := NewEncoder(schematest.Names(t), schematest.File(schemas.KindRecording), schemas.KindRecording, Options{Zone: loadZone(t, tt.zone), Written: loadZone(t, tt.written)})
		record := make([]string, 18)
		record[4], record[7] = "1-1", tt.cell
		row := body(t, e, record)
		if row["call_begin"] != tt.want || row["ambiguous"] != nil {
			t.Errorf("%s in %s, written in %s: %v (ambiguous %v), want %s", tt.cell, tt.zone, tt.written, row["call_begin"], row["ambiguous"], tt.want)
		}
	}
}

// TestEveryInstantOfANight: each minute around a change of the clocks is published as what
// it is, in order, when the files are in UTC.
func TestEveryInstantOfANight(t *testing.T) {
	for zone, change := range map[string]time.Time{
		"Europe/Berlin":     time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
		"America/Sao_Paulo": time.Date(2019, 2, 17, 2, 0, 0, 0, time.UTC),
		"Asia/Shanghai":     time.Date(1991, 9, 14, 17, 0, 0, 0, time.UTC),
	} {
		tenant := loadZone(t, zone)
		e := NewEncoder(schematest.Names(t), schematest.File(schemas.KindOperation), schemas.KindOperation, Options{Zone: tenant, Written: time.UTC})
		for at := change.Add(-3 * time.Hour); at.Before(change.Add(3 * time.Hour)); at = at.Add(time.Minute) {
			record := make([]string, 21)
			record[0], record[7], record[8] = "1", at.Format(time.DateTime), at.Add(90*time.Minute).Format(time.DateTime)
			row := body(t, e, record)
			begin, err := time.Parse(time.RFC3339, row["begin_time"].(string))
			if err != nil || !begin.Equal(at) || begin.Format("-07:00") != at.In(tenant).Format("-07:00") || row["duration_s"] != 5400.0 {
				t.Fatalf("%s, %v: %v", zone, at, row)
			}
		}
	}
}

// TestUTCByNature: update_time of a skill change is UTC whatever the rest is written in.
func TestUTCByNature(t *testing.T) {
	for _, written := range []*time.Location{nil, time.UTC, loadZone(t, "Asia/Tokyo")} {
		e := NewEncoder(schematest.Names(t), schematest.File(schemas.KindSkill), schemas.KindSkill, Options{Zone: loadZone(t, "Asia/Shanghai"), Written: written})
		record := make([]string, 16)
		record[0], record[14] = "1", "2026-11-01 16:30:00"
		if row := body(t, e, record); row["update_time"] != "2026-11-01T16:30:00Z" {
			t.Errorf("written in %v: %v", written, row["update_time"])
		}
	}
}

// Wall-clock seconds are those of the standard library, in every year that can be written.
func TestWallSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock{
			year: rapid.IntRange(0, 9999).Draw(t, "year"), month: rapid.IntRange(1, 12).Draw(t, "month"), day: rapid.IntRange(1, 31).Draw(t, "day"),
			hour: rapid.IntRange(0, 23).Draw(t, "hour"), minute: rapid.IntRange(0, 59).Draw(t, "minute"), second: rapid.IntRange(0, 59).Draw(t, "second"),
		}
		if want := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC).Unix(); c.exists() && c.wall() != want {
			t.Fatalf("%s is %d, want %d", c, c.wall(), want)
		}
	})
	for day := range 4 * 366 { // of the first years
		at := time.Date(0, 1, 1+day, 0, 0, 0, 0, time.UTC)
		if got := daysBefore(at.Year(), int(at.Month()), at.Day()) * 86400; got != at.Unix() {
			t.Fatalf("%s is %d", at, got)
		}
	}
}

// TestFormOfTimes: a sign that is none of a time's, in any place, makes it unreadable; also the
// signs next to digits, whose numbers would be in range.
func TestFormOfTimes(t *testing.T) {
	const good = "2026-11-12 10:11:12"
	if _, ok := parseClock(good); !ok {
		t.Fatal("the time is not read")
	}
	for i := range len(good) {
		for _, sign := range "/:;.x\x00 " {
			text := good[:i] + string(sign) + good[i+1:]
			if c, ok := parseClock(text); ok && text != good {
				t.Errorf("%q is read as %v", text, c)
			}
		}
	}
	for _, text := range []string{"2026-1/-01 00:00:00", "2026-0:-01 00:00:00", "2026-11-0: 00:00:00", "2026-11-12 0::00:00", "2026/11/12T10.11.12"} {
		if c, ok := parseClock(text); ok {
			t.Errorf("%q is read as %v", text, c)
		}
	}
}

// TestLastYear: a time of the last year that can be written is shown as it was read, because
// in another zone it may be of the next one.
func TestLastYear(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	w := &wallClock{zone: shanghai, shown: time.UTC}
	for text, want := range map[string]string{
		"9999-06-01 00:00:00": "9999-06-01T00:00:00+08:00",
		"9998-06-01 00:00:00": "9998-05-31T16:00:00Z",
	} {
		c, ok := parseClock(text)
		if got, _, _ := w.append(nil, c); !ok || string(got) != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
