package filestore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/filestore/archive"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// generate makes the file of an extraction from what is known now, shelves it
// and records it. Faults of the CSV form, and lasting damage, wait for a file
// with rows.
func (s *Store) generate(x *extraction) {
	now := s.o.Now()
	kinds := x.kinds
	both := x.op.family == bills && s.faults.hit(func(f *Faults) *Chance { return &f.CSV.BothKinds })
	if both {
		kinds = dataKinds["call_record"]
	}
	sheets, total := s.sheets(x, kinds, now)
	f := &file{family: x.op.family, madeAt: now}
	how, harm := drawn{}, ""
	if total > 0 {
		how, harm = s.faults.all(perFile), s.faults.first(perStoredFile)
	} else {
		f.empty = s.faults.first(perEmptyFile)
	}
	if how.has(gbk) || how.has(gb18030) {
		s.speakChinese(sheets, how.has(gb18030))
	}
	for i := range sheets {
		s.shape(&sheets[i], how)
	}
	data, err := archive.Build(now.In(s.o.Timezone), s.members(sheets, how, f.empty, now))
	if err == nil && harm != "" {
		data, err = spoil(data, harm)
	}
	if err != nil { // memory does not fail to be written
		s.o.Logger.Error().Err(err).Str("file", x.name).Msg("file not built")
		return
	}
	f.data = data
	x.file = f
	s.shelf.put(x.name, f, now, s.o.Expiry)
	s.record(x, sheets, damageName(how, both, harm, f.empty), now)
}

func damageName(how drawn, both bool, others ...string) string {
	if both {
		how = append(how, bothKinds)
	}
	for _, o := range others {
		if o != "" {
			how = append(how, o)
		}
	}
	return how.String()
}

func (s *Store) record(x *extraction, sheets []sheet, faults string, now time.Time) {
	f := truth.File{
		ResponseID: x.responseID, Name: x.name, Operation: x.op.name,
		AccountID: x.msg["accountId"].value,
		BeginText: x.begin, EndText: x.end, MadeAt: now, Damaged: faults,
	}
	f.Begin, f.End = s.span(x)
	for _, sh := range sheets {
		for _, r := range sh.rows {
			f.Rows = append(f.Rows, r.Row)
		}
	}
	s.o.Truth.File(f)
	s.o.Logger.Debug().Str("file", x.name).Int("rows", len(f.Rows)).Str("fault", faults).Msg("file generated")
}

// span are the instants of the window's ends; a wall clock that a clock change
// repeats or skips is resolved as package time does.
func (s *Store) span(x *extraction) (begin, end time.Time) {
	begin, _ = time.ParseInLocation(layout, x.begin, s.o.Timezone) // validated
	end, _ = time.ParseInLocation(layout, x.end, s.o.Timezone)
	return begin, end
}

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
func (s *Store) sheets(x *extraction, kinds []world.Kind, now time.Time) ([]sheet, int) {
	s.invent(x, kinds[0], now)
	out, total := make([]sheet, 0, len(kinds)), 0
	for _, k := range kinds {
		rows := s.ledger.adjust(k, s.selectRows(x, k, now), s.faults)
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
func (s *Store) selectRows(x *extraction, kind world.Kind, now time.Time) []world.Row {
	begin, end := s.span(x)
	rows := slices.Clone(s.o.Source.Rows(kind, begin.Add(-clockMargin), end.Add(clockMargin), now))
	rows = append(rows, s.ledger.inventedRows(kind)...)
	header := world.Columns[kind]
	rows = slices.DeleteFunc(rows, func(r world.Row) bool {
		wall := r.At.In(s.o.Timezone).Format(layout)
		if wall < x.begin || wall > x.end || r.Known.After(now) {
			return true
		}
		for column, want := range x.filters {
			if i := slices.Index(header, column); i >= 0 && i < len(r.Cells) && r.Cells[i] != want {
				return true
			}
		}
		return false
	})
	slices.SortStableFunc(rows, func(a, b world.Row) int { return a.At.Compare(b.At) })
	return rows
}

// shape adds, drops and reorders columns.
func (s *Store) shape(sh *sheet, how drawn) {
	count := cmp.Or(s.faults.get().CSV.Columns, 2)
	documented := len(sh.header)
	if how.has(missingColumns) {
		keep := max(documented-count, 1)
		sh.columns = sh.columns[:keep]
		for i := range sh.rows {
			clear(sh.rows[i].Cells[keep:])
		}
	}
	if how.has(extraColumns) {
		for n := range count {
			sh.header = append(sh.header, "extra_"+strconv.Itoa(n+1))
			sh.columns = append(sh.columns, documented+n)
			for i := range sh.rows {
				sh.rows[i].Cells = append(sh.rows[i].Cells, strconv.Itoa(n+1))
			}
		}
	}
	if how.has(reordered) && !how.has(noHeader) {
		slices.Reverse(sh.columns)
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
func (s *Store) speakChinese(sheets []sheet, rare bool) {
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
				s.ledger.keep(*r)
				found = true
			case r.Cells[c] == want:
				found = true
			}
		}
	}
	if first != nil && !found {
		first.Cells[slices.Index(world.Columns[first.Kind], chinese[first.Kind])] = want
		s.ledger.keep(*first)
	}
}

func (s *Store) members(sheets []sheet, how drawn, empty string, now time.Time) []archive.Member {
	if empty == emptyZIP {
		return nil
	}
	d := archive.Dialect{
		NoHeader: how.has(noHeader), BOM: how.has(bom), CRLF: how.has(crlf),
		Padded: how.has(padded), Quoted: how.has(quoted),
	}
	switch {
	case how.has(gb18030):
		d.Encoding = simplifiedchinese.GB18030
	case how.has(gbk):
		d.Encoding = simplifiedchinese.GBK
	}
	parts := 1
	if how.has(split) {
		parts = max(cmp.Or(s.faults.get().CSV.Parts, 2), 1)
	}
	var out []archive.Member
	for _, sh := range sheets {
		for part := range parts {
			number := part + 1
			if parts == 1 {
				number = 0
			}
			m := archive.Member{Name: archive.MemberName(now.In(s.o.Timezone), s.faults.intn(1000), string(sh.kind), number)}
			if empty != emptyCSV {
				n := len(sh.rows)
				m.Write = sh.writer(d, sh.rows[n*part/parts:n*(part+1)/parts])
			}
			out = append(out, m)
		}
	}
	return out
}

func spoil(data []byte, how string) ([]byte, error) {
	switch how {
	case flipped:
		return archive.Flip(data)
	case truncated:
		return data[:len(data)/2], nil
	}
	return nil, fmt.Errorf("no damage is called %q", how)
}
