package main

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/bus"
	"aiccbridge/config"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// utcFiles are scenes of contact centres whose files are written in UTC.
func utcFiles(zone string, o setup) setup {
	o.timezone, o.form.Zone = zone, "utc"
	return o
}

// TestFilesInUTC: files in UTC are noticed at the first one with a call in it, by name and
// offset; with files.zone: utc every instant is right.
func TestFilesInUTC(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Asia/Shanghai", "America/Sao_Paulo"} {
		t.Run("noticed/"+zone, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, utcFiles(zone, oneWindow()))
			r := s.run()
			s.until("the window is complete", func() bool {
				e := r.ledger.Entries(tenantName, schemas.KindCDR)
				return len(e) > 0 && e[0].State == schemas.WindowCompleted
			})
			drifts, file := s.drifts(r.bus), s.sim.Truth().Files[0]
			if len(drifts) != 1 || drifts[0].What != schemas.DriftZone || drifts[0].File != file.Name || drifts[0].Kind != schemas.KindCDR ||
				drifts[0].Tenant != tenantName || drifts[0].Zone != zone || drifts[0].Offset != "+00:00" || drifts[0].ExpectedOffset == "+00:00" {
				t.Errorf("drifts %+v, of the file %s", drifts, file.Name)
			}
			s.until("the alarm names tenant, kind, offset and setting", func() bool {
				return s.journal.contains("tenant "+tenantName+": cdr files: their times are at +00:00 from UTC, and are read in "+zone) &&
					s.journal.contains("set files.zone, or files.extracts.cdr.zone for this kind alone, to utc")
			})
			var got []string
			s.until("check hears of it in time", func() bool { // NATS may take longer than check waits
				got = s.zoneWarnings()
				return len(got) > 0
			})
			if len(got) != 1 || !strings.Contains(got[0], "tenants[0].files.zone: cdr files are read in "+zone) || !strings.Contains(got[0], "one showed +00:00") {
				t.Errorf("check warns of %q", got)
			}
			s.setup.filesZone = "utc"
			s.writeConfig()
			if got := s.zoneWarnings(); len(got) > 0 {
				t.Errorf("with the right setting check warns of %q", got)
			}
			r.end()
			if got := s.zoneWarnings(); len(got) > 0 {
				t.Errorf("without a bridge check warns of %q", got)
			}
		})
		t.Run("set/"+zone, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, utcFiles(zone, setup{
				kinds: schemas.Kinds(), window: 10 * time.Second, since: 30 * time.Second, filesZone: "utc",
				faults: []fault.Rule{{Fault: "rows.extra", Share: 1, Count: 5}},
			}))
			r := s.run()
			s.until("there are rows of every kind", func() bool { return s.rightInstants(r.bus) >= 30 })
			if drifts := s.drifts(r.bus); len(drifts) > 0 {
				t.Errorf("drifts %+v", drifts)
			}
			if suspected := r.zones.Suspected(tenantName); len(suspected) > 0 {
				t.Errorf("suspected %+v", suspected)
			}
			if err := s.sim.SetFaults(); err != nil {
				t.Fatal(err)
			}
			if report := r.finish(); report.Rows.InStream < 30 {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}

// TestFilesInUTCAtNight: also of a night on which the clocks are changed a file in UTC is
// noticed, and with files.zone: utc every instant of it is right. The program imports it.
func TestFilesInUTCAtNight(t *testing.T) {
	t.Parallel()
	for name, night := range map[string]struct{ zone, noon string }{
		"Shanghai, an ordinary one":       {"Asia/Shanghai", "2026-11-01"},
		"Sao Paulo, midnight is skipped":  {"America/Sao_Paulo", "2018-11-03"},
		"Sao Paulo, an hour comes twice":  {"America/Sao_Paulo", "2019-02-16"},
		"New York, an hour comes twice":   {"America/New_York", "2026-10-31"},
		"New York, two o'clock is missed": {"America/New_York", "2026-03-07"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, utcFiles(night.zone, closedStore()))
			from, err := time.Parse(time.DateOnly, night.noon)
			if err != nil {
				t.Fatal(err)
			}
			from = from.Add(12 * time.Hour)
			w := schemas.Window{From: from, To: from.Add(24 * time.Hour)}
			const rows = 300 // a call every five minutes
			files := s.archiveOf(w, rows, 1)
			r := s.run()
			s.importsAsChild(files[0], w)
			drifts := s.drifts(r.bus)
			if len(drifts) != 1 || drifts[0].What != schemas.DriftZone || drifts[0].Zone != night.zone || drifts[0].Offset != "+00:00" {
				t.Errorf("drifts %+v", drifts)
			}
			if _, right := s.instants(r.bus); right != 0 {
				t.Errorf("%d rows are right, though read in another zone", right)
			}
			s.setup.filesZone = "utc"
			s.writeConfig()
			s.importsAsChild(files[1], w)
			if all, right := s.instants(r.bus); all != rows+1 || right != all || len(s.drifts(r.bus)) != 1 {
				t.Errorf("%d of %d rows are right; drifts %+v", right, all, s.drifts(r.bus))
			}
			r.end()
		})
	}
}

// importsAsChild has the program import a file into a window.
func (s *scene) importsAsChild(file string, w schemas.Window) {
	s.t.Helper()
	c := s.startWith("import", "-c", s.path(), file, "--kind", "cdr", "--window", span(w))
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		s.t.Fatalf("the import ended with %v", c.cmd.ProcessState)
	}
}

// instants counts the newest revisions of calls, and those of them that wait from the second
// with which the call's id begins.
func (s *scene) instants(b *bus.Bus) (all, right int) {
	s.t.Helper()
	newest := map[string]bool{}
	for _, m := range s.messages(b, schemas.StreamRows) {
		var row struct {
			CallID string    `json:"call_id"`
			Begin  time.Time `json:"ack_begin"`
		}
		if m.Get("ce-type") != schemas.TypeRow+string(schemas.KindCDR) {
			continue
		}
		if err := json.Unmarshal(m.Body, &row); err != nil {
			s.t.Fatal(err)
		}
		second, _, _ := strings.Cut(row.CallID, "-")
		newest[schemas.ReadRowHeader(m.Header).Key] = second == strconv.FormatInt(row.Begin.Unix(), 10)
	}
	for _, ok := range newest {
		if ok {
			right++
		}
	}
	return len(newest), right
}

// zoneWarnings are what `bridge check` has to say of the last files.
func (s *scene) zoneWarnings() (all []string) {
	s.t.Helper()
	cfg, err := config.Load(s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	n := len(cfg.Warnings)
	warnOfZones(s.t.Context(), cfg)
	for _, w := range cfg.Warnings[n:] {
		all = append(all, w.String())
	}
	return all
}

// TestZoneOfEachKind: a kind's own setting wins over that of all files, tenant included.
func TestZoneOfEachKind(t *testing.T) {
	s := newScene(t, setup{kinds: schemas.Kinds(), filesZone: "utc"})
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "cdr: {", "cdr: {zone: tenant, ", 1)
	changed = strings.Replace(changed, "operation: {", "operation: {zone: Asia/Tokyo, ", 1)
	if err := os.WriteFile(s.path(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(s.path())
	if err != nil {
		t.Fatal(err)
	}
	got := map[schemas.Kind]string{}
	for k, zone := range written(cfg.Tenants[0]) {
		got[k] = zone.String()
	}
	want := map[schemas.Kind]string{
		schemas.KindCDR: "Asia/Shanghai", schemas.KindRecording: "UTC", schemas.KindOperation: "Asia/Tokyo", schemas.KindSkill: "UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if effective, err := cfg.Effective(); err != nil || !strings.Contains(string(effective), "zone: utc\n") || !strings.Contains(string(effective), "zone: Asia/Tokyo\n") {
		t.Errorf("%v: %s", err, effective)
	}
}

// drifts is what was said of new shapes and zones.
func (s *scene) drifts(b *bus.Bus) (all []schemas.Drift) {
	s.t.Helper()
	for _, m := range s.messages(b, schemas.StreamCoverage) {
		if m.Get("ce-type") != schemas.TypeDrift {
			continue
		}
		var d schemas.Drift
		if err := json.Unmarshal(m.Body, &d); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// rightInstants counts the rows in the stream, each of which must name the instant at which
// the world had it begin. What cells say does not matter here.
func (s *scene) rightInstants(b *bus.Bus) (n int) {
	s.t.Helper()
	begins := s.begins()
	for _, m := range s.messages(b, schemas.StreamRows) {
		if has, right := begins.right(m); has && !right {
			s.t.Fatalf("no time is that at which the call began: %s", m.Body)
		} else if has {
			n++
		}
	}
	return n
}

// begins are the instants at which the world had rows begin, by kind and call.
type begins map[string]time.Time

func (s *scene) begins() begins {
	all := begins{}
	for _, f := range s.sim.Truth().Files {
		for _, r := range f.Rows {
			all[r.Kind.Word()+r.CallID] = r.At
		}
	}
	return all
}

// right reports whether a message is a row of a call, and one of its times the right one.
func (b begins) right(m schemas.Stored) (has, right bool) {
	kind, isRow := strings.CutPrefix(m.Get("ce-type"), schemas.TypeRow)
	var row map[string]any
	if !isRow || json.Unmarshal(m.Body, &row) != nil {
		return false, false
	}
	call, _ := row["call_id"].(string)
	for _, cell := range row {
		text, _ := cell.(string)
		at, err := time.Parse(time.RFC3339, text)
		right = right || err == nil && at.Equal(b[kind+call])
	}
	return call != "", right
}

// TestZoneSetLater: after the zone was set right, windows that are extracted again bring
// their rows once more, as next revisions with the right instants; and then never.
func TestZoneSetLater(t *testing.T) {
	t.Parallel()
	const rows = 20
	s := newScene(t, utcFiles("Asia/Shanghai", setup{
		kinds: schemas.Kinds()[:1], window: 6 * time.Second, sweep: 12 * time.Second, faults: []fault.Rule{extraRows(rows)},
	}))
	// newest counts the rows that are the newest of their key, and those of them that are right.
	newest := func(r *running) (all, right, messages int) {
		last := map[string]bool{}
		begins := s.begins()
		for _, m := range s.messages(r.bus, schemas.StreamRows) {
			if has, right := begins.right(m); has {
				last[schemas.ReadRowHeader(m.Header).Key] = right
				messages++
			}
		}
		for _, ok := range last {
			if ok {
				right++
			}
		}
		return len(last), right, messages
	}
	r := s.run()
	s.until("the rows are there, with wrong instants", func() bool { all, right, _ := newest(r); return all == rows && right == 0 })
	r.end()
	s.setup.filesZone = "utc"
	s.writeConfig()
	r = s.run()
	s.until("the newest revisions are right", func() bool { all, right, _ := newest(r); return all == rows && right == rows })
	files := len(s.sim.Truth().Files)
	s.until("more files were made", func() bool { return len(s.sim.Truth().Files) > files+2 })
	if _, _, messages := newest(r); messages != 2*rows {
		t.Errorf("%d messages of %d rows", messages, rows)
	}
	if suspected := r.zones.Suspected(tenantName); len(suspected) > 0 {
		t.Errorf("suspected %+v", suspected)
	}
	r.end()
}
