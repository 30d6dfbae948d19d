package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// instant reads RFC 3339.
func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	exportertest.Check(t, err)
	return at
}

// calls is a check that has seen calls of a window from an instant on, each with its first
// time so many minutes after its begin, written in a zone.
func calls(t testing.TB, read, written, from string, minutes ...float64) *zoneCheck {
	t.Helper()
	begin := instant(t, from)
	z := newZoneCheck(exportertest.Location(t, read), schemas.Window{From: begin, To: begin.Add(time.Hour)})
	for i, m := range minutes {
		at := begin.Add(time.Duration(i) * time.Minute)
		z.row(fmt.Sprintf("%d-%d", at.Unix(), i), []int64{wallOf(at.Add(time.Duration(m*60)*time.Second), exportertest.Location(t, written))})
	}
	return z
}

// wallOf is an instant as the clock of a zone shows it.
func wallOf(at time.Time, zone *time.Location) int64 {
	return at.Unix() + int64(offsetAt(zone, at))
}

func TestCallsTellTheZone(t *testing.T) {
	agrees := func(f finding) bool { return f == finding{agrees: true} }
	nothing := func(f finding) bool { return f == finding{} }
	suspects := func(offset, rows int) func(finding) bool {
		return func(f finding) bool { return f == finding{suspect: true, offset: offset * 60, rows: rows} }
	}
	const shanghai, paulo, berlin, utc = "Asia/Shanghai", "America/Sao_Paulo", "Europe/Berlin", "UTC"
	const day = "2026-11-01T00:00:00Z"
	for name, tt := range map[string]struct {
		z    *zoneCheck
		want func(finding) bool
	}{
		"right":                   {calls(t, shanghai, shanghai, day, 0, 0.5, 3), agrees},
		"right, one call":         {calls(t, paulo, paulo, day, 9.9), agrees},
		"right, clocks differ":    {calls(t, shanghai, shanghai, day, -1.9), agrees},
		"UTC, one call":           {calls(t, shanghai, utc, day, 0.5), suspects(0, 1)},
		"UTC, west":               {calls(t, paulo, utc, day, 0, 1), suspects(0, 2)},
		"UTC, with late legs":     {calls(t, paulo, utc, day, 0, 70, 200), suspects(0, 1)},
		"UTC is right":            {calls(t, utc, utc, day, 0), agrees},
		"another, two calls":      {calls(t, shanghai, "Asia/Tokyo", day, 0, 0), nothing},
		"another, three calls":    {calls(t, shanghai, "Asia/Tokyo", day, 0, 0, 1), suspects(540, 3)},
		"a quarter of an hour":    {calls(t, utc, "Asia/Kathmandu", day, 0, 0, 1), suspects(345, 3)},
		"tenant's, read in UTC":   {calls(t, utc, paulo, day, 0, 0, 1), suspects(-180, 3)},
		"late legs alone":         {calls(t, shanghai, shanghai, day, 31, 31, 32), nothing},
		"late legs of an hour":    {calls(t, shanghai, shanghai, day, 60, 95, 127), nothing},
		"no zone has this":        {calls(t, shanghai, shanghai, day, 17, 17, 17), nothing},
		"one odd call":            {calls(t, shanghai, shanghai, day, 0, -480, 1), agrees},
		"half of each":            {calls(t, shanghai, shanghai, day, 0, -480), agrees},
		"most in UTC":             {calls(t, shanghai, shanghai, day, 0, -480, -480), suspects(0, 2)},
		"nothing":                 {calls(t, shanghai, shanghai, day), nothing},
		"across a clock change":   {calls(t, berlin, berlin, "2026-03-29T00:58:00Z", 5), agrees},
		"the night of it, in UTC": {calls(t, berlin, utc, "2026-10-25T00:30:00Z", 0), suspects(0, 1)},
		"the hour comes twice":    {calls(t, berlin, berlin, "2026-10-25T00:30:00Z", 0), agrees},
		"the second time":         {calls(t, berlin, berlin, "2026-10-25T01:30:00Z", 0), agrees},
	} {
		if got := tt.z.finding(); !tt.want(got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestWindowsTellTheZone: without ids that begin with a second, all rows must be outside of
// their window, and within it in UTC.
func TestWindowsTellTheZone(t *testing.T) {
	for name, tt := range map[string]struct {
		read, written, from string
		rows                int
		want                finding
	}{
		"right":               {"Asia/Shanghai", "Asia/Shanghai", "2026-11-01T00:00:00Z", 3, finding{agrees: true}},
		"UTC":                 {"Asia/Shanghai", "UTC", "2026-11-01T00:00:00Z", 3, finding{suspect: true, rows: 3}},
		"UTC, too few":        {"Asia/Shanghai", "UTC", "2026-11-01T00:00:00Z", 2, finding{}},
		"another":             {"Asia/Shanghai", "Asia/Tokyo", "2026-11-01T00:00:00Z", 9, finding{}},
		"nobody can tell":     {"UTC", "UTC", "2026-11-01T00:00:00Z", 9, finding{}},
		"the hour comes once": {"Europe/Berlin", "Europe/Berlin", "2026-10-25T00:00:00Z", 5, finding{agrees: true}},
		"and again":           {"Europe/Berlin", "Europe/Berlin", "2026-10-25T01:00:00Z", 5, finding{agrees: true}},
		"and in UTC":          {"Europe/Berlin", "UTC", "2026-10-25T00:00:00Z", 5, finding{suspect: true, rows: 5}},
		"the hour is skipped": {"America/Sao_Paulo", "America/Sao_Paulo", "2018-11-04T02:00:00Z", 5, finding{agrees: true}},
		"skipped, in UTC":     {"America/Sao_Paulo", "UTC", "2018-11-04T02:00:00Z", 5, finding{suspect: true, rows: 5}},
	} {
		for _, call := range []string{"", "8-9", "1714525260", "1714525260-", "1714525260-x", "0714525260-1", "171452526-1"} {
			begin := instant(t, tt.from)
			z := newZoneCheck(exportertest.Location(t, tt.read), schemas.Window{From: begin, To: begin.Add(time.Hour)})
			for i := range tt.rows {
				at := begin.Add(time.Duration(i) * 10 * time.Minute)
				z.row(call, []int64{wallOf(at, exportertest.Location(t, tt.written))})
			}
			if got := z.finding(); got != tt.want {
				t.Errorf("%s, call %q: %+v", name, call, got)
			}
		}
	}
	var empty zoneCheck
	empty.row("1714525260-1", nil)
	if got := empty.finding(); got != (finding{}) {
		t.Errorf("rows without times: %+v", got)
	}
}

// TestARightFileIsNeverSuspected: whatever the zone, the day and how long calls wait, a file
// that is written in the zone in which it is read, with the first leg of a call in it,
// agrees; and one in UTC never does where the zone is another.
func TestARightFileIsNeverSuspected(t *testing.T) {
	zones := []string{"Asia/Shanghai", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		zone := exportertest.Location(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		begin := time.Unix(rapid.Int64Range(1_200_000_000, 1_900_000_000).Draw(t, "begin"), 0).Truncate(time.Hour)
		window := schemas.Window{From: begin, To: begin.Add(time.Hour)}
		right, inUTC := newZoneCheck(zone, window), newZoneCheck(zone, window)
		for i := range rapid.IntRange(1, 20).Draw(t, "calls") {
			at := begin.Add(time.Duration(rapid.IntRange(0, 3599).Draw(t, "second")) * time.Second)
			first := at.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "wait")) * time.Second)
			call := fmt.Sprintf("%d-%d", at.Unix(), i)
			right.row(call, []int64{wallOf(first, zone)})
			inUTC.row(call, []int64{first.Unix()})
		}
		if got := right.finding(); !got.agrees {
			t.Errorf("right: %+v", got)
		}
		if got := inUTC.finding(); offsetAt(zone, begin) != 0 && offsetAt(zone, begin.Add(-time.Hour)) != 0 && offsetAt(zone, begin.Add(2*time.Hour)) != 0 && (!got.suspect || got.offset != 0) {
			t.Errorf("in UTC, for %s: %+v", zone, got)
		}
	})
}

// zoned is a file of calls of the first hour, one a minute, whose times are written in a
// zone.
func zoned(t *testing.T, zone string, n int) []byte {
	var b strings.Builder
	for i := range n {
		at := exportertest.Hour(0).From.Add(time.Duration(i) * time.Minute)
		wall := func(after time.Duration) string {
			return at.Add(after).In(exportertest.Location(t, zone)).Format(time.DateTime)
		}
		fmt.Fprintf(&b, "ak,ten,1,101,%d-%d,5550100,5550199,,,%s,%s,%s,%s,2,101,0,0,-1,39,1,12\n", at.Unix(), i,
			wall(time.Second), wall(5*time.Second), wall(5*time.Second), wall(time.Minute))
	}
	return exportertest.ZipOf(t, exportertest.CSVMember(b.String()))
}

// in sets the zone in which calls are read.
func (s *shop) in(zone string) {
	tenant := s.options.Tenants[exportertest.Acme]
	tenant.Written = map[schemas.Kind]*time.Location{schemas.KindCDR: exportertest.Location(s.t, zone)}
	s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
	s.restart()
}

// TestF52ZoneOfFiles: files of another zone are noticed by the first call, said once for each
// offset, an alarm until a file agrees again, and never a stop.
func TestF52ZoneOfFiles(t *testing.T) {
	s := newShop(t)
	zones := &Zones{}
	s.options.Zones = zones
	s.restart()
	told := 0
	suspected := func(want ...Suspicion) {
		t.Helper()
		told++
		if got := zones.Suspected(exportertest.Acme); !slices.Equal(got, want) {
			t.Errorf("suspected %+v, want %+v", got, want)
		}
	}
	utc := Suspicion{Kind: schemas.KindCDR, Zone: "Asia/Shanghai", Offset: "+00:00", ExpectedOffset: "+08:00", Setting: "utc"}
	tokyo := Suspicion{Kind: schemas.KindCDR, Zone: "Asia/Shanghai", Offset: "+09:00", ExpectedOffset: "+08:00"}
	n := 0
	export := func(data []byte) {
		t.Helper()
		n++
		exportertest.Check(t, s.export(s.ready(n, data), 1))
	}
	export(zoned(t, "Asia/Shanghai", 5))
	suspected()
	export(zoned(t, "UTC", 1))
	suspected(utc)
	export(exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader))) // shows nothing
	suspected(utc)
	export(zoned(t, "UTC", 5))
	export(zoned(t, "Asia/Tokyo", 3))
	suspected(tokyo)
	export(zoned(t, "Asia/Shanghai", 5))
	suspected()
	drifts := s.drifts()
	if len(drifts) != 2 || drifts[0].What != schemas.DriftZone || drifts[0].Offset != "+00:00" || drifts[0].Zone != "Asia/Shanghai" ||
		drifts[0].ExpectedOffset != "+08:00" || drifts[0].Rows != 1 || drifts[1].Offset != "+09:00" {
		t.Errorf("drifts %+v", drifts)
	}
	if _, markers := s.stored(); len(markers) != n {
		t.Errorf("%d of %d files are complete", len(markers), n)
	}
	s.in("UTC")
	export(zoned(t, "Asia/Shanghai", 3))
	suspected(Suspicion{Kind: schemas.KindCDR, Zone: "UTC", Offset: "+08:00", ExpectedOffset: "+00:00", Setting: "tenant"})
	t.Attr("figure", fmt.Sprintf("%d/%d files told right, all rows published", told, told))
	t.Attr("tries", fmt.Sprint(n))
}

// TestZoneIsSeenBeforePrivacy: an id that is hashed tells nothing, and is not looked at.
func TestZoneIsSeenBeforePrivacy(t *testing.T) {
	s := newShop(t)
	zones := &Zones{}
	s.options.Zones = zones
	s.policy(policy(t, "hmac", "call_id=hmac"))
	exportertest.Check(t, s.export(s.ready(1, zoned(t, "UTC", 1)), 1))
	if got := zones.Suspected(exportertest.Acme); len(got) != 1 {
		t.Errorf("suspected %+v", got)
	}
}

// TestZoneSwitchedAndExtractedAgain: ids are the same in every zone, and what was published
// with wrong instants comes once more, as the next revision, when its window is extracted
// again with the right setting; and then never.
func TestZoneSwitchedAndExtractedAgain(t *testing.T) {
	s := newShop(t)
	file := zoned(t, "UTC", 3)
	for i, zone := range []string{"Asia/Shanghai", "UTC", "UTC", "Asia/Shanghai", "Asia/Shanghai"} {
		s.in(zone)
		exportertest.Check(t, s.export(s.ready(i+1, file), 1))
	}
	stored, markers := s.stored()
	for i, want := range []int{0, 3, 0, 3, 0} {
		if m := marker(t, markers[i]); m.Revised != want || m.Rows != 3 || (i > 0 && m.Added != want) {
			t.Errorf("extract %d: marker %+v, want %d revised", i+1, m, want)
		}
	}
	if len(stored) != 9 || stored[3].ID != stored[0].ID+".2" || stored[3].RowHeader.Key != stored[0].RowHeader.Key || stored[6].ID != stored[0].ID+".3" {
		t.Fatalf("%d rows", len(stored))
	}
	right := exportertest.Hour(0).From.Add(5 * time.Second)
	for i, want := range []time.Time{right.Add(-8 * time.Hour), right, right.Add(-8 * time.Hour)} {
		var row struct {
			Begin time.Time `json:"call_begin"`
		}
		exportertest.Unmarshal(t, stored[3*i].Body, &row)
		if _, offset := row.Begin.Zone(); !row.Begin.Equal(want) || offset != 8*3600 {
			t.Errorf("revision %d begins at %v, want %v", i+1, row.Begin, want)
		}
	}
	if rest := stored[3].RowHeader.Rest; !strings.HasSuffix(rest, "@UTC") || strings.Contains(stored[0].RowHeader.Rest+stored[6].RowHeader.Rest, "@") {
		t.Errorf("headers %q, %q, %q", stored[0].RowHeader.Rest, rest, stored[6].RowHeader.Rest)
	}
}
