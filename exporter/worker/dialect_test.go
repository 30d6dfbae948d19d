package worker

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		exportertest.Check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		exportertest.Check(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	exportertest.Check(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func gb18030(t testing.TB, text string) string {
	t.Helper()
	s, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	exportertest.Check(t, err)
	return s
}

// Two rows, one with text beyond ASCII and beyond GBK.
const (
	rowOne   = "ak,ten,1,101,1767225600-1,5550100,5550199,,,,,2026-01-01 09:00:00,2026-01-01 09:01:00,2,101,0,0,-1,39,1,12\n"
	rowTwo   = "ak,企业,1,102,1767225600-2,5550101,,,,,,2026-01-01 09:02:00,,2,102,0,0,-1,39,,\n"
	shortRow = "ak,ten,1,101,1767225600-3\n"
)

type dialectCase struct {
	name    string
	dialect archive.Dialect
	members []exportertest.Packed
	records int // in all members, headers not counted
}

func dialectCases(t testing.TB) []dialectCase {
	one := func(name, data string, records int) dialectCase {
		return dialectCase{name: name, members: []exportertest.Packed{exportertest.CSVMember(data)}, records: records}
	}
	reordered := "call_end,call_id_num,Call Begin,call_id,developer\n2026-01-01 09:01:00,-1,2026-01-01 09:00:00,1767225600-1,ak\n"
	both := exportertest.CallHeader + rowOne + rowTwo
	return []dialectCase{
		one("header-only", exportertest.CallHeader, 0),
		one("nothing", "", 0),
		one("header", both, 2),
		one("no-header", rowOne+rowTwo, 2),
		one("reordered", reordered, 1),
		one("extra-columns", strings.Replace(exportertest.CallHeader, "\n", ",leave_reason,原因\n", 1)+strings.Replace(rowOne, "\n", ",15,用户挂断\n", 1), 1),
		one("extra-without-header", strings.Replace(rowOne, "\n", ",15,,x\n", 1), 1),
		one("missing-optional", "call_id,call_begin,call_id_num\n1767225600-1,2026-01-01 09:00:00,1\n", 1),
		one("short-rows", shortRow+rowOne, 2),
		one("bom", "\ufeff"+both, 2),
		one("gb18030", gb18030(t, both+strings.ReplaceAll(rowTwo, "企业", "\U00020000€")), 3),
		one("gb18030-header", gb18030(t, strings.Replace(exportertest.CallHeader, "\n", ",原因\n", 1)+strings.Replace(rowOne, "\n", ",用户挂断\n", 1)), 1),
		one("crlf", strings.ReplaceAll(both, "\n", "\r\n"), 2),
		one("cr", strings.ReplaceAll(both, "\n", "\r"), 2),
		one("embedded-newline", exportertest.CallHeader+strings.Replace(rowOne, ",ten,", ",\"two\nlines\",", 1)+rowTwo, 2),
		one("padded", strings.ReplaceAll(both, ",", " , "), 2),
		one("quoted", `"`+strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(both, ",", `","`)), "\n", "\"\n\"")+"\"\n", 2),
		one("quoted-and-padded", `"`+strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(both, ",", `" , "`)), "\n", "\" \n \"")+"\"\n", 2),
		one("semicolons", strings.ReplaceAll(both, ",", ";"), 2),
		one("tabs", strings.ReplaceAll(both, ",", "\t"), 2),
		one("nulls", strings.Replace(strings.Replace(rowOne, ",ten,", ",NULL,", 1), ",101,", `,\N,`, 1), 1),
		one("identical-rows", rowOne+rowOne+rowTwo+rowOne, 4),
		one("no-identity", exportertest.CallHeader+rowOne+strings.Replace(rowTwo, "1767225600-2", "", 1)+rowTwo, 3),
		{name: "header-absent", dialect: archive.Dialect{Header: "absent"}, members: []exportertest.Packed{exportertest.CSVMember(rowOne + exportertest.CallHeader)}, records: 1},
		{name: "charset-by-setting", dialect: archive.Dialect{Charset: "gb18030"}, members: []exportertest.Packed{exportertest.CSVMember(gb18030(t, rowTwo))}, records: 1},
		{name: "parts", members: []exportertest.Packed{
			{Name: "20260101000000000123_call_10.csv", Data: exportertest.CallHeader + rowOne},
			{Name: "20260101000000000999_call_2.csv", Data: exportertest.CallHeader + rowTwo},
			{Name: "20260101000000000123_call_1.csv", Data: shortRow},
			{Name: "readme.txt", Data: "not a table"},
		}, records: 3},
	}
}

// TestF15TableFiles exports every kind of file and compares rows, marker and dead
// letters. What goes in must come out: as a row or as a dead letter.
func TestF15TableFiles(t *testing.T) {
	reconciled := 0
	cases := dialectCases(t)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			s.dialect(tt.dialect)
			exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, tt.members...)), 1))
			rows, markers := s.stored()
			if len(markers) != 1 {
				t.Fatalf("%d markers", len(markers))
			}
			letters := s.pub.Of(schemas.TypeDeadLetter)
			m := marker(t, markers[0])
			if len(rows)+len(letters) != tt.records || m.Rows != len(rows) || m.Rejected != len(letters) {
				t.Errorf("%d records in, %d rows and %d dead letters out; marker %d and %d", tt.records, len(rows), len(letters), m.Rows, m.Rejected)
			}
			reconciled++
			golden(t, "dialect/"+tt.name+".golden", render(t, rows, m, letters))
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d files reconciled: rows in = rows out + dead letters", reconciled, len(cases)))
	t.Attr("tries", fmt.Sprint(len(cases)))
}

func render(t testing.TB, rows []exportertest.Row, m schemas.WindowComplete, letters []schemas.Message) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&out, "%s\n", r.Body)
	}
	for _, l := range letters {
		var d schemas.DeadLetter
		exportertest.Unmarshal(t, l.Body, &d)
		fmt.Fprintf(&out, "dead letter %s: %s: %s\n", d.Reason, d.Error, d.Original)
	}
	m.CompletedAt, m.RequestedAt, m.SHA256 = time.Time{}, time.Time{}, ""
	text, err := json.Marshal(m)
	exportertest.Check(t, err)
	fmt.Fprintf(&out, "%s\n", text)
	return out.Bytes()
}

// TestF15RefusedTables are the texts of which no row may go out.
func TestF15RefusedTables(t *testing.T) {
	tests := []struct {
		name    string
		text    string
		dialect archive.Dialect
		reason  schemas.Reason
	}{
		{"missing required", "caller_no,call_begin\n1,2026-01-01 09:00:00\n", archive.Dialect{}, schemas.ReasonMissingColumns},
		{"duplicate columns", "call_id,call_begin,call_id_num,call_id\n1,2026-01-01 09:00:00,1,2\n", archive.Dialect{}, schemas.ReasonMissingColumns},
		{"header by setting", rowOne, archive.Dialect{Header: "present"}, schemas.ReasonMissingColumns},
		{"invalid bytes", exportertest.CallHeader + rowOne + "a\xff\xffb,c\n", archive.Dialect{}, schemas.ReasonDamagedCSV},
		{"GB18030 as UTF-8", gb18030(t, rowTwo), archive.Dialect{Charset: "utf-8"}, schemas.ReasonDamagedCSV},
		{"half a character at the end", strings.TrimSuffix(gb18030(t, rowOne+"企业"), "\xb5"), archive.Dialect{}, schemas.ReasonDamagedCSV},
		{"open quote", exportertest.CallHeader + strings.Replace(rowOne, "ten", `"ten`, 1) + rowTwo, archive.Dialect{}, schemas.ReasonDamagedCSV},
		{"100 KiB cell", exportertest.CallHeader + strings.Replace(rowOne, "ten", strings.Repeat("t1", 50<<10), 1), archive.Dialect{}, schemas.ReasonDamagedCSV},
	}
	refused := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			s.dialect(tt.dialect)
			if err := s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(tt.text))), 1); reasonOf(err) != tt.reason {
				t.Errorf("export: %v, want %s", err, tt.reason)
			}
			if rows, markers := s.stored(); len(rows)+len(markers) > 0 {
				t.Errorf("%d rows went out", len(rows))
			}
			refused++
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d named, 0 rows", refused, len(tests)))
	t.Attr("tries", fmt.Sprint(len(tests)))
}

// TestKindWithWindowsOfItsOwn: rows of another kind, whose windows are cut otherwise, are left
// to their own files; else they would be in the stream twice.
func TestKindWithWindowsOfItsOwn(t *testing.T) {
	for hours, want := range map[int]int{1: 1, 2: 0} {
		s := newShop(t)
		own := schemas.Window{From: exportertest.Hour(-hours).From, To: exportertest.Hour(0).From}
		exportertest.Check(t, s.ledger.Plan(t.Context(), exportertest.Planned(own, schemas.KindRecording)))
		recording := "ak,ten,1,101,1767225600-1,5550100,5550199,2026-01-01 09:00:00,2026-01-01 09:01:00,/10/1/rec.wav,0,,1.V3,39,0,5,12,12\n"
		exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t,
			exportertest.Packed{Name: "20260101000000000123_record.csv", Data: recording},
			exportertest.Packed{Name: exportertest.CallName, Data: exportertest.CallHeader + rowOne + rowTwo},
		)), 1))
		calls, markers := s.stored()
		recordings, _ := s.rows.On(exportertest.Names(t).Row(exportertest.Acme, schemas.KindRecording, exportertest.Hour(0)))
		if len(calls) != 2 || len(markers) != 1 || len(recordings) != want {
			t.Errorf("own windows of %d hours: %d calls, %d markers, %d recordings, want %d", hours, len(calls), len(markers), len(recordings), want)
		}
	}
}

// TestTwoKindsInOneZip: a combined extract brings two kinds; each goes to its own
// subject, and only the window's own kind gets a marker.
func TestTwoKindsInOneZip(t *testing.T) {
	s := newShop(t)
	recording := `ak,ten,1,101,1767225600-1,5550100,5550199,2026-01-01 09:00:00,2026-01-01 09:01:00,/10/1/rec.wav,0,,X:\39\0\20260101\101\3246.V3,39,0,5,12,12` + "\n"
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t,
		exportertest.Packed{Name: "20260101000000000123_record.csv", Data: recording},
		exportertest.Packed{Name: exportertest.CallName, Data: exportertest.CallHeader + rowOne + rowTwo},
	)), 1))
	calls, markers := s.stored()
	recordings, others := s.rows.On(exportertest.Names(t).Row(exportertest.Acme, schemas.KindRecording, exportertest.Hour(0)))
	if len(calls) != 2 || len(markers) != 1 || len(recordings) != 1 || len(others) != 0 {
		t.Fatalf("%d calls, %d markers; %d recordings, %d markers", len(calls), len(markers), len(recordings), len(others))
	}
	if markers[0].Sequence <= recordings[0].Sequence || marker(t, markers[0]).Rows != 2 {
		t.Error("the marker is not last, or counts rows of another kind")
	}
	if !bytes.Contains(recordings[0].Body, []byte(`"X:\\39\\0\\20260101\\101\\3246.V3"`)) {
		t.Errorf("backslashes are lost: %s", recordings[0].Body)
	}
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.Rows != 2 {
		t.Errorf("the ledger counts %d rows", e.Rows)
	}
}
