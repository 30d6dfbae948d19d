package content

import (
	"archive/zip"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
)

var begin = time.Date(2024, 5, 1, 8, 0, 0, 0, time.UTC)

// source has one call a minute from begin on, of agents 101 and 102 in turn, each
// known a minute later.
type source struct{}

func (source) Rows(kind world.Kind, from, to, now time.Time) (out []world.Row) {
	for i := range 10 {
		at := begin.Add(time.Duration(i) * time.Minute)
		if kind != world.Call || at.Before(from) || at.After(to) || at.Add(time.Minute).After(now) {
			continue
		}
		cells := make([]string, len(world.Columns[kind]))
		cells[3], cells[4] = []string{"101", "102"}[i%2], at.Format("1504")
		out = append(out, world.Row{Kind: kind, At: at, Known: at.Add(time.Minute), Cells: cells})
	}
	return out
}

func maker(t *testing.T, rules ...fault.Rule) *Maker {
	t.Helper()
	book := fault.NewBook(FaultKinds(fault.Scope{Kinds: world.Words}), 1, time.Now)
	if err := book.Set(rules); err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{Source: source{}, Timezone: time.UTC, Faults: book, Dice: NewDice(1)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// calls are the call ids of a file that is made at 8 o'clock and so many minutes.
func calls(t *testing.T, m *Maker, q Request, minutes int) (string, File) {
	t.Helper()
	f, err := m.Make(q, begin.Add(time.Duration(minutes)*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range f.Rows {
		ids = append(ids, r.Cells[4])
	}
	return strings.Join(ids, " "), f
}

var all = Request{Kinds: []world.Kind{world.Call}, Begin: "2024-05-01 08:00:00", End: "2024-05-01 08:59:59"}

func TestRowsByWallClockAndFilter(t *testing.T) {
	some := all
	some.Begin, some.End = "2024-05-01 08:01:00", "2024-05-01 08:04:00"
	one := some
	one.Filters = map[string]string{"agent_id": "102"}
	m := maker(t)
	for _, c := range []struct {
		q       Request
		minutes int
		want    string
	}{
		{all, 3, "0800 0801 0802"}, {some, 60, "0801 0802 0803 0804"}, {some, 4, "0801 0802 0803"}, {one, 60, "0801 0803"},
	} {
		if got, _ := calls(t, m, c.q, c.minutes); got != c.want {
			t.Errorf("%+v after %d minutes: %s, want %s", c.q, c.minutes, got, c.want)
		}
	}
	if from, to := m.Span(some); !from.Equal(begin.Add(time.Minute)) || !to.Equal(begin.Add(4*time.Minute)) {
		t.Errorf("from %v to %v", from, to)
	}
}

// TestFaultsWaitForTheirRow uses up no count on a file that has none.
func TestFaultsWaitForTheirRow(t *testing.T) {
	m := maker(t,
		fault.Rule{Fault: rowsLate, Next: 1}, fault.Rule{Fault: gbk, Next: 1, Kind: "cdr"}, fault.Rule{Fault: crlf, Next: 1, Kind: "skill"},
		fault.Rule{Fault: zeroBytes, Next: 1},
	)
	if got, f := calls(t, m, all, 0); got != "" || f.Faults != zeroBytes || f.Empty != zeroBytes {
		t.Errorf("%s, faults %s", got, f.Faults)
	}
	got, f := calls(t, m, all, 3)
	if len(strings.Fields(got)) != 2 || f.Faults != gbk || f.Empty != "" {
		t.Errorf("%s, faults %s", got, f.Faults)
	}
	if got, f = calls(t, m, all, 3); got != "0800 0801 0802" || f.Faults != "" {
		t.Errorf("%s, faults %s", got, f.Faults)
	}
}

func TestMembersHoldTheRows(t *testing.T) {
	m := maker(t, fault.Rule{Fault: split, Next: 1, Count: 3})
	_, f := calls(t, m, all, 5)
	z, err := zip.NewReader(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil || len(z.File) != 3 {
		t.Fatalf("%v, %d members", err, len(z.File))
	}
	lines := 0
	for _, member := range z.File {
		in, err := member.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(in)
		if err != nil || !strings.HasPrefix(string(raw), "developer,account_id,") {
			t.Errorf("%s: %v", raw, err)
		}
		lines += strings.Count(string(raw), "\n") - 1
	}
	if lines != len(f.Rows) || lines != 5 {
		t.Errorf("%d lines, %d rows", lines, len(f.Rows))
	}
}

func TestJoinedAndPackedAgain(t *testing.T) {
	m := maker(t, fault.Rule{Fault: headerAgain, Next: 1}, fault.Rule{Fault: macOS, Next: 1})
	_, f := calls(t, m, all, 5)
	z, err := zip.NewReader(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil || len(z.File) != 2 || z.File[1].Name != "__MACOSX/._"+z.File[0].Name {
		t.Fatalf("%v, members %v", err, z.File)
	}
	var texts []string
	for _, member := range z.File {
		in, err := member.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	lines := strings.Split(strings.TrimSpace(texts[0]), "\n")
	if len(lines) != 7 || lines[3] != lines[0] || !strings.HasPrefix(texts[1], "\x00\x05\x16\x07") {
		t.Errorf("%q", texts)
	}
}

// TestTimesInUTC: the fault writes all times of one file in UTC, but for those that are so
// by nature, and the rows of a zone that is set are the source's as they are.
func TestTimesInUTC(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for form, want := range map[string]string{"": "Asia/Shanghai", "Europe/Berlin": "Europe/Berlin", "utc": "UTC"} {
		book := fault.NewBook(FaultKinds(fault.Scope{Kinds: world.Words}), 1, time.Now)
		if err := book.Set([]fault.Rule{{Fault: rowsExtra, Next: 1, Count: 1}, {Fault: inUTC, Next: 1}}); err != nil {
			t.Fatal(err)
		}
		m, err := New(Options{Source: source{}, Timezone: zone, Faults: book, Dice: NewDice(1), Form: Form{Zone: form}})
		if err != nil {
			t.Fatal(err)
		}
		q := Request{Kinds: []world.Kind{world.SkillGrant}, Begin: "2024-05-01 08:00:00", End: "2024-05-01 08:59:59"}
		first, err := m.Make(q, begin)
		if err != nil || len(first.Rows) != 1 || first.Zone != "UTC" || first.Faults != inUTC {
			t.Fatalf("%s: %+v, %v", form, first, err)
		}
		second, err := m.Make(q, begin)
		if err != nil || second.Zone != want {
			t.Fatalf("%s: %+v, %v", form, second, err)
		}
		operated, updated := slices.Index(world.Columns[world.SkillGrant], "operate_time"), slices.Index(world.Columns[world.SkillGrant], world.UTCColumn)
		for _, f := range []File{first, second} {
			cells := f.Rows[0].Cells
			if cells[updated] != "2024-05-01 00:00:00" {
				t.Errorf("%s: %s is %s", form, world.UTCColumn, cells[updated])
			}
			at, err := time.LoadLocation(f.Zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := begin.Add(-8 * time.Hour).In(at).Format(Layout); cells[operated] != got {
				t.Errorf("%s in %s: %s, want %s", form, f.Zone, cells[operated], got)
			}
		}
	}
	if _, err := New(Options{Source: source{}, Timezone: zone, Faults: maker(t).o.Faults, Dice: NewDice(1), Form: Form{Zone: "Mars"}}); err == nil {
		t.Error("a zone of Mars")
	}
}
