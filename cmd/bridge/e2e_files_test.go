package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/schemas"
)

// TestDamagedFile: no row of a file with one flipped byte is published, its
// bytes are kept, and the next extract completes the window.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"stored", "answer"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, oneWindow(filestore.Faults{Download: filestore.DownloadFaults{
				Damage: where, Flipped: filestore.Chance{Next: 1},
			}}))
			r := s.run()
			s.until("the window is complete", func() bool {
				e := r.ledger.Entries(tenantName, schemas.KindCDR)
				return len(e) > 0 && e[0].State == schemas.WindowCompleted
			})
			files := s.sim.Truth().Files
			if len(files) != 2 || (files[0].Damaged == "flipped") != (where == "stored") || files[1].Damaged != "" {
				t.Fatalf("the simulator made %d files", len(files))
			}
			r.wantDeadLetter(files[0].ResponseID, schemas.ReasonDamagedZip)
			for _, m := range s.messages(r.bus, schemas.StreamRows) {
				if schemas.ReadRowHeader(m.Header).Extract == files[0].ResponseID {
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
	letters := r.s.messages(r.bus, schemas.StreamDeadLetters)
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
	object, found, err := r.bus.Quarantine().Get(t.Context(), name)
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
func (r *running) eachFault(rows int, faults []filestore.Faults) {
	r.s.t.Helper()
	for _, f := range faults {
		f.Rows.Extra = rows
		r.s.sim.SetFilesFaults(f)
		wished, _ := json.Marshal(f) // plain data
		r.s.until("this has struck: "+string(wished), func() bool {
			left, err := json.Marshal(r.s.sim.Faults().Files)
			return err == nil && !strings.Contains(string(left), `"next":`) && !strings.Contains(string(left), `"extra":`)
		})
	}
}

// manyWindows has one due window a second, more or less, for a while.
func manyWindows(faults int) setup {
	return setup{
		kinds: everyKind(), window: 10 * time.Second, settle: time.Second, overdue: 3 * time.Second,
		since: time.Duration(faults/3) * 10 * time.Second,
	}
}

// once is a fault that strikes once.
var once = filestore.Chance{Next: 1}

// TestFormsOfCSV: whatever a file looks like, its rows arrive.
func TestFormsOfCSV(t *testing.T) {
	t.Parallel()
	var faults []filestore.Faults
	for _, f := range []filestore.CSVFaults{
		{NoHeader: once}, {GBK: once}, {GB18030: once}, {BOM: once}, {CRLF: once}, {ExtraColumns: once},
		{ExtraColumns: once, NoHeader: once}, {MissingColumns: once}, {Reordered: once}, {Split: once, Parts: 3},
		{Padded: once}, {Quoted: once}, {BothKinds: once},
		{NoHeader: once, GBK: once, CRLF: once, Split: once, Padded: once, Quoted: once},
		{Reordered: once, GB18030: once, BOM: once, ExtraColumns: once},
	} {
		faults = append(faults, filestore.Faults{CSV: f})
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
	r.eachFault(0, []filestore.Faults{
		{Empty: filestore.EmptyFaults{EmptyCSV: once}}, {Empty: filestore.EmptyFaults{EmptyZIP: once}},
		{Empty: filestore.EmptyFaults{NoCallback: once}}, {Empty: filestore.EmptyFaults{NoData: once}},
	})
	if report := r.finish(); report.Rows.InStream != 0 || report.Files.Failed > 0 || report.Files.Accepted != report.Files.Made {
		t.Errorf("the report is %+v", report)
	}
}

// TestCallbackSpellings: the platform's pages name the fields of a callback in
// many ways, and disagree about its signature.
func TestCallbackSpellings(t *testing.T) {
	t.Parallel()
	faults := []filestore.CallbackFaults{
		{Twice: once}, {DashedResponseID: once}, {PathDropped: once}, {Chunked: once}, {HostSignedWithPort: once},
		{HostSignedWithoutPort: once}, {BeforeAnswer: once}, {AtOnce: once, Copies: 4}, {Never: once},
		{WrongSignature: once}, {OldTimestamp: once},
	}
	for _, name := range []string{
		"billFileName", "billName", "fileName", "agentOprInfoFileName", "agentOprSkillFileName", "agentSkillInfoFileName",
	} {
		faults = append(faults, filestore.CallbackFaults{OtherName: once, FieldName: name})
	}
	var all []filestore.Faults
	for _, f := range faults {
		all = append(all, filestore.Faults{Callback: f})
	}
	s := newScene(t, manyWindows(len(all)))
	r := s.run()
	r.eachFault(30, append(all, filestore.Faults{Answer: filestore.AnswerFaults{Lost: once}}))
	report := r.finish()
	for _, c := range s.sim.Truth().Callbacks {
		want := http.StatusOK
		if c.Fault == "wrongSignature" {
			want = http.StatusUnauthorized
		}
		if c.Status != want || c.BodyBytes == 0 {
			t.Errorf("a callback (%s) was answered with %d and %d bytes, want %d: %s", c.Fault, c.Status, c.BodyBytes, want, c.Err)
		}
	}
	if least := 30 * len(all); report.Rows.InStream < least || report.Files.Failed > 0 {
		t.Errorf("the report is %+v, want at least %d rows and no failed file", report, least)
	}
}

// TestDownloads: a download that breaks is repeated; a file that came damaged is
// put away, and asked for again.
func TestDownloads(t *testing.T) {
	t.Parallel()
	faults := []filestore.DownloadFaults{
		{Truncated: once}, {Flipped: once}, {Cut: once}, {HTML502: once}, {JSONAsOctetStream: once}, {FlowControl: once},
		{NotThere: once}, {SlowDrip: once, DripBytesPerSecond: 8 << 10}, {NoLength: once},
		{Damage: "stored", Truncated: once}, {Cut: filestore.Chance{Next: 2}, CutPercent: 95},
	}
	var all []filestore.Faults
	for _, f := range faults {
		all = append(all, filestore.Faults{Download: f})
	}
	s := newScene(t, manyWindows(len(all)))
	r := s.run()
	r.eachFault(30, all)
	report := r.finish()
	if report.Files.Failed != 3 { // truncated twice, and flipped
		t.Errorf("%d files failed, want 3: %+v", report.Files.Failed, report)
	}
}

// TestLateAndChangedRows: a re-sweep brings what came late, and the new form of
// what was changed, and nothing again.
func TestLateAndChangedRows(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{kinds: []schemas.Kind{schemas.KindCDR}, window: 6 * time.Second, sweep: 3 * time.Second})
	r := s.run()
	r.eachFault(20, []filestore.Faults{
		{Rows: filestore.RowFaults{Late: once, Changed: once}}, {Rows: filestore.RowFaults{Late: once}},
	})
	r.finish()
	var added, revised int
	for _, marker := range r.markers {
		added += marker.Added
		revised += marker.Revised
	}
	if added != 41 || revised != 1 {
		t.Errorf("%d rows were added, %d of them revisions; want 41 and 1", added, revised)
	}
}
