package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// windows are what the ledger has, hours from New Year on.
type windows int

func (n windows) Overlapping(_ string, _ schemas.Kind, w schemas.Window) (all []schemas.WindowEntry) {
	for i := range int(n) {
		if h := exportertest.Hour(i); h.From.Before(w.To) && h.To.After(w.From) {
			all = append(all, schemas.WindowEntry{Window: h, State: schemas.WindowPlanned})
		}
	}
	return all
}

// open opens a file with these members.
func open(t *testing.T, o Options, members ...exportertest.Packed) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls.zip")
	exportertest.Check(t, os.WriteFile(path, exportertest.ZipOf(t, members...), 0o600))
	if o.Kind == "" {
		o.Kind = schemas.KindCDR
	}
	o.Tenant, o.Rows.Zone = exportertest.Acme, time.UTC
	f, err := Open(t.Context(), path, o)
	if err == nil {
		t.Cleanup(func() { exportertest.Check(t, f.Close()) })
	}
	return f, err
}

// calls is a file of a call at each minute of New Year, a minute long.
func calls(t *testing.T, minutes ...int) *File {
	t.Helper()
	var b strings.Builder
	b.WriteString(exportertest.CallHeader)
	for i, m := range minutes {
		begin := exportertest.NewYear.Add(time.Duration(m) * time.Minute)
		fmt.Fprintf(&b, "ak,ten,1,101,%d-%d,5550100,5550199,,,,,%s,%s,2,101,0,0,-1,39,1,12\n",
			begin.Unix(), i, begin.Format(time.DateTime), begin.Add(time.Minute).Format(time.DateTime))
	}
	f, err := open(t, Options{}, exportertest.CSVMember(b.String()))
	exportertest.Check(t, err)
	return f
}

func TestWindowIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		minutes []int
		known   windows
		want    int    // the hour
		says    string // the error
	}{
		"one hour":            {[]int{61, 90, 118}, 3, 1, ""},
		"ends in the next":    {[]int{61, 119}, 3, 1, ""}, // minute 120 belongs to the next hour
		"begins before":       {[]int{59, 61}, 3, 1, ""},
		"two":                 {[]int{59}, 3, 0, "more than one window"},
		"none":                {[]int{10, 59, 130}, 3, 0, "no single window of the ledger"},
		"before the ledger's": {[]int{-120}, 3, 0, "the ledger has no window of cdr between 2025-12-31T22:00:00Z and 2025-12-31T22:01:00Z"},
		"no rows":             {nil, 3, 0, "no row of the file has a time"},
		"an empty ledger":     {[]int{61}, 0, 0, "the ledger has no window"},
	} {
		w, err := calls(t, tt.minutes...).Parts(t.Context(), tt.known, schemas.Window{}, exportertest.NewYear.Add(24*time.Hour))
		switch {
		case tt.says == "" && (err != nil || len(w) != 1 || w[0] != Part{exportertest.Hour(tt.want), len(tt.minutes), false}):
			t.Errorf("%s: %v, %v", name, w, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// TestSeveralWindows: a file is split if each of its rows is of one window alone, and only
// then.
func TestSeveralWindows(t *testing.T) {
	day := exportertest.NewYear.Add(24 * time.Hour)
	parts, err := calls(t, 5, 10, 70, 190).Parts(t.Context(), windows(5), schemas.Window{}, day)
	want := []Part{{exportertest.Hour(0), 2, true}, {exportertest.Hour(1), 1, true}, {exportertest.Hour(3), 1, true}}
	if err != nil || !slices.Equal(parts, want) {
		t.Errorf("%v, %v", parts, err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	exportertest.Check(t, err)
	for says, f := range map[string]*File{
		"1 have times in two windows, in none, or no time": calls(t, 5, 59, 130),
		"2 have times in two windows, in none, or no time": calls(t, -70, 5, 70, 310),
		"the clocks are changed meanwhile": func() *File {
			f := calls(t, 65, 130)
			f.o.Rows.Written = berlin                                              // an hour ahead
			f.From = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC).Add(-time.Hour) // as if
			f.To = f.From.Add(24 * time.Hour)
			return f
		}(),
	} {
		in, err := f.count(t.Context(), []schemas.Window{exportertest.Hour(0), exportertest.Hour(1), exportertest.Hour(2)})
		if why := f.together(in); err != nil || why != says {
			t.Errorf("%q, %v, want %q", why, err, says)
		}
	}
}

func TestWindowThatIsWishedFor(t *testing.T) {
	at := func(minute int) time.Time { return exportertest.NewYear.Add(time.Duration(minute) * time.Minute) }
	for name, tt := range map[string]struct {
		from, to int // minutes
		says     string
	}{
		"the ledger's":        {60, 120, ""},
		"with no time of it":  {120, 180, "only 0 of 3 rows"},
		"part of an hour":     {60, 90, "windows must not overlap"},
		"two hours":           {60, 180, "  2026-01-01T01:00:00Z/2026-01-01T02:00:00Z  planned\n  2026-01-01T02:00:00Z/2026-01-01T03:00:00Z  planned"},
		"many":                {0, 1200, "and 8 more"},
		"beside the ledger's": {-60, 0, "only 0 of 3 rows"},
		"too long":            {-4321, 0, "longer than 72 hours"},
		"backwards":           {60, 0, "from must be before to"},
		"to come":             {1440, 1500, "is not over"},
	} {
		f := calls(t, 61, 70, 80)
		w, err := f.Parts(t.Context(), windows(20), schemas.Window{From: at(tt.from), To: at(tt.to)}, at(1440))
		switch {
		case tt.says == "" && (err != nil || len(w) != 1 || w[0].Split || !w[0].Window.From.Equal(at(tt.from)) || !w[0].Window.To.Equal(at(tt.to))):
			t.Errorf("%s: %v, %v", name, w, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	long := schemas.Window{From: at(-4320), To: at(0)}
	if w, err := calls(t, -20).Parts(t.Context(), windows(20), long, at(1440)); err != nil || w[0].Window != long {
		t.Errorf("72 hours before the ledger begins: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, f := range exportertest.DamagedFiles(t) {
		path := filepath.Join(t.TempDir(), "damaged.zip")
		exportertest.Check(t, os.WriteFile(path, f.Data, 0o600))
		o := Options{Tenant: exportertest.Acme, Kind: schemas.KindCDR, Rows: rows.Options{Zone: time.UTC}}
		o.Limits.MaxUnpackedBytes = 512 << 10
		var p *schemas.Permanent
		if _, err := Open(t.Context(), path, o); !errors.As(err, &p) || p.Reason != f.Reason {
			t.Errorf("%s: %v, want %s", name, err, f.Reason)
		}
	}
	rows := exportertest.CallHeader + exportertest.CallRows(0, 3)
	if _, err := open(t, Options{Kind: schemas.KindSkill}, exportertest.CSVMember(rows)); err == nil || !strings.Contains(err.Error(), "it has those of cdr") {
		t.Errorf("another kind: %v", err)
	}
	if _, err := open(t, Options{AccountID: "eleven"}, exportertest.CSVMember(rows)); err == nil || !strings.Contains(err.Error(), "3 of its 3 rows are of account ten, and the tenant's is eleven") {
		t.Errorf("another account: %v", err)
	}
	if f, err := open(t, Options{AccountID: "ten"}, exportertest.CSVMember(rows)); err != nil || f.Rows != 3 {
		t.Errorf("its own account: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none.zip"), Options{Kind: schemas.KindCDR}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestNamesOfAFile: the id is made of the bytes, the name is the platform's if it is one.
func TestNamesOfAFile(t *testing.T) {
	f := calls(t, 1)
	r := f.ready(exportertest.Hour(0), exportertest.NewYear)
	exportertest.Check(t, r.Validate())
	if r.FileName != "20260101_"+f.SHA256[:32]+".zip" || r.ResponseID != f.SHA256[:32] || r.Via != schemas.ViaManual {
		t.Errorf("%+v", r)
	}
	f.Path = filepath.Join("some", "20260102_"+exportertest.ResponseID(3)+".zip")
	if r := f.ready(exportertest.Hour(0), exportertest.NewYear); r.FileName != filepath.Base(f.Path) || r.ResponseID != f.SHA256[:32] {
		t.Errorf("%+v", r)
	}
}

func TestCopyIsWhatWasLookedAt(t *testing.T) {
	f := calls(t, 1, 2)
	var got bytes.Buffer
	n, err := f.Copy(t.Context(), schemas.FileReady{}, &got)
	if want, _ := os.ReadFile(f.Path); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes: %v", n, err)
	}
	exportertest.Check(t, os.WriteFile(f.Path, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader)), 0o600))
	if _, err := f.Copy(t.Context(), schemas.FileReady{}, &got); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("a file that changed: %v", err)
	}
}

func TestParseWindow(t *testing.T) {
	for _, text := range []string{"2026-01-01T08:00:00+08:00/2026-01-01T09:00:00+08:00", "2026-01-01T00:00:00Z/2026-01-01T01:00:00Z", "20260101t000000z-20260101t010000z", "20260101T000000Z-20260101T010000Z"} {
		if w, err := ParseWindow(text); err != nil || w != exportertest.Hour(0) {
			t.Errorf("%q: %s, %v", text, w, err)
		}
	}
	for _, text := range []string{"", "/", "yesterday", "2026-01-01/2026-01-02", "2026-01-01T01:00:00Z/2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"} {
		if w, err := ParseWindow(text); err == nil {
			t.Errorf("%q is %s", text, w)
		}
	}
}

// TestRunGoesOn: a worker that fails for a while is asked again, one that refuses is not.
func TestRunGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		errs []error
		ok   bool
		want int
	}{
		"at once":    {nil, true, 1},
		"conflict":   {[]error{schemas.ErrConflict}, true, 2},
		"refused":    {[]error{&schemas.Permanent{Reason: schemas.ReasonMissingColumns, Err: exportertest.ErrBus}}, false, 1},
		"bus away":   {slices.Repeat([]error{exportertest.ErrBus}, 99), false, attempts},
		"not wanted": {[]error{errNotWanted}, false, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, err := ledger.New(ledger.Options{Names: exportertest.Names(t), Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
			exportertest.Check(t, err)
			w := &fakeWorker{ledger: l, errs: tt.errs}
			_, err = calls(t, 1).Run(t.Context(), l, w, exportertest.Hour(0))
			if (err == nil) != tt.ok || w.calls != tt.want {
				t.Errorf("%s: %d calls: %v", name, w.calls, err)
			}
		})
	}
}

var errNotWanted = errors.New("done, without the window")

// fakeWorker completes windows once its errors are used up.
type fakeWorker struct {
	ledger *ledger.Ledger
	errs   []error
	calls  int
}

func (w *fakeWorker) Handle(ctx context.Context, d schemas.Delivery) error {
	if w.calls++; w.calls <= len(w.errs) {
		if err := w.errs[w.calls-1]; !errors.Is(err, errNotWanted) {
			return err
		}
		return nil // as when the window is another extract's by now
	}
	var f schemas.FileReady
	if err := json.Unmarshal(d.Message.Body, &f); err != nil {
		return err
	}
	return w.ledger.Complete(ctx, f, 1, time.Now())
}
