package archive

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
)

// readMember returns the records of a member as the publisher sees them. They are the same,
// where all lines are known to be records, as where that is found out again.
func readMember(t testing.TB, m Member) (all [][]string) {
	t.Helper()
	read := readLines(t, m)
	if m.even {
		m.even = false
		if diff := cmp.Diff(readLines(t, m), read); diff != "" {
			t.Errorf("records that are told from other lines, and all lines (-want +got):\n%s", diff)
		}
	}
	for _, r := range read {
		all = append(all, r.Cells)
	}
	return all
}

// lineRead is a record, where it stands, and the header line that counts for it.
type lineRead struct {
	Cells, Header []string
	Line          int
	Fresh         bool
}

func readLines(t testing.TB, m Member) (all []lineRead) {
	t.Helper()
	records, err := m.Records(t.Context(), func() {})
	exportertest.Check(t, err)
	defer records.Close()
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		exportertest.Check(t, err)
		header, fresh := records.Header()
		all = append(all, lineRead{slices.Clone(record), header, records.Line(), fresh})
	}
}

// openCSV reads a text of no known kind.
func openCSV(r io.Reader) (*csvReader, error) {
	c := newCSVReader(r)
	c.fill()
	rest, _ := cutMarks(c.text)
	l, err := layoutOf("", text{head: headOf(rest)})
	return c.as(l), err
}

func readCSV(r io.Reader) (records [][]string, err error) {
	c, err := openCSV(r)
	if err != nil {
		return nil, err
	}
	for {
		cells, err := c.read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		records = append(records, slices.Clone(cells))
	}
}

func TestCSVDialect(t *testing.T) {
	tests := []struct {
		name, text string
		want       [][]string
	}{
		{"LF", "a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}},
		{"no line end at the end", "a,b\nc,d", [][]string{{"a", "b"}, {"c", "d"}}},
		{"CRLF", "a,b\r\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}},
		{"CR", "a,b\rc,d\r", [][]string{{"a", "b"}, {"c", "d"}}},
		{"empty lines", "\n\na,b\n\r\n\nc,d\n\n", [][]string{{"a", "b"}, {"c", "d"}}},
		{"nothing", "", nil},
		{"byte order mark", "\ufeffa,b\n", [][]string{{"a", "b"}}},
		{"only a byte order mark", "\ufeff", nil},
		{"empty cells", ",,\n", [][]string{{"", "", ""}}},
		{"quoted", `"a","b"` + "\n", [][]string{{"a", "b"}}},
		{"quoted comma and quote", `"a,b","say ""hi"""` + "\n", [][]string{{"a,b", `say "hi"`}}},
		{"line end inside", "a,\"b\nc\r\nd\"\ne,f\n", [][]string{{"a", "b\nc\r\nd"}, {"e", "f"}}},
		{"backslashes", `X:\17\0\2043295.V3,"Y:\"` + "\nc,d", [][]string{{`X:\17\0\2043295.V3`, `Y:\`}, {"c", "d"}}},
		{"quote inside a cell", `5" pipe,a"b` + "\n", [][]string{{`5" pipe`, `a"b`}}},
		{"quote inside a quoted cell", `"5" pipe",b` + "\n", [][]string{{`5" pipe`, "b"}}},
		{"blanks around quotes", "  \"a,b\" \t, \"c\"  \nd,e", [][]string{{"a,b", "c"}, {"d", "e"}}},
		{"blanks around text", " a , b \n", [][]string{{" a ", " b "}}},
		{"blanks after a quote at the end", `a,"b"  `, [][]string{{"a", "b"}}},
		{"semicolons", "a;b\n\"c,d\";e\n", [][]string{{"a", "b"}, {"c,d", "e"}}},
		{"tabs", "a\tb\n\"c\td\"\te\n", [][]string{{"a", "b"}, {"c\td", "e"}}},
		{"bars", "a|b\n", [][]string{{"a", "b"}}},
		{"separator told by the first line only", "a;b\rc,d;e\r", [][]string{{"a", "b"}, {"c,d", "e"}}},
		{"skill list", "1,\"2;3\"\n4,5;6\n", [][]string{{"1", "2;3"}, {"4", "5;6"}}},
		{"ragged", "a,b\nc\nd,e,f\n", [][]string{{"a", "b"}, {"c"}, {"d", "e", "f"}}},
		{"NUL", "a\x00,\x00\n", [][]string{{"a\x00", "\x00"}}},
	}
	for _, tt := range tests {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			got, err := readCSV(wrap(strings.NewReader(tt.text)))
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", tt.name, err, diff)
			}
		}
	}
}

func TestCSVDamage(t *testing.T) {
	for name, text := range map[string]string{
		"open quote":                  "a,b\n\"c,d\ne,f\n",
		"open quote closed by a cell": "a,\"b\nc,d,\"x\",e\nf,g,h\n",
		"100 KiB cell":                "a," + strings.Repeat("x", 100<<10) + "\n",
		"10 MB cell":                  "a," + strings.Repeat("x", 10<<20) + "\n",
		"quoted 100 KiB cell":         "a,\"" + strings.Repeat("x", 100<<10) + "\"\n",
		"600 KiB line":                strings.Repeat(strings.Repeat("x", 60<<10)+",", 10) + "\n",
		"1,000 cells":                 strings.Repeat("x,", 1000) + "\n",
	} {
		if _, err := readCSV(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := readCSV(iotest.TimeoutReader(strings.NewReader(exportertest.CallRows(0, 10000)))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a failing reader: %v", err)
	}
}

func TestCSVLineNumbers(t *testing.T) {
	c, err := openCSV(strings.NewReader("a,b\n\"c\nd\",e\n\nf,g\n"))
	exportertest.Check(t, err)
	var lines []int
	for {
		if _, err := c.read(); err != nil {
			break
		}
		lines = append(lines, c.line)
	}
	if diff := cmp.Diff([]int{1, 2, 5}, lines); diff != "" {
		t.Error(diff)
	}
}

// sameAsStandard compares with encoding/csv on what that package wrote.
func sameAsStandard(records [][]string, crlf bool) error {
	var text strings.Builder
	w := csv.NewWriter(&text)
	w.UseCRLF = crlf
	if err := w.WriteAll(records); err != nil {
		return nil // not to be written
	}
	oracle := csv.NewReader(strings.NewReader(text.String()))
	oracle.FieldsPerRecord = -1
	want, err := oracle.ReadAll()
	if err != nil {
		return nil
	}
	got, err := readCSV(strings.NewReader(text.String()))
	if err != nil {
		return fmt.Errorf("%q: %w", text.String(), err)
	}
	for _, record := range got {
		for i := range record { // the standard reader makes LF of CRLF inside quotes
			record[i] = strings.ReplaceAll(record[i], "\r\n", "\n")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%q: %s", text.String(), diff)
	}
	return nil
}

func TestCSVLikeStandard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.SampledFrom([]rune("ab ,;|\t\"\n\\é中")))
		records := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 6), 1, 8).Draw(t, "records")
		if err := sameAsStandard(records, rapid.Bool().Draw(t, "crlf")); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzCSVLikeStandard reads well-formed files as encoding/csv does, which the
// fuzzer's text is made to be by that package's writer.
func FuzzCSVLikeStandard(f *testing.F) {
	f.Add("a,b\nc,\"d\"", false)
	f.Add("a \" b,\\\n ,\t", true)
	f.Fuzz(func(t *testing.T, text string, crlf bool) {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\ufeff", "")
		var records [][]string
		for line := range strings.SplitSeq(text, "\n") {
			if record := append(strings.Split(line, ","), "end"); len(record) < maxColumns {
				records = append(records, record)
			}
		}
		if len(text) > maxFieldBytes || len(records) == 0 {
			return
		}
		if err := sameAsStandard(records, crlf); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzCSVReader: any bytes end in rows or in an error, and no cell is beyond the
// limits.
func FuzzCSVReader(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfa;b\r\n\"c\"\"\";d\re"))
	f.Add([]byte("a,\"b\n\"c"))
	f.Add([]byte(" \"a\" , b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, _ := readCSV(strings.NewReader(string(data)))
		cells := 0
		for _, record := range records {
			for _, cell := range record {
				cells++
				if len(cell) > maxFieldBytes {
					t.Fatalf("a cell of %d bytes", len(cell))
				}
			}
		}
		if cells > len(data)+1 {
			t.Fatalf("%d cells of %d bytes", cells, len(data))
		}
	})
}
