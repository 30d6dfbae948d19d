package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// editionFile is a file of two calls as an edition of the platform writes it. order nil is
// the documented order without a header line; cells are changed in the second call.
func editionFile(t *testing.T, width int, header, turned bool, changes map[int]string) []byte {
	names, table := []string{}, [][]string{}
	for _, c := range rows.Columns(schemas.KindCDR) {
		names = append(names, c.Name)
	}
	for i := range 2 {
		cells := strings.Split(strings.TrimSpace(exportertest.CallRow(i, 60)), ",")
		cells = append(cells, "12", "12", "queue 12", "15", "", fmt.Sprint("agent ", i), "5", "0")
		if i == 1 {
			for place, text := range changes {
				cells[place] = text
			}
		}
		table = append(table, cells)
	}
	if header {
		table = append([][]string{names}, table...)
	}
	var b strings.Builder
	for _, line := range table {
		line = slices.Clone(line[:width])
		if turned {
			slices.Reverse(line)
		}
		b.WriteString(strings.Join(line, ",") + "\n")
	}
	return exportertest.ZipOf(t, exportertest.CSVMember(b.String()))
}

// TestOtherEditions: the platform was upgraded, or taken back, between two extracts of a
// window. Nothing is published anew.
func TestOtherEditions(t *testing.T) {
	widths := []int{18, 21, 23, 29}
	for _, from := range widths {
		s := newShop(t)
		exportertest.Check(t, s.export(s.ready(1, editionFile(t, from, from != 21, from == 23, nil)), 1))
		id := 1
		for _, to := range widths {
			for _, form := range [][2]bool{{false, false}, {true, false}, {true, true}} {
				id++
				exportertest.Check(t, s.export(s.ready(id, editionFile(t, to, form[0], form[1], nil)), 1))
				stored, markers := s.stored()
				if m := marker(t, markers[len(markers)-1]); len(stored) != 2 || m.Rows != 2 || m.Added != 0 {
					t.Errorf("%d columns, then %d (header %t, turned %t): %d rows, marker %+v", from, to, form[0], form[1], len(stored), m)
				}
			}
		}
	}
}

// TestCorrectedInALaterColumn: a cell that ids leave out is corrected. The row is published
// as its next revision, once, and once more when it is changed back.
func TestCorrectedInALaterColumn(t *testing.T) {
	const leaveReason = 24
	s := newShop(t)
	for i, changes := range []map[int]string{nil, {leaveReason: "16"}, {leaveReason: "16"}, nil, nil} {
		exportertest.Check(t, s.export(s.ready(i+1, editionFile(t, 29, i%2 == 0, i == 2, changes)), 1))
	}
	stored, markers := s.stored()
	var ids []string
	for _, r := range stored {
		ids = append(ids, strings.TrimPrefix(r.ID, stored[1].ID))
	}
	if want := []string{stored[0].ID, "", ".2", ".3"}; !slices.Equal(ids, want) {
		t.Errorf("rows %q, want %q", ids, want)
	}
	for i, want := range []int{0, 1, 0, 1, 0} {
		if m := marker(t, markers[i]); m.Revised != want || m.Rows != 2 {
			t.Errorf("extract %d: marker %+v, want %d revised", i+1, m, want)
		}
	}
	if !strings.Contains(string(stored[2].Body), `"leave_reason":16`) || !strings.Contains(string(stored[2].Body), `"revision":2`) {
		t.Errorf("the revision is %s", stored[2].Body)
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.Rows != len(stored) {
		t.Errorf("the window has %d rows", e.Rows)
	}
}

// TestEditionBySetting: the setting says which cells are columns where no header line does,
// and so what is unlike it. It changes no row: nothing is published anew.
func TestEditionBySetting(t *testing.T) {
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, editionFile(t, 29, false, false, nil)), 1))
	s.edition(21)
	exportertest.Check(t, s.export(s.ready(2, editionFile(t, 29, false, false, nil)), 1))
	exportertest.Check(t, s.export(s.ready(3, editionFile(t, 29, false, false, map[int]string{24: "16"})), 1))
	exportertest.Check(t, s.export(s.ready(4, editionFile(t, 29, true, false, map[int]string{24: "16"})), 1))
	stored, markers := s.stored()
	for i, want := range []int{2, 0, 1, 0} {
		if m := marker(t, markers[i]); m.Added != want || m.Rows != 2 {
			t.Errorf("extract %d: marker %+v, want %d added", i+1, m, want)
		}
	}
	if body := string(stored[len(stored)-1].Body); strings.Contains(body, `"leave_reason"`) || !strings.Contains(body, `"extra":{"col22":"12"`) {
		t.Errorf("the row is %s", body)
	}
	if d := s.drifts(); len(d) != 1 || d[0].Cells != 29 || d[0].Edition != 21 {
		t.Errorf("drifts %+v", d)
	}
}

func (s *shop) edition(columns int) {
	tenant := s.options.Tenants[exportertest.Acme]
	tenant.Edition = columns
	s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
	s.restart()
}
