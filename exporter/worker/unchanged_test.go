package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
)

// readRows counts how often a window is read back.
type readRows struct {
	*exportertest.Rows
	reads int
}

func (r *readRows) ReadBack(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	r.reads++
	return r.Rows.ReadBack(ctx, subject, f)
}

// knowing is a shop whose worker knows files again.
func knowing(t *testing.T) (*shop, *readRows) {
	s := newShop(t)
	read := &readRows{Rows: s.rows}
	s.options.Rows, s.options.Program = read, func() string { return "v1" }
	s.restart()
	return s, read
}

// tenant changes a setting of the tenant.
func (s *shop) tenant(change func(*Tenant)) {
	tenant := s.options.Tenants[exportertest.Acme]
	change(&tenant)
	s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
	s.restart()
}

func keyed(t *testing.T, key string) Privacy {
	p, err := privacy.New(privacy.Options{Fields: map[string]privacy.Action{"caller_no": privacy.HMAC}, Key: []byte(strings.Repeat(key, 16))})
	exportertest.Check(t, err)
	return p
}

// TestSameFileAgain: of a file with the same bytes as the last one only the marker is new,
// and it is not read. It is read, and the window gets what it lacks, where anything else may
// come of it: rows or markers have gone, or it is read in another way or by another program.
func TestSameFileAgain(t *testing.T) {
	subject := exportertest.Names(t).Row(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0))
	for name, tt := range map[string]struct {
		before func(*testing.T, *shop) // the first extract
		change func(*testing.T, *shop) // after it
		read   bool
		added  int
	}{
		"nothing else": {},
		"a restart":    {change: func(_ *testing.T, s *shop) { s.restart() }},
		"a row purged": {change: func(_ *testing.T, s *shop) { s.rows.Lose(subject, 3) }, read: true, added: 1},
		"all but the marker purged": {change: func(_ *testing.T, s *shop) {
			for range 50 {
				s.rows.Lose(subject, 0)
			}
		}, read: true, added: 50},
		"all purged": {change: func(_ *testing.T, s *shop) {
			for range 51 {
				s.rows.Lose(subject, 0)
			}
		}, read: true, added: 50},
		"the marker purged": {change: func(_ *testing.T, s *shop) { s.rows.Lose(subject, 50) }, read: true},
		"another program": {change: func(_ *testing.T, s *shop) {
			s.options.Program = func() string { return "v2" }
			s.restart()
		}, read: true},
		"no program known": {change: func(_ *testing.T, s *shop) {
			s.options.Program = func() string { return "" }
			s.restart()
		}, read: true},
		"another zone": {change: func(t *testing.T, s *shop) {
			s.tenant(func(o *Tenant) { o.Written = map[schemas.Kind]*time.Location{schemas.KindCDR: time.UTC} })
		}, read: true, added: 50},
		"another zone of the tenant": {change: func(t *testing.T, s *shop) {
			s.tenant(func(o *Tenant) { o.Zone = exportertest.Location(t, "Asia/Tokyo") })
		}, read: true},
		"another rule of the zone": {change: func(t *testing.T, s *shop) {
			s.tenant(func(o *Tenant) { o.Zone = time.FixedZone("Asia/Shanghai", 9*3600) })
		}, read: true},
		"another edition": {change: func(_ *testing.T, s *shop) { s.edition(21) }, read: true},
		"without names":   {change: func(_ *testing.T, s *shop) { s.tenant(func(o *Tenant) { o.NoNames = true }) }, read: true},
		"another dialect": {change: func(_ *testing.T, s *shop) { s.dialect(archive.Dialect{Charset: "utf-8"}) }, read: true},
		"a policy":        {change: func(t *testing.T, s *shop) { s.policy(policy(t, privacy.Mask)) }, read: true, added: 50},
		"the same policy": {
			before: func(t *testing.T, s *shop) { s.policy(keyed(t, "k")) },
			change: func(t *testing.T, s *shop) { s.policy(keyed(t, "k")) },
		},
		"another key of the policy": {
			before: func(t *testing.T, s *shop) { s.policy(keyed(t, "k")) },
			change: func(t *testing.T, s *shop) { s.policy(keyed(t, "l")) }, read: true, added: 50,
		},
		"another zone is suspected": {change: func(_ *testing.T, s *shop) {
			s.options.Zones = &Zones{}
			s.options.Zones.raise(exportertest.Acme, Suspicion{Kind: schemas.KindCDR})
			s.restart()
		}, read: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, rows := knowing(t)
			if tt.before != nil {
				tt.before(t, s)
			}
			data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 50)))
			exportertest.Check(t, s.export(s.ready(1, data), 1))
			if tt.change != nil {
				tt.change(t, s)
			}
			rows.reads = 0
			f := s.ready(2, data)
			exportertest.Check(t, s.export(f, 1))
			if rows.reads > 0 != tt.read {
				t.Errorf("read back %d times, want any: %t", rows.reads, tt.read)
			}
			stored, markers := s.stored()
			m := marker(t, markers[len(markers)-1])
			if m.Added != tt.added || m.Rows != 50 || m.ResponseID != f.ResponseID || len(m.Files) != 1 || m.CompletedAt.IsZero() {
				t.Errorf("marker %+v, want %d added", m, tt.added)
			}
			if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted || e.Rows != len(stored) {
				t.Errorf("the window is %+v with %d rows", e, len(stored))
			}
			checkDownloads(t, s)
		})
	}
}

// TestSameStrangeFileAgain: what is new about the shape of a file is said once, so that the
// file need not be read to say it again.
func TestSameStrangeFileAgain(t *testing.T) {
	s, rows := knowing(t)
	data := exportertest.ZipOf(t, exportertest.CSVMember(strings.Replace(exportertest.CallHeader, "call_id,", "call_id,color,", 1)+
		strings.ReplaceAll(exportertest.CallRows(0, 5), "1767225600-", "red,1767225600-")))
	exportertest.Check(t, s.export(s.ready(1, data), 1))
	rows.reads = 0
	exportertest.Check(t, s.export(s.ready(2, data), 1))
	if said := len(s.pub.Of(schemas.TypeDrift)); rows.reads > 0 || said == 0 {
		t.Errorf("read back %d times, %d drifts said", rows.reads, said)
	}
}

// TestNotPlainFiles: a file of which there is something to say is read, and it is said,
// whenever it comes; so is one with other bytes.
func TestNotPlainFiles(t *testing.T) {
	text := exportertest.CallHeader + exportertest.CallRows(0, 5)
	plain := exportertest.CSVMember(text)
	nameless := exportertest.CSVMember(text + strings.Replace(rowTwo, "1767225600-2", "", 1))
	for name, members := range map[string][2][]exportertest.Packed{
		"rejected":   {{nameless}, {nameless}},
		"skipped":    {{plain, {Name: "readme.txt", Data: "x"}}, {plain, {Name: "readme.txt", Data: "x"}}},
		"other text": {{plain}, {exportertest.CSVMember(exportertest.CallHeader + exportertest.CallRows(0, 4))}},
	} {
		s, rows := knowing(t)
		for i, m := range members {
			rows.reads = 0
			exportertest.Check(t, s.export(s.ready(i+1, exportertest.ZipOf(t, m...)), 1))
			if rows.reads != 1 {
				t.Errorf("%s: extract %d read back %d times", name, i+1, rows.reads)
			}
		}
	}
}

// TestSameTextAgain: a file with other bytes, as the ZIP of a file that is made anew has other
// times and names, is not published again if its members have the same text in the same order.
func TestSameTextAgain(t *testing.T) {
	head, one, two := exportertest.CallHeader, exportertest.CallRows(0, 5), exportertest.CallRows(5, 10)
	part := func(n int, text string) exportertest.Packed {
		return exportertest.Packed{Name: strings.Replace(exportertest.CallName, ".csv", fmt.Sprintf("_%d.csv", n), 1), Data: text, Store: true}
	}
	first := []exportertest.Packed{part(1, head+one), part(2, head+two)}
	hidden := func(t *testing.T, s *shop) { s.policy(keyed(t, "k")) }
	for name, tt := range map[string]struct {
		before func(*testing.T, *shop)
		again  []exportertest.Packed
		read   bool
		added  int
	}{
		"packed in another way": {again: []exportertest.Packed{{Name: first[0].Name, Data: head + one}, first[1]}},
		"named anew":            {again: []exportertest.Packed{part(3, head+one), part(4, head+two)}},
		"in another place":      {again: []exportertest.Packed{first[1], first[0]}},
		"in another order":      {again: []exportertest.Packed{part(2, head+one), part(1, head+two)}, read: true},
		"in one member":         {again: []exportertest.Packed{part(1, head+one+two)}, read: true},
		"with a row more":       {again: []exportertest.Packed{first[0], part(2, head+exportertest.CallRows(5, 11))}, read: true, added: 1},
		"without a member":      {again: first[:1], read: true},
		"with a copy beside":    {again: append(slices.Clone(first), exportertest.Packed{Name: "copy/" + first[0].Name, Data: head + one}), read: true},
		"with a policy":         {before: hidden, again: []exportertest.Packed{part(3, head+one), part(4, head+two)}, read: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, rows := knowing(t)
			if tt.before != nil {
				tt.before(t, s)
			}
			exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, first...)), 1))
			for id := 2; id <= 3; id++ { // the marker of a text that is known again is one to go by
				rows.reads = 0
				f := s.ready(id, exportertest.ZipOf(t, tt.again...))
				exportertest.Check(t, s.export(f, 1))
				if id == 2 && rows.reads > 0 != tt.read {
					t.Errorf("read back %d times, want any: %t", rows.reads, tt.read)
				}
				_, markers := s.stored()
				m, added := marker(t, markers[len(markers)-1]), 0
				if id == 2 {
					added = tt.added
				}
				archived, err := archive.Open(t.Context(), saved(t, exportertest.ZipOf(t, tt.again...)), archive.Options{Progress: func() {}})
				exportertest.Check(t, err)
				exportertest.Check(t, archived.Close())
				if m.Added != added || m.ResponseID != f.ResponseID || m.SHA256 != archived.SHA256 || !slices.Equal(m.Files, filesOf(archived, schemas.KindCDR)) {
					t.Errorf("extract %d: marker %+v, want %d added", id, m, added)
				}
			}
		})
	}
}

// saved is a file of these bytes.
func saved(t *testing.T, data []byte) string {
	name := filepath.Join(t.TempDir(), "a.zip")
	exportertest.Check(t, os.WriteFile(name, data, 0o600))
	return name
}

// TestSameFileWhileOthersWrite: a marker that comes without the file being read stands
// behind the last extract that was looked at, or nowhere.
func TestSameFileWhileOthersWrite(t *testing.T) {
	s, _ := knowing(t)
	data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 50)))
	exportertest.Check(t, s.export(s.ready(1, data), 1))
	f := s.ready(2, data)
	stored, markers := s.stored()
	s.rows.Before = func(int) error {
		s.rows.Before = nil
		_, err := s.rows.Append(t.Context(), []schemas.Message{markers[0].Message}, markers[0].Sequence)
		return err
	}
	if err := s.export(f, 1); err == nil {
		t.Fatal("the marker was stored behind another worker's")
	}
	exportertest.Check(t, s.export(f, 2))
	if now, markers := s.stored(); len(now) != len(stored) || len(markers) != 3 {
		t.Errorf("%d rows and %d markers", len(now), len(markers))
	}
}

// TestKnownAgainIsAsRead: whatever files come one after the other, and whatever is lost
// between, the window is the same whether files are known again or read each time.
func TestKnownAgainIsAsRead(t *testing.T) {
	subject := exportertest.Names(t).Row(exportertest.Acme, schemas.KindCDR, exportertest.Hour(0))
	var files [][]byte
	for _, text := range []string{
		exportertest.CallRow(5, 60) + exportertest.CallRow(6, 60), exportertest.CallRow(5, 61) + exportertest.CallRow(6, 60),
		exportertest.CallRow(5, 60) + exportertest.CallRow(5, 61), exportertest.CallRow(5, 61) + exportertest.CallRow(5, 61),
	} {
		m := exportertest.CSVMember(exportertest.CallHeader + text)
		files = append(files, exportertest.ZipOf(t, m))
		m.Store = true
		files = append(files, exportertest.ZipOf(t, m))
	}
	known := 0
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 0))
			knows, rows := knowing(t)
			reads := newShop(t)
			n := draw.IntN(len(files))
			for i := range 6 {
				if draw.IntN(2) == 0 {
					n = draw.IntN(len(files))
				}
				rows.reads = 0
				for _, s := range []*shop{knows, reads} {
					exportertest.Check(t, s.export(s.ready(i+1, files[n]), 1))
				}
				if rows.reads == 0 {
					known++
				}
				a, markers := knows.stored()
				b, _ := reads.stored()
				if !slices.EqualFunc(a, b, func(x, y exportertest.Row) bool { return x.ID == y.ID && x.RowHeader == y.RowHeader }) {
					t.Fatalf("after file %d: %d rows, want %d", i, len(a), len(b))
				}
				if draw.IntN(3) == 0 {
					at := draw.IntN(len(a) + len(markers))
					knows.rows.Lose(subject, at)
					reads.rows.Lose(subject, at)
				}
			}
		})
	}
	if known == 0 {
		t.Error("no file was known again")
	}
}

func TestBasis(t *testing.T) {
	b := basis{readAs: strings.Repeat("0a", 16), rows: 3, messages: 5, text: "0b"}
	if got, ok := parseBasis(b.String()); !ok || got != b {
		t.Errorf("%s is %+v, %t", b, got, ok)
	}
	for _, text := range []string{"", "..", b.String() + ".", strings.TrimSuffix(b.String(), ".0b"), b.readAs + ".3..0b", b.readAs + ".3.05.0b", "0a.3.5.0b", b.readAs + ".x.5.0b"} {
		if got, ok := parseBasis(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
