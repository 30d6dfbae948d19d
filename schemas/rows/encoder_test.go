package rows

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

func testEncoder(t testing.TB, k schemas.Kind, zone *time.Location) *Encoder {
	return NewEncoder(schematest.Names(t), schematest.File(k), k, Options{Zone: zone})
}

func columnNames(k schemas.Kind) []string {
	var names []string
	for _, c := range Columns(k) {
		names = append(names, c.Name)
	}
	return names
}

// body encodes one record and returns its body.
func body(t testing.TB, e *Encoder, record []string) map[string]any {
	t.Helper()
	id, err := e.Identify(record)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Message(record, id, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(m.Body, &out); err != nil {
		t.Fatalf("%s: %v", m.Body, err)
	}
	return out
}

func TestColumns(t *testing.T) {
	want := map[schemas.Kind]struct {
		count int
		part  string
	}{schemas.KindCDR: {29, "call"}, schemas.KindRecording: {18, "record"}, schemas.KindOperation: {21, "agentOprInfo"}, schemas.KindSkill: {16, "agentSkillInfo"}}
	for _, k := range schemas.Kinds() {
		if got := len(Columns(k)); got != want[k].count || FilePart(k) != want[k].part {
			t.Errorf("%s: %d columns, part %q", k, got, FilePart(k))
		}
		set := columnSets[k]
		seen := map[string]bool{}
		for _, c := range set.columns {
			if seen[headerAlias(c.Name)] {
				t.Errorf("%s: %s comes twice", k, c.Name)
			}
			seen[headerAlias(c.Name)] = true
		}
		for _, part := range append(set.key, set.scope) {
			for _, name := range part {
				if set.named(name) < 0 {
					t.Errorf("%s: key column %s does not exist", k, name)
				}
			}
		}
	}
	if Columns(schemas.Kind("x")) != nil || FilePart(schemas.Kind("x")) != "" {
		t.Error("an unknown kind has columns")
	}
}

func TestIsHeader(t *testing.T) {
	for _, k := range schemas.Kinds() {
		names := columnNames(k)
		for i, header := range [][]string{
			names, names[:3], {" Account ID ", "AGENTID", "x"}, {"\ufeffdeveloper_id", "Account_Id"},
			slices.Repeat([]string{"名称"}, len(names)),
		} {
			if !IsHeader(k, header) {
				t.Errorf("%s: header %d is not seen", k, i)
			}
		}
		for i, data := range [][]string{
			strings.Split(schematest.Records[k], ","), {"a", "b"}, {}, make([]string, len(names)), slices.Repeat([]string{"null"}, len(names)),
		} {
			if IsHeader(k, data) {
				t.Errorf("%s: record %d is taken for a header", k, i)
			}
		}
	}
}

func TestHeaderRefuses(t *testing.T) {
	e := testEncoder(t, schemas.KindCDR, nil)
	for want, names := range map[string][]string{
		"cdr header: missing call_id":            {"developer", "x"},
		"cdr header: column call_id comes twice": {"call_id", "call_begin", "\ufeffcall_id "},
	} {
		if err := e.Header(names); err == nil || err.Error() != want {
			t.Errorf("Header(%q): %v, want %s", names, err, want)
		}
	}
	if id, err := e.Identify(strings.Split(schematest.Records[schemas.KindCDR], ",")); err != nil || id.Ordinal != 1 {
		t.Error("a refused header changed the encoder")
	}
	want := map[schemas.Kind]string{schemas.KindCDR: "call_id", schemas.KindRecording: "call_id", schemas.KindOperation: "id or call_id", schemas.KindSkill: "id"}
	for k, names := range want {
		if err := testEncoder(t, k, nil).Header([]string{"developer", "agent_id"}); err == nil || err.Error() != string(k)+" header: missing "+names {
			t.Errorf("%s without identity: %v", k, err)
		}
	}
}

// TestHeaderAccepts: a header line needs only what tells rows apart, and a name
// that is like one of a known column is no reason to lose the file.
func TestHeaderAccepts(t *testing.T) {
	for _, c := range []struct {
		kind   schemas.Kind
		header string
		want   map[string]any // of cells a, b, c…
	}{
		{schemas.KindCDR, "call_id", map[string]any{"call_id": "a"}},
		{schemas.KindRecording, "file_name,call_id", map[string]any{"file_name": "a", "call_id": "b"}},
		{schemas.KindOperation, "call_id", map[string]any{"call_id": "a"}},
		{schemas.KindOperation, "id", map[string]any{"id": "a"}},
		{schemas.KindSkill, "ID", map[string]any{"id": "a"}},
		{schemas.KindCDR, strings.Join(columnNames(schemas.KindCDR)[:5], ","), map[string]any{"developer": "a", "account_id": "b", "cc_id": "c", "agent_id": "d", "call_id": "e"}},
		{schemas.KindCDR, "developer,developer_id,call_id", map[string]any{"developer": "a", "call_id": "c", "extra": map[string]any{"developer_id": "b"}}},
		{schemas.KindCDR, "developer_id,developer,call_id", map[string]any{"developer": "b", "call_id": "c", "extra": map[string]any{"developer_id": "a"}}},
		{schemas.KindOperation, "Developer,Developer ID,call_id", map[string]any{"developer_id": "b", "call_id": "c", "extra": map[string]any{"Developer": "a"}}},
		{schemas.KindOperation, "developer,call_id", map[string]any{"developer_id": "a", "call_id": "b"}},
		{schemas.KindCDR, "callId,call_id", map[string]any{"call_id": "b", "extra": map[string]any{"callId": "a"}}},
		{schemas.KindCDR, "call_id,callId,CALL ID", map[string]any{"call_id": "a", "extra": map[string]any{"callId": "b", "CALL ID": "c"}}},
		{schemas.KindCDR, "CALLID,callId,CALLID", map[string]any{"call_id": "a", "extra": map[string]any{"callId": "b", "CALLID": "c"}}},
	} {
		e := testEncoder(t, c.kind, nil)
		names := strings.Split(c.header, ",")
		if err := e.Header(names); err != nil {
			t.Error(err)
			continue
		}
		got := body(t, e, strings.Split("a,b,c,d,e", ",")[:len(names)])
		for _, name := range []string{"tenant", "kind", "window", "row"} {
			delete(got, name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.kind, c.header, diff)
		}
	}
}

func TestExtraCells(t *testing.T) {
	e := testEncoder(t, schemas.KindCDR, nil)
	header := []string{"call_id", "Note", "call_begin", "", "Note", "col2", "call_id_num", "x\xff"}
	if err := e.Header(header); err != nil {
		t.Fatal(err)
	}
	got := body(t, e, []string{"c", "16", "yesterday", "e", "17", "18", "x", "19", "20", "", "null", "21"})
	want := map[string]any{"Note": "16", "col4": "e", "col5": "17", "col6": "18", "x\ufffd": "19", "col9": "20", "col12": "21"}
	if diff := cmp.Diff(want, got["extra"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"call_begin": "yesterday", "call_id_num": "x"}, got["unparsed"]); diff != "" {
		t.Error(diff)
	}
}

// TestCellTypes: a column has one type; what does not fit is kept as it is.
func TestCellTypes(t *testing.T) {
	cell := func(column int, text string) string {
		e := testEncoder(t, schemas.KindCDR, nil)
		record := make([]string, 29)
		record[4], record[column] = "c", text
		id, _ := e.Identify(record)
		m, err := e.Message(record, id, 1)
		if err != nil {
			t.Fatal(err)
		}
		rest, ok := bytes.CutPrefix(m.Body, []byte(`{"tenant":"acme","kind":"cdr","window":"20261101t000000z-20261101t010000z","call_id":"c",`))
		if !ok {
			t.Fatalf("body %s", m.Body)
		}
		text, _, _ = strings.Cut(string(rest), `,"row":{`)
		return text
	}
	for text, want := range map[string]string{
		"0": "0", "-1": "-1", "17": "17", "123456789012345": "123456789012345", "1234567890123456": "", "007": "", "-0": "", "+1": "", "1.0": "", "1e3": "",
		"-": "", " 5\t": "5", "x": "",
	} {
		if want == "" {
			want = "unparsed"
		}
		got := cell(25, text) // service_no, a text
		if got != `"service_no":"`+trimCell(text)+`"` {
			t.Errorf("%q as text became %s", text, got)
		}
		got = cell(17, text) // call_id_num, an integer
		if want == "unparsed" && got != `"unparsed":{"call_id_num":"`+text+`"}` || want != "unparsed" && got != `"call_id_num":`+want {
			t.Errorf("%q as an integer became %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a\"\\\n\x01b": `"a\"\\\n\u0001b"`, "名\xff": "\"名\ufffd\"", "\u2028<": "\"\u2028<\"",
	} {
		if got := cell(25, text); got != `"service_no":`+want {
			t.Errorf("%q became %s, want %s", text, got, want)
		}
	}
	if got := cell(7, "soon"); got != `"unparsed":{"wait_begin":"soon"}` {
		t.Errorf("a time that cannot be read became %s", got)
	}
}

// TestOneTypePerName: analysts join the kinds, so a name has the same type in all of them.
func TestOneTypePerName(t *testing.T) {
	types := map[string]ColumnType{}
	for _, k := range schemas.Kinds() {
		for _, c := range Columns(k) {
			if known, ok := types[c.Name]; ok && known != c.Type {
				t.Errorf("%s: column %s has another type than in other kinds", k, c.Name)
			}
			types[c.Name] = c.Type
		}
	}
}

func TestNamesOfCodes(t *testing.T) {
	for _, c := range []struct {
		kind   schemas.Kind
		header string
		record string
		want   any
	}{
		{schemas.KindCDR, "call_id,device_type,call_type,release_cause,media_type,leave_reason", "c,2,43,0,5,16",
			map[string]any{"device_type": "agent", "call_type": "predictive_outbound", "release_cause": "normal", "media_type": "voice", "leave_reason": "agent_released"}},
		{schemas.KindCDR, "call_id,call_id_num,release_cause", "c,-1,30001", nil},
		{schemas.KindCDR, "call_id,media_type,sub_media_type", "c,53,7", map[string]any{"media_type": "social_chat"}},
		{schemas.KindRecording, "call_id,call_type,task_status", "c,1,0", map[string]any{"call_type": "outbound", "task_status": "not_converted"}},
		{schemas.KindOperation, "id,op_type,op_cause", "1,3,4", map[string]any{"op_type": "busy", "op_cause": "rest"}},
		{schemas.KindOperation, "id,op_cause,op_type", "1,257,0", map[string]any{"op_type": "sign_out", "op_cause": "forced_by_inspector"}},
		{schemas.KindOperation, "id,op_cause", "1,4", nil},
		{schemas.KindOperation, "id,op_type,op_cause", "1,busy,4", nil},
	} {
		e := testEncoder(t, c.kind, nil)
		if err := e.Header(strings.Split(c.header, ",")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, body(t, e, strings.Split(c.record, ","))["names"]); diff != "" {
			t.Errorf("%s, %s: %s", c.header, c.record, diff)
		}
	}
}

// TestDurations: a duration is there where both ends are, and nobody has to guess one.
func TestDurations(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		want     any
	}{
		{"2024-05-01 09:00:00", "2024-05-01 09:04:10", 250.0},
		{"2024-05-01 09:00:00", "2024-05-01 09:00:00", 0.0},
		{"2024-03-31 01:59:30", "2024-03-31 03:00:30", 60.0}, // over a clock change
		{"2024-10-27 02:30:00", "2024-10-27 03:30:00", nil},  // half past two comes twice
		{"2024-05-01 09:00:01", "2024-05-01 09:00:00", nil},  // backwards
		{"2024-05-01 09:00:00", "", nil}, {"", "2024-05-01 09:00:00", nil}, {"1970-01-01 00:00:00", "2024-05-01 09:00:00", nil},
		{"2024-05-01 09:00:00", "soon", nil}, {"2024-05-01T07:00:00Z", "2024-05-01 09:01:00", 60.0}, {"1714546800000", "2024-05-01 09:01:00", 60.0},
	} {
		for _, k := range []struct {
			kind   schemas.Kind
			header string
			name   string
		}{
			{schemas.KindCDR, "call_id,wait_begin,wait_end", "wait_s"}, {schemas.KindCDR, "call_id,ack_begin,ack_end", "ring_s"},
			{schemas.KindCDR, "call_id,call_begin,call_end", "talk_s"}, {schemas.KindRecording, "call_id,call_begin,call_end", "talk_s"},
			{schemas.KindOperation, "id,begin_time,end_time", "duration_s"},
		} {
			e := testEncoder(t, k.kind, berlin)
			if err := e.Header(strings.Split(k.header, ",")); err != nil {
				t.Fatal(err)
			}
			if got := body(t, e, []string{"1", c.from, c.to})[k.name]; got != c.want {
				t.Errorf("%s: %s from %q to %q is %v, want %v", k.kind, k.name, c.from, c.to, got, c.want)
			}
		}
	}
}

func TestNoIdentity(t *testing.T) {
	for _, k := range schemas.Kinds() {
		e := testEncoder(t, k, nil)
		record := slices.Repeat([]string{"x"}, len(Columns(k)))
		for i, c := range Columns(k) {
			if c.Name == "id" || c.Name == "call_id" {
				record[i] = " NULL "
			}
		}
		if _, err := e.Identify(record); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("%s: %v", k, err)
		}
		if _, err := e.Identify(nil); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("%s, empty: %v", k, err)
		}
	}
	for _, bad := range []struct {
		id       Identity
		revision int
	}{{Identity{}, 1}, {Identity{"a", "b", 1}, 0}, {Identity{"a", "b", 0}, 1}} {
		if _, err := testEncoder(t, schemas.KindCDR, nil).Message(nil, bad.id, bad.revision); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func TestNaturalKey(t *testing.T) {
	key := func(k schemas.Kind, changes map[string]string) string {
		t.Helper()
		record := strings.Split(schematest.Records[k], ",")
		for i, c := range Columns(k) {
			if text, ok := changes[c.Name]; ok {
				record[i] = text
			}
		}
		id, err := testEncoder(t, k, nil).Identify(record)
		if err != nil {
			t.Fatal(err)
		}
		return id.Key
	}
	for _, c := range []struct {
		kind    schemas.Kind
		changes map[string]string
		same    bool
	}{
		{schemas.KindCDR, map[string]string{"call_end": "2024-05-01 10:00:00", "release_cause": "9"}, true},
		{schemas.KindCDR, map[string]string{"call_id_num": "1"}, false},
		{schemas.KindCDR, map[string]string{"call_id": "2"}, false},
		{schemas.KindRecording, map[string]string{"task_status": "1", "file_name": ""}, true}, // original_file_name stands
		{schemas.KindRecording, map[string]string{"original_file_name": "x"}, false},
		{schemas.KindRecording, map[string]string{"call_begin": "2024-05-01 10:00:00"}, false},
		{schemas.KindRecording, map[string]string{"call_begin": "2024/05/01T09:01:00.000"}, true},
		{schemas.KindOperation, map[string]string{"op_type": "3", "call_id": ""}, true},
		{schemas.KindOperation, map[string]string{"id": "1"}, false},
		{schemas.KindSkill, map[string]string{"skill_list": "1"}, true},
		{schemas.KindSkill, map[string]string{"vdn": "40"}, false},
	} {
		if same := key(c.kind, nil) == key(c.kind, c.changes); same != c.same {
			t.Errorf("%s, %v: same key %t, want %t", c.kind, c.changes, same, c.same)
		}
	}
	// Without a part of its key, a row is its own key.
	for _, c := range []struct {
		kind    schemas.Kind
		lacking []string
		other   string
	}{
		{schemas.KindCDR, []string{"call_id_num"}, "device_no"},
		{schemas.KindRecording, []string{"original_file_name", "file_name"}, "call_end"},
		{schemas.KindRecording, []string{"call_begin"}, "call_end"},
		{schemas.KindOperation, []string{"id"}, "op_type"},
	} {
		lacking := map[string]string{}
		for _, name := range c.lacking {
			lacking[name] = " null "
		}
		one := key(c.kind, lacking)
		lacking[c.other] = "3"
		if one == key(c.kind, lacking) {
			t.Errorf("two rows of %s without %v share a key", c.kind, c.lacking)
		}
	}
	// Where it happened may be unknown.
	if key(schemas.KindOperation, map[string]string{"vdn_id": ""}) != key(schemas.KindOperation, map[string]string{"vdn_id": "", "op_type": "3"}) {
		t.Error("a revision of an operation without vdn_id is not seen")
	}
}

// TestRowsFollowTheirSchemas: whatever the cells hold, the body is what its
// schema says.
func TestRowsFollowTheirSchemas(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range schemas.Kinds() {
		schema := schematest.Compile(t, schemas.TypeRow+string(k))
		rapid.Check(t, func(rt *rapid.T) {
			e := testEncoder(t, k, zone)
			l := drawTurned(rt, k)
			id, err := identify(e, l)
			if err != nil {
				rt.Fatal(err)
			}
			m, err := e.Message(l.record, id, 3)
			if err != nil {
				rt.Fatal(err)
			}
			if err := schematest.Validate(t, schema, m.Body); err != nil {
				rt.Fatalf("%s: %v", m.Body, err)
			}
			want := schemas.RowHeader{ID: id.ID, Key: id.Key, Rest: e.Rest(l.record), Extract: schemas.ExtractSum(schematest.ResponseID), Type: schemas.TypeRow + string(k), Revision: 3}
			if got := schemas.ReadRowHeader(m.Headers()); got != want {
				rt.Fatalf("header %+v, want %+v", got, want)
			}
		})
	}
}

func FuzzRowEncoder(f *testing.F) {
	for i, k := range schemas.Kinds() {
		f.Add(byte(i), "", schematest.Records[k])
		f.Add(byte(i), strings.Join(columnNames(k), ","), schematest.Records[k])
	}
	f.Add(byte(0), "call_id,call_begin,call_id_num,x,x,col1", "1,2024-03-31 02:30:00,007,\xff,\"\"\"\",\u2028,y")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which byte, header, line string) {
		k := schemas.Kinds()[int(which)%len(schemas.Kinds())]
		r := csv.NewReader(strings.NewReader(line))
		r.LazyQuotes, r.FieldsPerRecord = true, -1
		record, err := r.Read()
		if err != nil {
			return
		}
		l := layout{record: record}
		if header != "" {
			l.header = strings.Split(header, ",")
		}
		IsHeader(k, record)
		e := testEncoder(t, k, zone)
		id, err := identify(e, l)
		if err != nil {
			return
		}
		m, err := e.Message(record, id, 1)
		if err != nil {
			t.Fatal(err)
		}
		checkRowBody(t, record, m.Body)
		if again, err := e.Identify(record); err != nil || again.Ordinal != 2 || again.Key != id.Key {
			t.Fatalf("second time: %+v, %v", again, err)
		}
	})
}

// checkRowBody: valid JSON in UTF-8 without repeated names, holding every value
// of the record.
func checkRowBody(t *testing.T, record []string, body []byte) {
	t.Helper()
	if !json.Valid(body) || !utf8.Valid(body) {
		t.Fatalf("body %q", body)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatal(err)
	}
	cells := len(out)
	for _, name := range []string{"extra", "unparsed"} {
		var inner map[string]string
		if raw, ok := out[name]; ok {
			if err := json.Unmarshal(raw, &inner); err != nil {
				t.Fatal(err)
			}
		}
		cells += len(inner)
	}
	for _, name := range []string{"tenant", "kind", "window", "wait_s", "ring_s", "talk_s", "duration_s", "names", "unparsed", "extra", "ambiguous", "row"} {
		if _, ok := out[name]; ok {
			cells--
		}
	}
	values, times := 0, 0
	for _, cell := range record {
		if text := trimCell(cell); !isNull(text) {
			values++
			if neverHappened(text) {
				times++
			}
		}
	}
	if cells > values || cells < values-times {
		t.Fatalf("%d cells of %d values (%d perhaps not happened): %q", cells, values, times, body)
	}
}

func BenchmarkRowEncoder(b *testing.B) {
	e := testEncoder(b, schemas.KindCDR, time.FixedZone("", 8*3600))
	record := strings.Split(schematest.Records[schemas.KindCDR], ",")
	id, err := e.Identify(record)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("identify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Identify(record); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("message", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Message(record, id, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline: encoding/json map", func(b *testing.B) {
		b.ReportAllocs()
		names := columnNames(schemas.KindCDR)
		for b.Loop() {
			row := make(map[string]any, len(names)+1)
			for i, name := range names {
				if text := strings.TrimSpace(record[i]); text != "" {
					row[name] = text
				}
			}
			row["row"] = map[string]any{"id": id.ID, "ordinal": 1, "file": "x.zip", "revision": 1}
			if _, err := json.Marshal(row); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestEditionsBySetting: cells beyond the columns of the edition that is set are extra ones;
// a header line knows better.
func TestEditionsBySetting(t *testing.T) {
	record := strings.Split(schematest.Records[schemas.KindCDR], ",")[:29]
	for edition, want := range map[int][2]bool{0: {true, false}, 18: {false, true}, 23: {true, true}, 29: {true, false}, 7: {true, false}} {
		e := NewEncoder(schematest.Names(t), schematest.File(schemas.KindCDR), schemas.KindCDR, Options{Edition: edition})
		for _, header := range [][]string{nil, columnNames(schemas.KindCDR)} {
			if err := e.Header(header); err != nil {
				t.Fatal(err)
			}
			row := body(t, e, record)
			_, named := row["skill_id"]
			extra, _ := row["extra"].(map[string]any)
			if header != nil {
				want = [2]bool{true, false}
			}
			if got := [2]bool{named, len(extra) > 0}; got != want {
				t.Errorf("edition %d, header %t: %v", edition, header != nil, row)
			}
		}
	}
	if got := []int{Width(schemas.KindRecording, 18), Width(schemas.KindRecording, 21), Width(schemas.KindOperation, 18), Width(schemas.KindCDR, 21)}; !slices.Equal(got, []int{13, 18, 21, 21}) {
		t.Errorf("widths %v", got)
	}
}

// TestWithoutNames: the setting leaves names out, and nothing else.
func TestWithoutNames(t *testing.T) {
	record := strings.Split(schematest.Records[schemas.KindCDR], ",")
	with := body(t, testEncoder(t, schemas.KindCDR, nil), record)
	without := body(t, NewEncoder(schematest.Names(t), schematest.File(schemas.KindCDR), schemas.KindCDR, Options{NoNames: true}), record)
	if with["names"] == nil || without["names"] != nil {
		t.Errorf("with %v, without %v", with["names"], without["names"])
	}
	delete(with, "names")
	if diff := cmp.Diff(with, without); diff != "" {
		t.Error(diff)
	}
}
