package truthcheck

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
)

func counters(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fileCase changes a good scene; the reports are what is added to its counters.
type fileCase struct {
	name   string
	change func(*scene)
	files  FileReport
	rows   RowReport
	ok     bool
}

const cdr = schemas.KindCDR

var fileCases = []fileCase{
	{"nothing", func(*scene) {}, FileReport{}, RowReport{}, true},
	{"not finished", func(s *scene) {
		s.ready(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
	}, FileReport{Made: 1, Unfinished: 1}, RowReport{}, false},
	{"nobody heard of it", func(s *scene) {
		s.file(cdr, 2)
	}, FileReport{Made: 1, Unfinished: 1}, RowReport{}, false},
	{"marker missing", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.ready(f)
		s.publish(f, cdr, f.Rows...)
	}, FileReport{Made: 1, Unfinished: 1}, RowReport{InFiles: 2, InStream: 2}, false},
	{"superseded", func(s *scene) {
		s.ready(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 13)...))
	}, FileReport{Made: 2, Accepted: 1, Superseded: 1}, RowReport{InFiles: 3, InStream: 3}, true},
	// A row of the first file was published before the worker stopped; it was
	// corrected before the second file.
	{"superseded in the middle", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.ready(f)
		s.publish(f, cdr, f.Rows[0])
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 11, 13)...))
	}, FileReport{Made: 2, Accepted: 1, Superseded: 1}, RowReport{InFiles: 3, InStream: 3}, true},
	{"the later sweep not finished", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.ready(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Unfinished: 1}, RowReport{InFiles: 2, InStream: 2}, false},
	{"superseded by another window's", func(s *scene) {
		s.ready(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.accept(s.file(cdr, 3, s.manyRows(cdr, 10, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Unfinished: 1}, RowReport{InFiles: 2, InStream: 2}, false},
	{"superseded by another kind's", func(s *scene) {
		s.ready(s.file(cdr, 2))
		s.accept(s.file(schemas.KindRecording, 2))
	}, FileReport{Made: 2, Accepted: 1, Unfinished: 1}, RowReport{}, false},
	// The answer to the first request was lost and its file came out last.
	{"an orphan", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
	}, FileReport{Made: 2, Accepted: 1, Superseded: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"an orphan with a row of its own", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.file(cdr, 2, s.manyRows(cdr, 10, 13)...)
	}, FileReport{Made: 2, Accepted: 1, Unfinished: 1}, RowReport{InFiles: 2, InStream: 2}, false},
	{"a dead-lettered orphan", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.letter(schemas.ReasonUnknownResponse, "notice."+f.ResponseID, nil)
	}, FileReport{Made: 2, Accepted: 1, Failed: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"failed", func(s *scene) {
		s.fail(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...), schemas.ReasonDamagedZip)
	}, FileReport{Made: 1, Failed: 1, FailedWindows: 1}, RowReport{}, false},
	{"failed and made good", func(s *scene) {
		s.fail(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...), schemas.ReasonDamagedZip)
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Failed: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"made good before it failed", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.fail(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...), schemas.ReasonDamagedZip)
	}, FileReport{Made: 2, Accepted: 1, Failed: 1, FailedWindows: 1}, RowReport{InFiles: 2, InStream: 2}, false},
	{"a row of a damaged file", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.publish(f, cdr, f.Rows[0])
		s.fail(f, schemas.ReasonDamagedZip)
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 11, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Failed: 1}, RowReport{InFiles: 1, InStream: 2, Foreign: 1}, false},
	{"a row of a damaged file that a sound one has too", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.publish(f, cdr, f.Rows[0])
		s.fail(f, schemas.ReasonDamagedZip)
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Failed: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"a row of a file that the truth knows as damaged", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.truth.Files[len(s.truth.Files)-1].Damaged = "file.crlf+file.truncated"
		s.ready(f)
		s.publish(f, cdr, f.Rows[0])
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 11, 12)...))
	}, FileReport{Made: 2, Accepted: 1, Superseded: 1}, RowReport{InFiles: 1, InStream: 2, Foreign: 1}, false},
	{"a damaged file accepted", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.truth.Files[len(s.truth.Files)-1].Damaged = "file.flipped"
		s.accept(f)
	}, FileReport{Made: 1, Unsound: 1}, RowReport{InStream: 2, Foreign: 2}, false},
	{"a file with a harmless fault", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.truth.Files[len(s.truth.Files)-1].Damaged = "file.crlf+file.gbk"
		s.accept(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"a marker of no file", func(s *scene) {
		f := s.file(cdr, 2)
		s.accept(f)
		s.truth.Files = s.truth.Files[:len(s.truth.Files)-1]
	}, FileReport{Unknown: 1}, RowReport{}, false},
	{"a second marker", func(s *scene) {
		f := s.file(cdr, 2)
		s.accept(f)
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1, RepeatedMarks: 1}, RowReport{}, false},
	{"the wrong window", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		f.window.To = f.window.To.Add(time.Second) // as if the end were not inclusive
		s.accept(f)
	}, FileReport{Made: 1, Accepted: 1, WrongWindow: 1}, RowReport{InFiles: 2, InStream: 2}, false},

	{"marker before its last row", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		n := len(s.rows)
		s.rows[n-1], s.rows[n-2] = s.rows[n-2], s.rows[n-1]
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 2, AfterMarker: 1}, false},
	{"row missing", func(s *scene) {
		s.accept(s.file(cdr, 2, s.manyRows(cdr, 10, 12)...))
		s.rows = slices.Delete(s.rows, len(s.rows)-2, len(s.rows)-1)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 1, Missing: 1}, false},
	{"all rows of a window missing", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.ready(f)
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, Missing: 2}, false},
	{"row twice", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.publish(f, cdr, f.Rows[0])
		clear(s.ids)
		s.accept(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 3, Duplicates: 1}, false},
	{"row of another window", func(s *scene) {
		f := s.file(cdr, 2, s.manyRows(cdr, 10, 12)...)
		s.publish(f, cdr, s.row(cdr, 3))
		s.accept(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 3, Foreign: 1}, false},
	{"rows where nothing was asked", func(s *scene) {
		f := s.file(cdr, 2)
		s.publish(f, cdr, s.row(cdr, 3))
		s.rows[len(s.rows)-1].Header[schemas.HeaderRow] = nil
		s.truth.Files = s.truth.Files[:len(s.truth.Files)-1]
	}, FileReport{}, RowReport{InStream: 1, Foreign: 1}, false},
	{"a cell changed", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10))
		s.accept(f)
		m := &s.rows[len(s.rows)-2]
		m.Body = []byte(strings.Replace(string(m.Body), `"device_no":"007"`, `"device_no":"7"`, 1))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1, Missing: 1, Foreign: 1}, false},
	{"a wrong offset", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10))
		s.accept(f)
		m := &s.rows[len(s.rows)-2]
		m.Body = []byte(strings.ReplaceAll(string(m.Body), `-05:00"`, `Z"`))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1, Missing: 1, Foreign: 1}, false},
	{"a row of the wrong type", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10))
		s.accept(f)
		s.rows[len(s.rows)-2].Header["ce-type"] = []string{"aicc.v1.row.skill"}
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, Missing: 1}, false},
	{"equal rows", func(s *scene) {
		s.accept(s.file(cdr, 2, s.row(cdr, 10), s.row(cdr, 10)))
		s.accept(s.file(cdr, 2, s.row(cdr, 10), s.row(cdr, 10), s.row(cdr, 10))) // the larger number counts
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 3, InStream: 3}, true},
	{"equal rows swallowed", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10), s.row(cdr, 10))
		s.ready(f)
		s.publish(f, cdr, f.Rows[0])
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 1, Missing: 1}, false},
	{"a corrected row", func(s *scene) {
		s.accept(s.file(cdr, 2, s.row(cdr, 10)))
		corrected := s.row(cdr, 10)
		corrected.Cells[slices.Index(world.Columns[world.Call], "release_cause")] = "0"
		s.accept(s.file(cdr, 2, corrected))
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 2, InStream: 2}, true},
	{"both kinds in a file", func(s *scene) {
		s.accept(s.file(cdr, 2, s.row(cdr, 10), s.row(schemas.KindRecording, 10)))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"extra cells", func(s *scene) {
		r := s.row(cdr, 10)
		r.Cells = append(r.Cells, "two", "", "one")
		s.accept(s.file(cdr, 2, r))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1}, true},
	{"extra cells in another order, under other names", func(s *scene) {
		r := s.row(cdr, 10)
		r.Cells = append(r.Cells, "two", "one")
		s.accept(s.file(cdr, 2, r))
		m := &s.rows[len(s.rows)-2]
		m.Body = []byte(strings.Replace(string(m.Body), `"col30":"two","col31":"one"`, `"a":"one","b":"two"`, 1))
		if !strings.Contains(string(m.Body), `"a":"one"`) {
			s.t.Fatalf("no such cells: %s", m.Body)
		}
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1}, true},
	{"extra cells changed", func(s *scene) {
		r := s.row(cdr, 10)
		f := s.file(cdr, 2, r)
		s.truth.Files[len(s.truth.Files)-1].Rows[0].Cells = append(slices.Clone(r.Cells), "one")
		s.accept(f)
		s.rows[len(s.rows)-2].Body = []byte(strings.Replace(string(s.rows[len(s.rows)-2].Body), `"one"`, `"two"`, 1))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1, Missing: 1, Foreign: 1}, false},
	{"files that grow and shrink", func(s *scene) {
		regrown(s, 21, 29)
		regrown(s, 29, 18)
	}, FileReport{Made: 4, Accepted: 4}, RowReport{InFiles: 2, InStream: 2}, true},
	{"a file that lacks its last columns, and then has them", func(s *scene) {
		regrown(s, 29-lacking, 29)
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 1, InStream: 1}, true},
	{"files that grow, and a cell that changed", func(s *scene) {
		regrown(s, 21, 29, "pre_device_no")
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 2, InStream: 1, Missing: 1}, false},
	{"a cell of a late column that changed", func(s *scene) {
		regrown(s, 29, 29, "leave_reason")
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 2, InStream: 1, Missing: 1}, false},
	{"a time that is none", func(s *scene) {
		r := s.row(cdr, 10)
		r.Cells[slices.Index(world.Columns[world.Call], "ack_end")] = "soon"
		s.accept(s.file(cdr, 2, r))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1}, true},
	{"padded cells", func(s *scene) {
		r := s.row(cdr, 10)
		for i := range r.Cells {
			r.Cells[i] = " " + r.Cells[i] + " \t"
		}
		s.accept(s.file(cdr, 2, r))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1}, true},
	{"times that occur twice and never", func(s *scene) {
		begin := slices.Index(world.Columns[world.Call], "call_begin")
		twice, never := s.row(cdr, 10), s.row(cdr, 11)
		twice.Cells[begin], never.Cells[begin] = "2026-11-01 01:30:00", "2026-03-08 02:30:00"
		s.accept(s.file(cdr, 2, twice, never))
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 2}, true},
	{"a row changed and changed back", func(s *scene) {
		changeBack(s)
	}, FileReport{Made: 3, Accepted: 3}, RowReport{InFiles: 2, InStream: 2, ChangedBack: 1}, true},
	{"changed back twice under one id", func(s *scene) {
		f, a := changeBack(s)
		s.revise(f, a, 3, true)
	}, FileReport{Made: 3, Accepted: 3}, RowReport{InFiles: 2, InStream: 3, Duplicates: 1, ChangedBack: 1, AfterMarker: 1}, false},
	{"changed back, but not changed before", func(s *scene) {
		f, a := changeBack(s)
		s.revise(f, a, 4, true)
	}, FileReport{Made: 3, Accepted: 3}, RowReport{InFiles: 2, InStream: 3, Duplicates: 1, ChangedBack: 1, AfterMarker: 1}, false},
	{"a row beside another of its key that changed", func(s *scene) {
		siblings(s)
	}, FileReport{Made: 2, Accepted: 2}, RowReport{InFiles: 3, InStream: 3, ChangedBack: 1}, true},
	{"a row beside another of its key, none of which changed", func(s *scene) {
		x, y := siblings(s)
		f := s.file(cdr, 2, x, y)
		s.ready(f)
		s.revise(f, x, 3, true)
		s.mark(f)
	}, FileReport{Made: 3, Accepted: 3}, RowReport{InFiles: 3, InStream: 4, Duplicates: 1, ChangedBack: 1}, false},
	{"changed back to what it never was", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10))
		s.ready(f)
		s.revise(f, f.Rows[0], 1, false)
		s.revise(f, s.row(cdr, 11), 2, true)
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 2, Foreign: 1}, false},
	{"a row without identity", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10), nameless(s))
		s.ready(f)
		s.publish(f, cdr, f.Rows[0])
		s.letter(schemas.ReasonRowIdentity, "row."+f.ResponseID+".a.csv.2", f.Rows[1].Cells)
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 1, InStream: 1, Rejected: 1}, true},
	{"a row without identity vanished", func(s *scene) {
		f := s.file(cdr, 2, s.row(cdr, 10), nameless(s))
		s.ready(f)
		s.publish(f, cdr, f.Rows[0])
		s.mark(f)
	}, FileReport{Made: 1, Accepted: 1}, RowReport{InFiles: 2, InStream: 1, Missing: 1}, false},
}

// siblings has two rows of one natural key extracted twice. The second has changed then, so both
// come again.
func siblings(s *scene) (first, second world.Row) {
	agent := slices.Index(world.Columns[world.Call], "agent_id")
	first, before, second := s.row(cdr, 10), s.row(cdr, 10), s.row(cdr, 10)
	before.Cells[agent], second.Cells[agent] = "901", "902"
	f := s.file(cdr, 2, first, before)
	s.ready(f)
	s.revise(f, first, 1, false)
	s.revise(f, before, 1, false)
	s.mark(f)
	f = s.file(cdr, 2, first, second)
	s.ready(f)
	s.revise(f, second, 2, false)
	s.revise(f, first, 2, true)
	s.mark(f)
	return first, second
}

// changeBack publishes a row, the row changed, and the row as it was at first.
func changeBack(s *scene) (last made, as world.Row) {
	a, b := s.row(cdr, 10), s.row(cdr, 10)
	b.Cells[slices.Index(world.Columns[world.Call], "release_cause")] = "7"
	for i, row := range []world.Row{a, b, a} {
		last = s.file(cdr, 2, row)
		s.ready(last)
		s.revise(last, row, i+1, i == 2)
		s.mark(last)
	}
	return last, a
}

// regrown publishes a row as an edition has it, and accepts a second file with the row as
// another one has it, of which nothing is published, whatever changed.
func regrown(s *scene, first, second int, changed ...string) {
	n := len(s.truth.Files)
	r := s.row(cdr, n)
	s.accept(s.file(cdr, 2, cut(r, first)))
	for _, name := range changed {
		r.Cells[slices.Index(world.Columns[world.Call], name)] = "4711"
	}
	f := s.file(cdr, 2, cut(r, second))
	s.ready(f)
	s.mark(f)
}

// cut is a row as an edition with so many columns has it.
func cut(r world.Row, columns int) world.Row {
	r.Cells = slices.Clone(r.Cells)
	clear(r.Cells[columns:])
	return r
}

// nameless is a row with neither id nor call id.
func nameless(s *scene) world.Row {
	r := s.row(cdr, 11)
	r.Cells[slices.Index(world.Columns[world.Call], "call_id")] = ""
	return r
}

func TestFiles(t *testing.T) {
	for _, c := range fileCases {
		t.Run(c.name, func(t *testing.T) {
			s := good(t)
			before := s.report()
			c.change(s)
			r := s.report()
			c.files.Made += before.Files.Made
			c.files.Accepted += before.Files.Accepted
			c.rows.InFiles += before.Rows.InFiles
			c.rows.InStream += before.Rows.InStream
			r.Rows.ByKind = nil
			if got, want := counters(t, r.Files), counters(t, c.files); got != want {
				t.Errorf("files %s\n want %s", got, want)
			}
			if got, want := counters(t, r.Rows), counters(t, c.rows); got != want {
				t.Errorf("rows %s\nwant %s", got, want)
			}
			if r.OK != c.ok {
				t.Errorf("ok %v, want %v\n%s", r.OK, c.ok, strings.Join(r.Problems, "\n"))
			}
			f := r.Files
			if f.Made != f.Accepted+f.Failed+f.Superseded+f.Unfinished+f.Unsound {
				t.Errorf("made is not the sum of its parts: %+v", f)
			}
		})
	}
}

// TestInstantsAreCompared: a file that is not written in the tenant's zone must have been
// read in its own, on the night on which the clocks change too.
func TestInstantsAreCompared(t *testing.T) {
	night := time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC) // New York has this hour once more
	for read, missing := range map[string]int{"": 60, "America/New_York": 60, "UTC": 0} {
		s := newScene(t)
		s.read = nil
		if read != "" {
			zone, err := time.LoadLocation(read)
			if err != nil {
				t.Fatal(err)
			}
			s.read = zone
		}
		var all []world.Row
		for i := range 60 {
			r := s.row(schemas.KindOperation, i)
			at := night.Add(time.Duration(i) * 2 * time.Minute)
			r.Cells[7], r.Cells[8] = at.Format(world.TimeLayout), at.Add(time.Minute).Format(world.TimeLayout)
			all = append(all, r)
		}
		f := s.file(schemas.KindOperation, 0, all...)
		s.truth.Files[len(s.truth.Files)-1].Zone = "UTC"
		s.accept(f)
		report := s.report()
		if report.OK != (missing == 0) || report.Rows.Missing != missing || report.Rows.Foreign != missing {
			t.Errorf("read in %q: %+v", read, report.Rows)
		}
	}
}
