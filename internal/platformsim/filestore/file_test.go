package filestore

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// cells are the truth's rows of one kind.
func cells(f truth.File, kind world.Kind) [][]string {
	var out [][]string
	for _, r := range f.Rows {
		if r.Kind == kind {
			out = append(out, r.Cells)
		}
	}
	return out
}

var _ content.Source = (*world.World)(nil)

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		query, dataType, download, field string
		kinds                            []world.Kind
	}{
		{"queryBillData", "call", "downloadBillFile", "billFileName", []world.Kind{world.Call}},
		{"queryBillData", "record", "downloadBillFile", "billFileName", []world.Kind{world.Record}},
		{"queryBillData", "call_record", "downloadBillFile", "billFileName", []world.Kind{world.Call, world.Record}},
		{"queryAgentOprInfoData", "", "downloadAgentOprInfoFile", "agentOprInfoFileName", []world.Kind{world.Operation}},
		{"queryAgentSkillInfoData", "", "downloadAgentSkillInfoFile", "agentSkillInfoFileName", []world.Kind{world.SkillGrant}},
	} {
		t.Run(c.query+c.dataType, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				ask := map[string]any{}
				if c.dataType != "" {
					ask["dataType"] = c.dataType
				}
				f := r.made(c.query, ask)
				w := r.call(c.download, envelope(t, map[string]any{c.field: f.Name}))
				again := r.call(c.download, envelope(t, map[string]any{c.field: f.Name}))
				if !bytes.Equal(w.Body.Bytes(), again.Body.Bytes()) {
					t.Error("two downloads differ")
				}
				if got := w.Header().Get("Content-Type"); got != octetType {
					t.Errorf("content type %q", got)
				}
				members := unzip(t, w.Body.Bytes())
				if len(members) != len(c.kinds) || len(f.Rows) != len(c.kinds) {
					t.Fatalf("%d members, %d rows", len(members), len(f.Rows))
				}
				for i, kind := range c.kinds {
					if !regexp.MustCompile(`^\d{20}_` + string(kind) + `\.csv$`).MatchString(members[i].name) {
						t.Errorf("member %s", members[i].name)
					}
					want := append([][]string{world.Columns[kind]}, cells(f, kind)...)
					if diff := cmp.Diff(want, parse(t, members[i].raw)); diff != "" {
						t.Error(diff)
					}
				}
				for other, op := range r.store.operations {
					if op.family != "" && !op.create && other != c.download {
						if got := r.ask(other, map[string]any{op.fileField: f.Name}).ResultCode; got != codeNoFile {
							t.Errorf("%s gives %s", other, got)
						}
					}
				}
			})
		})
	}
}

func TestCSVFaults(t *testing.T) {
	columns := world.Columns[world.Call]
	n, wordAt := len(columns), slices.Index(columns, "pre_device_no")
	gbkOf := func(s string) string {
		out, err := simplifiedchinese.GBK.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	type in struct {
		members []member
		rows    [][]string // truth
	}
	for name, c := range map[string]struct {
		faults []fault.Rule
		check  func(*testing.T, in)
	}{
		"no header": {[]fault.Rule{{Fault: "file.no_header", Next: 1}}, func(t *testing.T, i in) {
			if diff := cmp.Diff(i.rows, parse(t, i.members[0].raw)); diff != "" {
				t.Error(diff)
			}
		}},
		"gbk": {[]fault.Rule{{Fault: "file.gbk", Next: 1}}, func(t *testing.T, i in) {
			if i.rows[0][wordAt] != "队列一" || !strings.Contains(i.members[0].raw, ","+gbkOf("队列一")+",") {
				t.Errorf("%q", i.members[0].raw)
			}
		}},
		"gb18030": {[]fault.Rule{{Fault: "file.gb18030", Next: 1}}, func(t *testing.T, i in) {
			got, err := simplifiedchinese.GB18030.NewDecoder().String(i.members[0].raw)
			if err != nil || i.rows[0][wordAt] != "队列𠮷" || parse(t, got)[1][wordAt] != "队列𠮷" || got == i.members[0].raw {
				t.Errorf("%v %q", err, got)
			}
		}},
		"bom": {[]fault.Rule{{Fault: "file.bom", Next: 1}}, func(t *testing.T, i in) {
			if !strings.HasPrefix(i.members[0].raw, "\xef\xbb\xbfdeveloper,") {
				t.Errorf("%q", i.members[0].raw)
			}
		}},
		"crlf": {[]fault.Rule{{Fault: "file.crlf", Next: 1}}, func(t *testing.T, i in) {
			if strings.Count(i.members[0].raw, "\r\n") != 4 {
				t.Errorf("%q", i.members[0].raw)
			}
		}},
		"extra columns": {[]fault.Rule{{Fault: "file.extra_columns", Next: 1, Count: 3}}, func(t *testing.T, i in) {
			got := parse(t, i.members[0].raw)
			if diff := cmp.Diff([]string{"extra_1", "extra_2", "extra_3"}, got[0][n:]); diff != "" || !cmp.Equal(got[1:], i.rows) {
				t.Error(diff, got)
			}
		}},
		"missing columns": {[]fault.Rule{{Fault: "file.missing_columns", Next: 1}}, func(t *testing.T, i in) {
			got := parse(t, i.members[0].raw)
			if !cmp.Equal(got[0], columns[:n-2]) || !cmp.Equal(got[1], i.rows[0][:n-2]) || i.rows[0][n-1] != "" {
				t.Errorf("%v", got)
			}
		}},
		"reordered": {[]fault.Rule{{Fault: "file.reordered", Next: 1}}, func(t *testing.T, i in) {
			for _, line := range parse(t, i.members[0].raw)[1:2] {
				slices.Reverse(line)
				if !cmp.Equal(line, i.rows[0]) {
					t.Errorf("%v", line)
				}
			}
		}},
		"split": {[]fault.Rule{{Fault: "file.split", Next: 1}}, func(t *testing.T, i in) {
			var got [][]string
			for k, m := range i.members {
				if !strings.HasSuffix(m.name, "_call_"+strconv.Itoa(k+1)+".csv") {
					t.Errorf("member %s", m.name)
				}
				got = append(got, parse(t, m.raw)[1:]...)
			}
			if len(i.members) != 2 || !cmp.Equal(got, i.rows) {
				t.Errorf("%d members, %v", len(i.members), got)
			}
		}},
		"padded": {[]fault.Rule{{Fault: "file.padded", Next: 1}}, func(t *testing.T, i in) {
			got := parse(t, i.members[0].raw)
			if got[1][0] == i.rows[0][0] || strings.TrimSpace(got[1][0]) != i.rows[0][0] {
				t.Errorf("%q", got[1])
			}
		}},
		"quoted": {[]fault.Rule{{Fault: "file.quoted", Next: 1}}, func(t *testing.T, i in) {
			if got := i.members[0].raw; strings.Count(got, `"`) != 2*n*4 || !cmp.Equal(parse(t, got)[1:], i.rows) {
				t.Errorf("%q", got)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.set(c.faults...)
				for range 2 {
					r.book.add(world.Call, r.start.Add(-time.Minute), r.start, r.zone, nil)
				}
				f := r.made("queryBillData", nil)
				if f.Damaged != c.faults[0].Fault {
					t.Errorf("recorded as %q", f.Damaged)
				}
				c.check(t, in{unzip(t, r.download(f.Name).Body.Bytes()), cells(f, world.Call)})
			})
		})
	}
}

func TestBothKinds(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.set(fault.Rule{Fault: "file.both_kinds", Next: 1})
		r.made("queryAgentOprInfoData", nil) // does not use it up
		f := r.made("queryBillData", nil)
		members := unzip(t, r.download(f.Name).Body.Bytes())
		if len(members) != 2 || len(cells(f, world.Record)) != 1 || f.Damaged != "file.both_kinds" {
			t.Errorf("%d members: %+v", len(members), f)
		}
	})
}

// TestEditions: files have as many columns as the platform is old, and the truth log says
// no more than they do.
func TestEditions(t *testing.T) {
	for edition, want := range map[int][2]int{0: {29, 18}, 29: {29, 18}, 23: {23, 18}, 21: {21, 18}, 18: {18, 13}} {
		bubble(t, func(o *Options) { o.Form.Edition = edition }, func(r *rig) {
			r.set(fault.Rule{Fault: "file.both_kinds", Next: 1})
			f := r.made("queryBillData", nil)
			for i, kind := range []world.Kind{world.Call, world.Record} {
				header := parse(t, unzip(t, r.download(f.Name).Body.Bytes())[i].raw)[0]
				if !cmp.Equal(header, world.Columns[kind][:want[i]]) {
					t.Errorf("edition %d: %s has %v", edition, kind, header)
				}
				for _, row := range cells(f, kind) {
					if rest := strings.Join(row[want[i]:], ""); rest != "" {
						t.Errorf("edition %d: the truth about %s ends in %q", edition, kind, rest)
					}
				}
			}
		})
	}
}

// TestForm: what is said about all files holds without a fault, and a fault adds to
// it.
func TestForm(t *testing.T) {
	form := content.Form{Charset: "gbk", Separator: ";", NoHeader: true, CRLF: true}
	bubble(t, func(o *Options) { o.Form = form }, func(r *rig) {
		r.book.add(world.Call, r.start.Add(-time.Minute), r.start, r.zone, map[string]string{"call_id": "1;2", "pre_device_no": "队列一"})
		read := func() string { return unzip(t, r.download(r.made("queryBillData", nil).Name).Body.Bytes())[0].raw }
		word, err := simplifiedchinese.GBK.NewEncoder().String("队列一")
		if err != nil {
			t.Fatal(err)
		}
		got := read()
		if strings.Count(got, "\r\n") != 2 || strings.Contains(got, "account_id") || !strings.Contains(got, `;"1;2";`) || !strings.Contains(got, ";"+word+";") {
			t.Errorf("%q", got)
		}
		r.set(fault.Rule{Fault: "file.quoted", Next: 1}, fault.Rule{Fault: "file.reordered", Next: 1})
		if got := read(); !strings.HasPrefix(got, `"0";"`) || !strings.Contains(got, `;"`+word+`";`) { // without a header never reordered
			t.Errorf("with faults: %q", got)
		}
	})
	for _, bad := range []content.Form{{Edition: 20}, {Charset: "latin1"}, {Separator: "ab"}, {Separator: `"`}, {Separator: "、"}} {
		if _, err := New(Options{AccessKey: "a", SecretKey: "s", Source: &book{}, Form: bad}); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestEmptyWindow(t *testing.T) {
	header := strings.Join(world.Columns[world.Call], ",") + "\n"
	for name, c := range map[string]struct {
		members   []string // nil: no ZIP
		callbacks int
	}{
		"":                       {[]string{header}, 1},
		"empty_file.zero_bytes":  {[]string{""}, 1},
		"empty_file.no_members":  {[]string{}, 1},
		"empty_file.no_callback": {[]string{header}, 0},
		"empty_file.no_data":     {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				rules := []fault.Rule{{Fault: "file.no_header", Next: 1}}
				if name != "" {
					rules = append(rules, fault.Rule{Fault: name, Next: 1})
				}
				r.set(rules...)
				f := r.made("queryBillData", map[string]any{"callId": "no such call"})
				if f.Damaged != name || len(f.Rows) != 0 || len(r.received()) != c.callbacks {
					t.Errorf("%d callbacks, %+v", len(r.received()), f)
				}
				w := r.download(f.Name)
				if c.members == nil {
					if got := r.decode(w).ResultCode; got != codeNoData {
						t.Errorf("code %s", got)
					}
					return
				}
				got := []string{}
				for _, m := range unzip(t, w.Body.Bytes()) {
					got = append(got, m.raw)
				}
				if diff := cmp.Diff(c.members, got); diff != "" {
					t.Error(diff)
				}
				if r.store.o.Faults.Rules()[0].Next != 1 {
					t.Error("a fault of the CSV form was used up by an empty file")
				}
			})
		})
	}
}

func TestRowFaults(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		for i := range 3 {
			r.book.add(world.Call, r.start.Add(-time.Duration(i+1)*time.Minute), r.start, r.zone, map[string]string{"call_id": strconv.Itoa(i)})
		}
		take := func(rules ...fault.Rule) [][]string {
			t.Helper()
			r.set(rules...)
			return cells(r.made("queryBillData", nil), world.Call)
		}
		short := take(fault.Rule{Fault: "rows.changed", Next: 1}, fault.Rule{Fault: "rows.late", Next: 1})
		if len(short) != 3 || r.store.o.Faults.Rules()[0].Next != 1 {
			t.Errorf("late: %d rows, changed %+v", len(short), r.store.o.Faults.Rules()[0])
		}
		full := take()
		if len(full) != 4 || subset(short, full) != 3 {
			t.Errorf("second extraction: %d rows, %d in common", len(full), subset(short, full))
		}
		changed := take(fault.Rule{Fault: "rows.changed", Next: 1})
		if len(changed) != 4 || subset(changed, full) != 3 {
			t.Errorf("changed: %d rows, %d in common", len(changed), subset(changed, full))
		}
		if again := take(); !cmp.Equal(again, changed) {
			t.Error("the change did not last")
		}
		speaks := take(fault.Rule{Fault: "file.gb18030", Next: 1})
		simple := take(fault.Rule{Fault: "file.gbk", Next: 1})
		if speaks[0][20] != "队列𠮷" || simple[0][20] != "队列一" {
			t.Errorf("words %q and %q", speaks[0][20], simple[0][20])
		}
		if again := take(); !cmp.Equal(again, simple) {
			t.Error("the word did not last")
		}
	})
}

func subset(of, in [][]string) int {
	n := 0
	for _, a := range of {
		if slices.ContainsFunc(in, func(b []string) bool { return slices.Equal(a, b) }) {
			n++
		}
	}
	return n
}

func TestExtraRows(t *testing.T) {
	const n = 20_000 // enough for the race detector; the figure has no limit
	for op, kind := range map[string]world.Kind{"queryBillData": world.Call, "queryAgentOprInfoData": world.Operation, "queryAgentSkillInfoData": world.SkillGrant} {
		t.Run(op, func(t *testing.T) {
			count := 500
			if kind == world.Call {
				count = n
			}
			bubble(t, nil, func(r *rig) {
				r.set(fault.Rule{Fault: "rows.extra", Next: 1, Count: count})
				ask := map[string]any{"agentId": "101"}
				f := r.made(op, ask)
				if len(f.Rows) != count+1 {
					t.Fatalf("%d rows", len(f.Rows))
				}
				distinct := map[string]bool{}
				for _, row := range f.Rows {
					if len(row.Cells) != len(world.Columns[kind]) || row.AgentID != "101" && row.AgentID != "" {
						t.Fatalf("row %v", row)
					}
					distinct[strings.Join(row.Cells, ",")] = true
				}
				if len(distinct) != count+1 {
					t.Errorf("%d distinct rows", len(distinct))
				}
				if again := r.made(op, ask); len(again.Rows) != count+1 {
					t.Errorf("%d rows in the second extraction", len(again.Rows))
				}
			})
		})
	}
}

// TestClockChange covers the two nights of Berlin's year.
func TestClockChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		day  string
		want []string // ack_begin
	}{
		"back":    {"2024-10-27", []string{"02:30:00", "02:30:00"}},
		"forward": {"2024-03-31", []string{"02:30:00"}}, // does not exist
		"neither": {"2024-10-28", nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(o *Options) { o.Timezone = berlin }, func(r *rig) {
				r.set(fault.Rule{Fault: "rows.clock_change", Next: 1})
				f := r.made("queryBillData", map[string]any{"beginTime": c.day + " 00:00:00", "endTime": c.day + " 23:59:59"})
				var got []string
				for _, row := range f.Rows {
					got = append(got, strings.TrimPrefix(row.Cells[9], c.day+" "))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if len(f.Rows) == 2 && f.Rows[1].At.Sub(f.Rows[0].At) != time.Hour {
					t.Errorf("apart by %v", f.Rows[1].At.Sub(f.Rows[0].At))
				}
			})
		})
	}
}

// TestRepeatedHour selects both instants of a wall clock, and nothing beyond
// it.
func TestRepeatedHour(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(o *Options) { o.Timezone = berlin }, func(r *rig) {
		first := time.Date(2024, 10, 27, 0, 15, 0, 0, time.UTC) // 02:15 in summer
		for _, at := range []time.Time{first, first.Add(30 * time.Minute), first.Add(time.Hour), first.Add(2 * time.Hour)} {
			r.book.add(world.Call, at, time.Time{}, berlin, nil)
		}
		f := r.made("queryBillData", map[string]any{"beginTime": "2024-10-27 02:00:00", "endTime": "2024-10-27 02:29:59"})
		if len(f.Rows) != 2 || !f.Rows[0].At.Equal(first) || !f.Rows[1].At.Equal(first.Add(time.Hour)) {
			t.Errorf("%v", f.Rows)
		}
	})
}
