package content

import (
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/archive"
	"aiccbridge/internal/platformsim/world"
)

// sheet is the content of one kind. Cells of rows are in documented order,
// extras behind them, as the truth log wants them; columns tells what is
// written.
type sheet struct {
	kind    world.Kind
	header  []string
	rows    []row
	columns []int // indexes into header and cells, in file order
}

// sheets selects the rows of every kind and returns their number.
func (m *Maker) sheets(q Request, now time.Time) ([]sheet, int) {
	m.invent(q, now)
	out, total := make([]sheet, 0, len(q.Kinds)), 0
	for _, k := range q.Kinds {
		rows := m.adjust(q, k, m.selectRows(q, k, now))
		total += len(rows)
		header := slices.Clone(world.Columns[k])
		sh := sheet{kind: k, header: header, rows: rows, columns: make([]int, len(header))}
		for i := range sh.columns {
			sh.columns[i] = i
		}
		out = append(out, sh)
	}
	return out, total
}

// clockMargin widens the instants of a window, since one wall clock can be two
// instants; the wall clock then decides.
const clockMargin = 3 * time.Hour

// selectRows compares wall clocks as text, as a database of local times does.
func (m *Maker) selectRows(q Request, kind world.Kind, now time.Time) []world.Row {
	begin, end := m.Span(q)
	rows := slices.Clone(m.o.Source.Rows(kind, begin.Add(-clockMargin), end.Add(clockMargin), now))
	header := world.Columns[kind]
	for i := range rows {
		rows[i].Cells = m.placed(rows[i], slices.Index(header, "account_id"))
	}
	rows = append(rows, m.ledger.inventedRows(kind)...)
	rows = slices.DeleteFunc(rows, func(r world.Row) bool {
		wall := r.At.In(m.o.Timezone).Format(Layout)
		if wall < q.Begin || wall > q.End || r.Known.After(now) {
			return true
		}
		for column, want := range q.Filters {
			if i := slices.Index(header, column); i >= 0 && i < len(r.Cells) && r.Cells[i] != want {
				return true
			}
		}
		return false
	})
	slices.SortStableFunc(rows, func(a, b world.Row) int { return a.At.Compare(b.At) })
	return rows
}

// placed returns a row's cells with the tenant space of its agent; account is where that
// stands, -1 for nowhere.
func (m *Maker) placed(r world.Row, account int) []string {
	if len(m.o.Spaces) == 0 || account < 0 {
		return r.Cells
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, r.AgentID) // a hash does not fail
	space := int(h.Sum32()) % (len(m.o.Spaces) + 1)
	if space == 0 {
		return r.Cells
	}
	cells := slices.Clone(r.Cells)
	cells[account] = m.o.Spaces[space-1]
	return cells
}

// keep leaves out all but the first columns, in the truth log too.
func (sh *sheet) keep(n int) {
	sh.columns = sh.columns[:n]
	for i := range sh.rows {
		clear(sh.rows[i].Cells[n:])
	}
}

// shape adds, drops and reorders columns.
func (sh *sheet) shape(how fault.Hits, headless bool) {
	documented := len(sh.header)
	if how.Has(missingColumns) {
		sh.keep(max(len(sh.columns)-how.Get(missingColumns).Count, 1))
	}
	if how.Has(extraColumns) {
		for n := range how.Get(extraColumns).Count {
			sh.header = append(sh.header, "extra_"+strconv.Itoa(n+1))
			sh.columns = append(sh.columns, documented+n)
			for i := range sh.rows {
				sh.rows[i].Cells = append(sh.rows[i].Cells, strconv.Itoa(n+1))
			}
		}
	}
	if how.Has(reordered) && !headless {
		slices.Reverse(sh.columns)
	}
}

// toUTC writes the times anew, which are those of a zone.
func (sh *sheet) toUTC(from *time.Location) {
	for i, name := range sh.header {
		if name == world.UTCColumn {
			continue
		}
		for _, r := range sh.rows {
			if at, err := time.ParseInLocation(Layout, r.Cells[i], from); err == nil {
				r.Cells[i] = at.UTC().Format(Layout)
			}
		}
	}
}

// chinese is the column of each kind that can hold a word.
var chinese = map[world.Kind]string{
	world.Call: "pre_device_no", world.Record: "task_result",
	world.Operation: "service_no", world.SkillGrant: "skill_list",
}

// The words of speakChinese. The last character of the rare one needs four
// bytes in GB18030 and does not exist in GBK.
const (
	word     = "队列一"
	rareWord = "队列𠮷"
)

// speakChinese puts a word into one cell, unless a suitable one is there
// already: ASCII would be the same in every encoding.
func (m *Maker) speakChinese(sheets []sheet, rare bool) {
	want, first, found := word, (*row)(nil), false
	if rare {
		want = rareWord
	}
	for i := range sheets {
		c := slices.Index(sheets[i].header, chinese[sheets[i].kind])
		for j := range sheets[i].rows {
			r := &sheets[i].rows[j]
			if first == nil {
				first = r
			}
			switch {
			case r.Cells[c] == rareWord && !rare:
				r.Cells[c] = word
				m.ledger.keep(*r)
				found = true
			case r.Cells[c] == want:
				found = true
			}
		}
	}
	if first != nil && !found {
		first.Cells[slices.Index(world.Columns[first.Kind], chinese[first.Kind])] = want
		m.ledger.keep(*first)
	}
}

// writer writes some rows of the sheet, in file order of their columns; joined, as two
// tables one behind the other.
func (sh *sheet) writer(d archive.Dialect, rows []row, joined bool) func(io.Writer) error {
	return func(w io.Writer) error {
		header := make([]string, len(sh.columns))
		for i, c := range sh.columns {
			header[i] = sh.header[c]
		}
		records := make([][]string, len(rows))
		for i, r := range rows {
			records[i] = make([]string, len(sh.columns))
			for j, c := range sh.columns {
				records[i][j] = r.Cells[c]
			}
		}
		if half := len(records) / 2; joined {
			if err := d.Write(w, header, records[:half]); err != nil {
				return err
			}
			records = records[half:]
		}
		return d.Write(w, header, records)
	}
}
