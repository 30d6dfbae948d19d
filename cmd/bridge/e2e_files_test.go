package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestDamagedFile: no row of a file with one flipped byte is published, its
// bytes are kept, and the next extract completes the window.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for where, name := range map[string]string{"stored": "file.flipped", "answer": "download.flipped"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, oneWindow(once(name)))
			r := s.run()
			s.until("the window is complete", func() bool {
				e := r.ledger.Entries(tenantName, schemas.KindCDR)
				return len(e) > 0 && e[0].State == schemas.WindowCompleted
			})
			files := s.sim.Truth().Files
			if len(files) != 2 || (files[0].Damaged == "file.flipped") != (where == "stored") || files[1].Damaged != "" {
				t.Fatalf("the simulator made %d files", len(files))
			}
			r.wantDeadLetter(files[0].ResponseID, schemas.ReasonDamagedZip)
			for _, m := range s.messages(r.bus, schemas.StreamRows) {
				if schemas.ReadRowHeader(m.Header).Extract == schemas.ExtractSum(files[0].ResponseID) {
					t.Fatal("there is a row of the damaged file")
				}
			}
			if report := r.finish(); report.Files.Failed != 1 || report.Files.Accepted != 1 || report.Rows.InStream != 50 {
				t.Errorf("the report is %+v", report)
			}
		})
	}
}

// wantDeadLetter checks the only dead letter, and that the object it names is in
// quarantine.
func (r *running) wantDeadLetter(responseID string, reason schemas.Reason) {
	t := r.s.t
	t.Helper()
	letters := r.s.letters(r.bus)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	var d schemas.DeadLetter
	if err := json.Unmarshal(letters[0].Body, &d); err != nil {
		t.Fatal(err)
	}
	if d.Reason != reason || letters[0].Subject != r.names.DeadLetter(tenantName, reason) {
		t.Errorf("the dead letter is on %s with reason %s", letters[0].Subject, d.Reason)
	}
	bucket, name, _ := strings.Cut(d.Object, "/")
	if bucket != r.names.Bucket(schemas.BucketQuarantine) || !strings.Contains(path.Base(name), responseID) {
		t.Fatalf("the dead letter names the object %q", d.Object)
	}
	object, found, err := kv.OpenObjects(r.bus.Conn(), schemas.BucketQuarantine).Get(t.Context(), name)
	if err != nil || !found {
		t.Fatalf("look for %s: found %t, %v", d.Object, found, err)
	}
	defer object.Close()
	if b, err := io.ReadAll(object); err != nil || len(b) < 100 || string(b[:2]) != "PK" {
		t.Errorf("the object has %d bytes: %v", len(b), err)
	}
}

// eachFault sets the faults one after the other, each with rows to strike at, and
// waits until it has struck.
func (r *running) eachFault(rows int, faults [][]fault.Rule) {
	r.s.t.Helper()
	for _, rules := range faults {
		if rows > 0 {
			rules = append(rules, extraRows(rows))
		}
		if err := r.s.sim.SetFaults(rules...); err != nil {
			r.s.t.Fatal(err)
		}
		r.s.until(fmt.Sprintf("this has struck: %+v", rules), func() bool {
			return !slices.ContainsFunc(r.s.sim.Faults(), func(left fault.Rule) bool { return left.Next > 0 })
		})
	}
}

// manyWindows has one due window a second, more or less, for a while.
func manyWindows(faults int) setup {
	return setup{
		kinds: schemas.Kinds(), window: 10 * time.Second, settle: time.Second, overdue: 3 * time.Second,
		since: time.Duration(faults/3) * 10 * time.Second,
	}
}

// once is a rule that strikes once.
func once(name string) fault.Rule { return fault.Rule{Fault: name, Next: 1} }

// extraRows adds rows to the next file.
func extraRows(n int) fault.Rule { return fault.Rule{Fault: "rows.extra", Next: 1, Count: n} }

// together are rules that strike once each, all on the same file.
func together(names ...string) (rules []fault.Rule) {
	for _, n := range names {
		rules = append(rules, once(n))
	}
	return rules
}

// TestFormsOfCSV: whatever a file looks like, its rows arrive.
func TestFormsOfCSV(t *testing.T) {
	t.Parallel()
	faults := [][]fault.Rule{
		together("file.no_header"), together("file.gbk"), together("file.gb18030"), together("file.bom"),
		together("file.crlf"), together("file.extra_columns"), together("file.extra_columns", "file.no_header"),
		together("file.missing_columns"), together("file.reordered"), {{Fault: "file.split", Next: 1, Count: 3}},
		together("file.padded"), together("file.quoted"), together("file.both_kinds"),
		together("file.header_again"), together("file.macosx"), together("file.header_again", "file.macosx", "file.bom", "file.quoted"),
		together("file.no_header", "file.gbk", "file.crlf", "file.split", "file.padded", "file.quoted"),
		together("file.reordered", "file.gb18030", "file.bom", "file.extra_columns"),
	}
	s := newScene(t, manyWindows(len(faults)))
	r := s.run()
	r.eachFault(30, faults)
	report := r.finish()
	if least := 30 * len(faults); report.Rows.InStream < least || report.Files.Failed > 0 {
		t.Errorf("the report is %+v, want at least %d rows and no failed file", report, least)
	}
}

// TestEmptyFiles: a window without rows is complete, however the platform says so.
func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	s := newScene(t, manyWindows(6))
	r := s.run()
	r.eachFault(0, [][]fault.Rule{
		together("empty_file.zero_bytes"), together("empty_file.no_members"),
		together("empty_file.no_callback"), together("empty_file.no_data"),
	})
	if report := r.finish(); report.Rows.InStream != 0 || report.Files.Failed > 0 || report.Files.Accepted != report.Files.Made {
		t.Errorf("the report is %+v", report)
	}
}

// TestCallbackSpellings: the platform's pages name the fields of a callback in
// many ways, and disagree about its signature.
func TestCallbackSpellings(t *testing.T) {
	t.Parallel()
	faults := [][]fault.Rule{
		together("callback.twice"), together("callback.dashed_response_id"), together("callback.path_dropped"),
		together("callback.chunked"), together("callback.host_signed_with_port"), together("callback.host_signed_without_port"),
		together("callback.before_answer"), {{Fault: "callback.at_once", Next: 1, Count: 4}}, together("callback.drop"),
		together("callback.wrong_signature"), together("callback.old_timestamp"),
	}
	for _, name := range []string{
		"billFileName", "billName", "fileName", "agentOprInfoFileName", "agentOprSkillFileName", "agentSkillInfoFileName",
	} {
		faults = append(faults, []fault.Rule{{Fault: "callback.other_field", Next: 1, Field: name}})
	}
	s := newScene(t, manyWindows(len(faults)))
	r := s.run()
	r.eachFault(30, append(faults, together("create.lost")))
	report := r.finish()
	for _, c := range s.sim.Truth().Callbacks {
		want := http.StatusOK
		if c.Fault == "callback.wrong_signature" {
			want = http.StatusUnauthorized
		}
		if c.Status != want || c.BodyBytes == 0 {
			t.Errorf("a callback (%s) was answered with %d and %d bytes, want %d: %s", c.Fault, c.Status, c.BodyBytes, want, c.Err)
		}
	}
	if least := 30 * len(faults); report.Rows.InStream < least || report.Files.Failed > 0 {
		t.Errorf("the report is %+v, want at least %d rows and no failed file", report, least)
	}
}

// TestDownloads: a download that breaks is repeated; a file that came damaged is
// put away, and asked for again.
func TestDownloads(t *testing.T) {
	t.Parallel()
	faults := [][]fault.Rule{
		together("download.truncated"), together("download.flipped"), together("download.cut"), together("download.status"),
		together("download.json_as_octet_stream"), together("download.flow_control"), together("download.not_there"),
		{{Fault: "download.slow_drip", Next: 1, Rate: 8 << 10}}, together("download.no_length"), together("file.truncated"),
		{{Fault: "download.cut", Next: 2, Percent: 95}},
	}
	s := newScene(t, manyWindows(len(faults)))
	r := s.run()
	r.eachFault(30, faults)
	// One that was fetched by its predicted name comes again when its callback does, and may
	// be whole then: what counts is that each was put away.
	s.until("three damaged files are put away: truncated twice, and flipped", func() bool { return len(s.letters(r.bus)) == 3 })
	if report := r.finish(); report.Files.Failed > 3 {
		t.Errorf("%d files failed, want 3 at most: %+v", report.Files.Failed, report)
	}
}

// TestLateAndChangedRows: a re-sweep brings what came late, and the new form of
// what was changed, and nothing again.
func TestLateAndChangedRows(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{
		// A window that is asked for later than its sweep is due has no sweep.
		kinds: []schemas.Kind{schemas.KindCDR}, window: 6 * time.Second, sweep: 20 * time.Second,
		// From the start, so that they strike the first extract of a window, whose sweep is to come.
		faults: append(together("rows.late", "rows.changed"), extraRows(20)),
	})
	r := s.run()
	s.until("all of them have struck", func() bool {
		return !slices.ContainsFunc(s.sim.Faults(), func(left fault.Rule) bool { return left.Next > 0 })
	})
	r.finish()
	var added, revised int
	for _, marker := range r.markers {
		added += marker.Added
		revised += marker.Revised
	}
	if added != 21 || revised != 1 {
		t.Errorf("%d rows were added, %d of them revisions; want 21 and 1", added, revised)
	}
}
