package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestChangedBack: a row that is changed and is then what it was before is
// published a third time, under an id of its own, also when a crash comes between.
func TestChangedBack(t *testing.T) {
	a, b := exportertest.CallRow(5, 60), exportertest.CallRow(5, 99)
	rest := exportertest.CallRows(6, 2500)
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(a+rest))), 1))
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(b+rest))), 1))
	f := s.ready(3, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallRow(1, 60)+a+rest)))
	repair := loseAnswer(s, s.rows.Batches+1)
	if err := s.export(f, 1); err == nil {
		t.Fatal("the export did not break off")
	}
	repair()
	s.restart()
	exportertest.Check(t, s.export(f, 2))
	rows, markers := s.stored()
	if err := once(rows); err != nil {
		t.Error(err)
	}
	first, last := rows[0], rows[len(rows)-1]
	if m := marker(t, markers[2]); len(rows) != 2498 || m.Rows != 2496 || m.Added != 2 || m.Revised != 1 {
		t.Errorf("%d rows, marker %+v", len(rows), m)
	}
	if last.ID != first.ID+".3" || last.RowHeader.Key != first.RowHeader.Key || last.RowHeader.Revision != 3 || !strings.Contains(string(last.Body), `"id":"`+last.ID+`"`) {
		t.Errorf("the last row is %s, revision %d: %s", last.ID, last.RowHeader.Revision, last.Body)
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.Rows != len(rows) {
		t.Errorf("the window has %d rows", e.Rows)
	}
}

// TestSharedKey: of rows that share a natural key all are of its newest revision, those
// that stay as they are as well; and identical rows of which one goes are no rows that change
// to and fro.
func TestSharedKey(t *testing.T) {
	x, y, y2 := exportertest.CallRow(5, 60), exportertest.CallRow(5, 61), exportertest.CallRow(5, 62)
	for name, tt := range map[string]struct {
		extracts []string
		added    string // by each extract
		newest   string // the lengths of the calls of the rows of the newest revision
	}{
		"two rows of one key, one changes":   {[]string{x + y, x + y2, x + y2, x + y2}, "[2 2 0 0]", "60 62"},
		"the first of them":                  {[]string{y + x, y2 + x, y2 + x}, "[2 2 0]", "60 62"},
		"two rows of one key, unchanged":     {[]string{x + y, y + x, x + y}, "[2 0 0]", "60 61"},
		"a second row of a key":              {[]string{x, x + y, y + x}, "[1 2 0]", "60 61"},
		"one changes and back":               {[]string{x + y, x + y2, x + y}, "[2 2 2]", "60 61"},
		"one goes, another changes":          {[]string{x + y, y2}, "[2 1]", "62"},
		"one of two identical rows goes":     {[]string{x, x + x, x, x + x, x}, "[1 2 0 0 0]", "60 60"},
		"two identical rows change and back": {[]string{x + x, y + y, x + x}, "[2 2 2]", "60 60"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			var added []int
			for i, text := range tt.extracts {
				exportertest.Check(t, s.export(s.ready(i+1, exportertest.ZipOf(t, exportertest.CSVMember(text))), 1))
				_, markers := s.stored()
				added = append(added, marker(t, markers[i]).Added)
			}
			rows, _ := s.stored()
			if err := once(rows); err != nil || fmt.Sprint(added) != tt.added {
				t.Errorf("added %v, want %s, %v", added, tt.added, err)
			}
			if got := newestCalls(t, rows); got != tt.newest {
				t.Errorf("the newest revision has calls of %s s, want %s", got, tt.newest)
			}
		})
	}
}

// newestCalls are how long the calls of the highest revision were, in order.
func newestCalls(t *testing.T, rows []exportertest.Row) string {
	t.Helper()
	newest, lengths := 0, []string{}
	for _, m := range rows {
		h := m.RowHeader
		if h.Revision > newest {
			newest, lengths = h.Revision, nil
		}
		if h.Revision == newest {
			var row struct {
				Talk json.Number `json:"talk_s"`
			}
			exportertest.Unmarshal(t, m.Body, &row)
			lengths = append(lengths, row.Talk.String())
		}
	}
	slices.Sort(lengths)
	return strings.Join(lengths, " ")
}

// TestSiblingsAreResumed: a crash amid the rows that go along with a revision neither doubles
// nor leaves out one.
func TestSiblingsAreResumed(t *testing.T) {
	var many, changed strings.Builder // three rows of each key
	for i := range 1500 {
		for _, s := range []int{60, 61, 62} {
			many.WriteString(exportertest.CallRow(i, s))
			changed.WriteString(exportertest.CallRow(i, s+s/62))
		}
	}
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(many.String()))), 1))
	f := s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(changed.String())))
	repair := loseAnswer(s, s.rows.Batches+3) // 1,500 changed ones, then their siblings
	if err := s.export(f, 1); err == nil {
		t.Fatal("the export did not break off")
	}
	repair()
	s.restart()
	exportertest.Check(t, s.export(f, 2))
	rows, markers := s.stored()
	if err := once(rows); err != nil {
		t.Error(err)
	}
	revisions := map[string]int{}
	for _, m := range rows[4500:] {
		if h := m.RowHeader; h.Revision == 2 {
			revisions[h.Key]++
		}
	}
	if m := marker(t, markers[1]); len(rows) != 9000 || len(revisions) != 1500 || m.Rows != 4500 || m.Revised != 4500 {
		t.Errorf("%d rows, %d keys, marker %+v", len(rows), len(revisions), m)
	}
	for key, n := range revisions {
		if n != 3 {
			t.Errorf("%s has %d rows of revision 2", key, n)
		}
	}
}

// TestOversizedRow: a row that the bus does not take is a dead letter, its bytes
// are in quarantine, and all other rows of its file go out.
func TestOversizedRow(t *testing.T) {
	s := newShop(t)
	s.rows.MaxBytes = 80 << 10
	large := strings.Replace(rowTwo, "企业", "x"+strings.Repeat("\x01", 60<<10)+"x", 1) // six characters each in JSON
	f := s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 1500)+large+exportertest.CallRows(1500, 2000))))
	exportertest.Check(t, s.export(f, 1))
	rows, markers := s.stored()
	m := marker(t, markers[0])
	if len(rows) != 2000 || m.Rows != 2000 || m.Rejected != 1 || m.Files[0].Rows != m.Rows+m.Rejected {
		t.Errorf("%d rows, marker %+v", len(rows), m)
	}
	letters := s.pub.Of(schemas.TypeDeadLetter)
	if len(letters) != 1 || !strings.HasSuffix(letters[0].Subject, ".oversized") {
		t.Fatalf("%d dead letters", len(letters))
	}
	var d schemas.DeadLetter
	exportertest.Unmarshal(t, letters[0].Body, &d)
	name := fmt.Sprintf("%s/%s/%s/1502.json", exportertest.Acme, f.FileName, exportertest.CallName)
	if kept := s.quarantine.Objects[name]; d.Object != "AICC_QUARANTINE/"+name || !bytes.Contains(kept, []byte("1767225600-2")) || len(d.Original) != 0 {
		t.Errorf("dead letter %+v, %d bytes in quarantine", d, len(kept))
	}
	// Extracted again it is no row that is there, and a dead letter once more.
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+large))), 1))
	if _, markers := s.stored(); marker(t, markers[1]).Rejected != 1 || exportertest.Entry(t, s.ledger, exportertest.Hour(0)).Rows != 2000 {
		t.Errorf("extracted again: %+v", marker(t, markers[1]))
	}
}

// TestOversizedByItsRevision: a row that just fitted is changed and changed back,
// and its longer id is more than the bus takes. It is a dead letter; the window
// does not wait for it for ever.
func TestOversizedByItsRevision(t *testing.T) {
	a, b := exportertest.CallRow(5, 60), exportertest.CallRow(5, 99)
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(a))), 1))
	rows, _ := s.stored()
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(b))), 1))
	s.rows.MaxBytes = len(rows[0].Body)
	exportertest.Check(t, s.export(s.ready(3, exportertest.ZipOf(t, exportertest.CSVMember(a+exportertest.CallRow(1, 60)))), 1))
	rows, markers := s.stored()
	m := marker(t, markers[2])
	if len(rows) != 3 || m.Rows != 1 || m.Added != 1 || m.Rejected != 1 || m.Files[0].Rows != m.Rows+m.Rejected {
		t.Errorf("%d rows, marker %+v", len(rows), m)
	}
	if n := len(s.pub.Of(schemas.TypeDeadLetter)); n != 1 || exportertest.Entry(t, s.ledger, exportertest.Hour(0)).Rows != len(rows) {
		t.Errorf("%d dead letters, the window has %d rows", n, exportertest.Entry(t, s.ledger, exportertest.Hour(0)).Rows)
	}
}

// TestBatchesAreBounded: large rows do not make large batches.
func TestBatchesAreBounded(t *testing.T) {
	s := newShop(t)
	var text strings.Builder
	for i := range 140 {
		text.WriteString(strings.Replace(exportertest.CallRow(i, 60), "ten", strings.Repeat("t", 60<<10), 1))
	}
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.Packed{Name: exportertest.CallName, Data: text.String(), Store: true})), 1))
	if rows, _ := s.stored(); len(rows) != 140 || s.rows.Batches != 2 {
		t.Errorf("%d rows in %d batches", len(rows), s.rows.Batches)
	}
}

func TestIdenticalRowsKeepTheirOrdinals(t *testing.T) {
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(rowOne+rowTwo+rowOne))), 1))
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(rowOne+rowOne+rowOne+rowTwo))), 1))
	rows, markers := s.stored()
	if m := marker(t, markers[1]); len(rows) != 6 || m.Added != 3 || m.Revised != 3 {
		t.Fatalf("%d rows, marker %+v", len(rows), m)
	}
	hash, _, _ := strings.Cut(rows[0].ID, "-")
	for i, want := range map[int]string{2: "-2", 3: "-3", 4: "-1.2", 5: "-2.2"} {
		if rows[i].ID != hash+want {
			t.Errorf("id %d is %s, want %s%s", i, rows[i].ID, hash, want)
		}
	}
}
