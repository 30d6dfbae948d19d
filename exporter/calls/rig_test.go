package calls

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/members"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// book is a ledger in memory.
type book struct {
	mu      sync.Mutex
	entries map[string]schemas.WindowEntry
	changes uint64
}

func (b *book) Await(context.Context) error { return nil }

func (b *book) Each(_ string, f func(schemas.WindowEntry)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		f(e)
	}
}

func (b *book) Changes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

func (b *book) note(e schemas.WindowEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[e.Key()] = e
	b.changes++
}

func (b *book) forget(e schemas.WindowEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, e.Key())
	b.changes++
}

// shop is a builder with everything around it in memory.
type shop struct {
	t        testing.TB
	names    schemas.Names
	ledger   *book
	rows     *exportertest.Rows
	calls    *exportertest.Calls
	said     *exportertest.Said
	letters  []schemas.Message
	fetched  bool
	kept     bool                         // files are published as by v0.1.0: markers name rows that stay
	files    map[string]map[string]string // the rows that files have, by subject: keys by ids
	builder  *Builder
	batch    int // messages of its batches; 0: as many as can be
	extracts int
	now      time.Time
}

func newShop(t testing.TB) *shop {
	s := &shop{
		t: t, names: exportertest.Names(t), ledger: &book{entries: map[string]schemas.WindowEntry{}},
		rows: &exportertest.Rows{}, calls: &exportertest.Calls{}, said: &exportertest.Said{}, files: map[string]map[string]string{}, now: exportertest.Hour(100).To,
	}
	s.restart()
	return s
}

func (s *shop) options() Options {
	return Options{
		Tenant: exportertest.Acme, Names: s.names, Ledger: s.ledger, Rows: s.rows.Read, Stream: s.calls, Audio: s.said.Heard, Fetched: s.fetched, Listen: 1,
		Letter: func(_ context.Context, m schemas.Message) error {
			s.letters = append(s.letters, m)
			return m.Validate()
		},
	}
}

// restart makes a new builder, as a new process does.
func (s *shop) restart() {
	b, err := New(s.options())
	exportertest.Check(s.t, err)
	b.most = cmp.Or(s.batch, b.most)
	s.builder = b
}

// newShopOf has few calls in a batch, so that few make several.
func newShopOf(t *testing.T, batch int) *shop {
	s := newShop(t)
	s.batch = batch
	s.restart()
	return s
}

// tick has everything made that is due.
func (s *shop) tick() {
	s.t.Helper()
	exportertest.Check(s.t, s.builder.tick(s.t.Context()))
	if !s.builder.Settled() {
		s.t.Error("it is not settled")
	}
}

// plan notes a window that is not complete.
func (s *shop) plan(k schemas.Kind, hour int) {
	e := exportertest.Planned(exportertest.Hour(hour), k)
	s.ledger.note(e)
}

// extract publishes records as a worker does, and completes their window.
func (s *shop) extract(k schemas.Kind, hour int, records ...record) {
	s.t.Helper()
	f := s.publish(k, hour, records...)
	all, _ := s.rows.On(s.names.Row(exportertest.Acme, k, f.Window))
	s.now = s.now.Add(time.Minute)
	s.ledger.note(schemas.WindowEntry{
		Tenant: exportertest.Acme, Kind: k, Window: f.Window, State: schemas.WindowCompleted, CompletedAt: s.now, Rows: len(all), ResponseID: f.ResponseID,
	})
}

// publish publishes records that are not there yet, or are other than they were.
func (s *shop) publish(k schemas.Kind, hour int, records ...record) schemas.FileReady {
	s.t.Helper()
	s.extracts++
	id := exportertest.ResponseID(s.extracts)
	f := schemas.FileReady{
		Tenant: exportertest.Acme, Kind: k, Window: exportertest.Hour(hour), ResponseID: id, FileName: "20260101_" + id + ".zip",
		ReceivedAt: s.now, Via: schemas.ViaCallback,
	}
	e := rows.NewEncoder(s.names, f, k, rows.Options{Zone: exportertest.Location(s.t, "Asia/Shanghai")})
	subject := s.names.Row(exportertest.Acme, k, f.Window)
	newest, last := map[string]int{}, uint64(0)
	there, markers := s.rows.On(subject)
	for _, r := range append(there, markers...) {
		last, newest[r.RowHeader.Key] = max(last, r.Sequence), max(newest[r.RowHeader.Key], r.RowHeader.Revision)
	}
	var batch []schemas.Message
	var kept []string
	before, now, changed := s.files[subject], map[string]string{}, map[string]bool{} // keys by ids
	type identified struct {
		id    rows.Identity
		cells []string
	}
	var file []identified
	for _, r := range records {
		cells := r.cells(k)
		id, err := e.Identify(cells)
		exportertest.Check(s.t, err)
		file = append(file, identified{id, cells})
		now[id.ID], changed[id.Key] = id.Key, changed[id.Key] || before[id.ID] == ""
	}
	for _, r := range file {
		id, cells := r.id, r.cells
		if s.kept && before[id.ID] != "" && changed[id.Key] {
			kept = append(kept, id.ID)
			continue
		}
		if !changed[id.Key] {
			continue
		}
		revision := newest[id.Key] + 1
		if revision > 1 {
			id = id.Again(revision)
		}
		m, err := e.Message(cells, id, revision)
		exportertest.Check(s.t, err)
		batch = append(batch, m)
	}
	for id, key := range before {
		if now[id] == "" && !changed[key] {
			now[id] = key // what is not in a file is not gone
		}
	}
	s.files[subject] = now
	marker, err := s.names.WindowCompleteMessage(schemas.WindowComplete{
		Tenant: f.Tenant, Kind: k, Window: f.Window, ResponseID: f.ResponseID, SHA256: "0", CompletedAt: s.now,
	})
	exportertest.Check(s.t, err)
	if len(kept) > 0 {
		slices.Sort(kept)
		marker.Body, err = members.Encode(json.RawMessage(marker.Body), members.Further{"kept": encoded(s.t, kept)})
		exportertest.Check(s.t, err)
	}
	for part := range slices.Chunk(append(batch, marker), schemas.MaxBatch) {
		last, err = s.rows.Append(s.t.Context(), part, last)
		exportertest.Check(s.t, err)
	}
	return f
}

func encoded(t testing.TB, v any) []byte {
	data, err := json.Marshal(v)
	exportertest.Check(t, err)
	return data
}

// record is a row by its columns; those left out are empty.
type record map[string]string

func (r record) cells(k schemas.Kind) []string {
	columns := rows.Columns(k)
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = r[c.Name]
	}
	return cells
}

// wall is a second of an hour as the files print it.
func wall(hour, second int) string {
	at := exportertest.NewYear.Add(time.Duration(hour)*time.Hour + time.Duration(second)*time.Second)
	return at.In(time.FixedZone("", 8*60*60)).Format(time.DateTime)
}

// inQueue and withAgent are legs of a call.
func inQueue(call string, number, hour, second int) record {
	return record{
		"developer": "ak", "call_id": call, "caller_no": "5550100", "callee_no": "5550199", "wait_begin": wall(hour, second), "wait_end": wall(hour, second+10),
		"device_type": "1", "device_no": "12", "call_type": "0", "release_cause": "3", "call_id_num": fmt.Sprint(number),
		"skill_id": "11", "current_skill_id": "12", "leave_reason": "0", "media_type": "5",
	}
}

func withAgent(call string, number, hour, second int) record {
	return record{
		"developer": "ak", "agent_id": "101", "call_id": call, "caller_no": "5550100", "callee_no": "5550199",
		"ack_begin": wall(hour, second), "ack_end": wall(hour, second+5), "call_begin": wall(hour, second+5), "call_end": wall(hour, second+65),
		"device_type": "2", "device_no": "101", "call_type": "0", "release_cause": "0", "call_id_num": fmt.Sprint(number),
		"current_skill_id": "12", "leave_reason": "15", "media_type": "5",
	}
}

func recorded(call string, hour, second int) record {
	return record{
		"developer": "ak", "agent_id": "101", "call_id": call, "call_begin": wall(hour, second), "call_end": wall(hour, second+60),
		"file_name": "/10/1/" + call + ".wav", "original_file_name": `X:\39\0\` + call + ".V3", "call_type": "0", "media_type": "5",
	}
}

func operated(id, call string, hour, second int) record {
	return record{
		"id": id, "agent_id": "101", "call_id": call, "begin_time": wall(hour, second), "end_time": wall(hour, second+7), "op_type": "40", "op_object": "102", "op_cause": "1",
	}
}

// with is a record with one cell changed.
func (r record) with(column, cell string) record {
	other := maps.Clone(r)
	other[column] = cell
	return other
}

// all are the calls that the stream has, by their ids, each revision once and in order, and
// each on one subject.
func (s *shop) all() map[string][]schemas.Call {
	s.t.Helper()
	calls := map[string][]schemas.Call{}
	for _, m := range s.calls.All(exportertest.Acme) {
		if m.Get("ce-type") != schemas.TypeCall {
			continue
		}
		var c schemas.Call
		exportertest.Unmarshal(s.t, m.Body, &c)
		before := calls[c.CallID]
		if c.Revision != len(before)+1 {
			s.t.Errorf("revision %d of %s comes behind %d others", c.Revision, c.CallID, len(before))
		}
		if len(before) > 0 && before[0].Window != c.Window || m.Subject != s.names.Call(exportertest.Acme, c.Window) {
			s.t.Errorf("call %s has the home %s, and is on %s", c.CallID, c.Window, m.Subject)
		}
		calls[c.CallID] = append(before, c)
	}
	return calls
}

// newest is the last revision of a call.
func (s *shop) newest(id string) schemas.Call {
	s.t.Helper()
	all := s.all()[id]
	if len(all) == 0 {
		s.t.Fatalf("there is no call %s", id)
	}
	return all[len(all)-1]
}

// marker is the last message of a home's subject, which must be one.
func (s *shop) marker(hour int) schemas.CallsComplete {
	s.t.Helper()
	var last schemas.Stored
	for _, m := range s.calls.All(exportertest.Acme) {
		if m.Subject == s.names.Call(exportertest.Acme, exportertest.Hour(hour)) {
			last = m
		}
	}
	if last.Get("ce-type") != schemas.TypeCallsComplete {
		s.t.Fatalf("the last message of hour %d is %q", hour, last.Get("ce-type"))
	}
	var c schemas.CallsComplete
	exportertest.Unmarshal(s.t, last.Body, &c)
	return c
}

// short writes a call down by its rows: "cdr:0 cdr:1 recording:0", with the hours of their windows.
func short(c schemas.Call) string {
	var list []string
	for _, r := range c.Rows {
		for range r.IDs {
			list = append(list, fmt.Sprintf("%s:%d", r.Kind, int(r.Window.From.Sub(exportertest.NewYear).Hours())))
		}
	}
	return strings.Join(list, " ")
}

func pretty(t testing.TB, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	exportertest.Check(t, err)
	return string(text) + "\n"
}

// sortedKeys are the keys of a map.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
