package table

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shown is a table and its problems, a line each.
func shown(t Table, problems []Problem) string {
	var out []string
	for _, r := range append([]Row{t.Header}, t.Rows...) {
		var cells []string
		for _, c := range r.Cells {
			cells = append(cells, c.Text)
		}
		out = append(out, fmt.Sprintf("%d %s", r.Line, strings.Join(cells, "|")))
	}
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Fault.Problem))
	}
	return strings.Join(out, "\n")
}

func TestRead(t *testing.T) {
	const want = "1 id|phone\n2 101|70001\n3 102|70002"
	for name, c := range map[string]struct{ text, want string }{
		"plain":             {"id,phone\n101,70001\n102,70002\n", want},
		"no end of line":    {"id,phone\n101,70001\n102,70002", want},
		"byte order mark":   {"\ufeffid,phone\n101,70001\n102,70002", want},
		"CRLF":              {"id,phone\r\n101,70001\r\n102,70002\r\n", want},
		"CR":                {"id,phone\r101,70001\r102,70002\r", want},
		"semicolons":        {"id;phone\n101;70001\n102;70002", want},
		"tabs":              {"id\tphone\n101\t70001\n102\t70002", want},
		"quotes":            {"\"id\",\"phone\"\n\"101\",\"70001\"\n102,\"70002\"", want},
		"blanks":            {" id , phone\n 101 ,70001 \n102\t, \"70002\" ", want},
		"separators alone":  {"id,phone,,\n101,70001,,\n102,70002,\n,,,\n", want},
		"comments":          {"# who\n\nid,phone\n  # a\n101,70001\n", "3 id|phone\n5 101|70001"},
		"sep line":          {"sep=;\nid;phone\n1,0;2", "2 id|phone\n3 1,0|2"},
		"a comma in quotes": {"id,phone\n101,\"7,1\"", "1 id|phone\n2 101|7,1"},
		"a quote in quotes": {"id,password\n101,\"a\"\"b\"", "1 id|password\n2 101|a\"b"},
		"blanks in quotes":  {"id,password\n101,\" a \"", "1 id|password\n2 101| a "},
		"a # inside":        {"id,password\n101,#a\n\"#102\",b", "1 id|password\n2 101|#a\n3 #102|b"},
		"a hole":            {"id,phone,status\n101,,idle", "1 id|phone|status\n2 101||idle"},
		"shorter":           {"id,phone,status\n101,70001", "1 id|phone|status\n2 101|70001"},
		"nothing":           {"", "0 "},
		"comments only":     {"# a\n#b\n", "0 "},

		"longer":           {"id,phone\n101,7,1\n102,70002", "1 id|phone\n3 102|70002\n2:1 the line has 3 cells, and the first line names 2 columns"},
		"unclosed":         {"id,phone\n101,\"7\n102,70002", "1 id|phone\n3 102|70002\n2:5 the quote that opens here is not closed before the end of its cell"},
		"closed too early": {"id,phone\n101,\"7\"1\n", "1 id|phone\n2:5 the quote that opens here is not closed before the end of its cell"},
		"in the midst":     {"id,phone\n101,号7\"1\n", "1 id|phone\n2:7 a quote stands in the midst of a cell"},
		"not UTF-8":        {"id,phone\n101,\xb2\xd9\n", "1 id|phone\n2:5 the line holds something that is not UTF-8 text"},
		"control":          {"id,phone\n101,\x1b7\n", "1 id|phone\n2:5 the line holds something that is not UTF-8 text"},
		"control at once":  {"id,phone\n\x1b101,7\n", "1 id|phone\n2:1 the line holds something that is not UTF-8 text"},
		"a column unnamed": {";id;phone\n;101;7", "1 |id|phone\n2 |101|7"},
		"one sign":         {"x", "1 x"},
		"as long as it may": {"id,phone\n101," + strings.Repeat("7", maxLineBytes-4),
			"1 id|phone\n2 101|" + strings.Repeat("7", maxLineBytes-4)},
		"UTF-16":          {"\xff\xfei\x00d\x00", "0 \n1:1 the file is text in UTF-16"},
		"UTF-16 unmarked": {"i\x00d\x00", "0 \n1:1 the file is text in UTF-16"},
		"long":            {"id,phone\n101," + strings.Repeat("7", maxLineBytes), "1 id|phone\n2:1 the line is longer than 4096 bytes"},
	} {
		if diff := cmp.Diff(c.want, shown(Read([]byte(c.text)))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	if _, problems := Read([]byte("id\n" + strings.Repeat("1,2\n", 10*maxProblems))); len(problems) != maxProblems+1 {
		t.Errorf("%d problems", len(problems))
	}
}

func TestCellOfAShorterLine(t *testing.T) {
	table, _ := Read([]byte("id,phone\n  101"))
	if c := table.Rows[0].Cell(1); c.Text != "" || c.Line != 2 || c.Column != 3 {
		t.Errorf("%+v", c)
	}
}

// FuzzRead: every line is accounted for, and what was read is read again when it is
// written with quotes.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"id,phone\n101,\"7\"\"0\"\n", "sep=|\nid|x\r\n1|2", "\ufeffid;a\n\n#x\n1;\"2", "\xff\xfe", "a\tb\n1\t2\t3", "id\n\"", `"" ,"a"b`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, problems := Read(data)
		var again strings.Builder
		last := 0
		for i, r := range append([]Row{table.Header}, table.Rows...) {
			if i > 0 && (r.Line <= last || len(r.Cells) == 0 || len(r.Cells) > len(table.Header.Cells)) {
				t.Fatalf("row %+v after line %d", r, last)
			}
			last = r.Line
			for n, c := range r.Cells {
				if n > 0 {
					again.WriteByte(',')
				}
				again.WriteString(`"` + strings.ReplaceAll(c.Text, `"`, `""`) + `"`)
				if c.Line != r.Line || c.Column < 1 {
					t.Fatalf("cell %+v in line %d", c, r.Line)
				}
			}
			again.WriteByte('\n')
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Remedy == "" || strings.ContainsFunc(p.Fault.Problem, notText) {
				t.Fatalf("%+v", p)
			}
		}
		if len(table.Header.Cells) == 0 {
			return
		}
		back, more := Read([]byte(again.String()))
		for _, p := range more {
			if !strings.Contains(p.Fault.Problem, "longer than") { // quotes make it longer
				t.Fatalf("what was read is not read again: %+v", p)
			}
		}
		if got := len(back.Rows) + len(more); got != len(table.Rows) && len(more) <= maxProblems {
			t.Fatalf("%d rows of %d", got, len(table.Rows))
		}
	})
}
