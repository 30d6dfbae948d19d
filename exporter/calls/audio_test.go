package calls

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// rowOf is the newest row of a recording, as the stream has it.
func (s *shop) rowOf(hour int, call string) exportertest.Row {
	s.t.Helper()
	found, ok := s.rowsOf(hour)[call]
	if !ok {
		s.t.Fatalf("no row of hour %d is of %s", hour, call)
	}
	return found
}

// rowsOf are the last rows of the recording index of an hour, by call.
func (s *shop) rowsOf(hour int) map[string]exportertest.Row {
	s.t.Helper()
	there, _ := s.rows.On(s.names.Row(exportertest.Acme, recording, exportertest.Hour(hour)))
	of := map[string]exportertest.Row{}
	for _, r := range there {
		_, rest, has := strings.Cut(string(r.Body), `"call_id":"`)
		if call, _, ends := strings.Cut(rest, `"`); has && ends {
			of[call] = r
		}
	}
	return of
}

// say says what became of a recording, as the recorder does.
func (s *shop) say(row exportertest.Row, hour int, call string, status schemas.RecordingStatus) {
	s.t.Helper()
	said := schemas.Recording{
		Tenant: exportertest.Acme, Agent: "101", Status: status, Key: row.RowHeader.Key, Row: row.RowHeader.ID, Window: exportertest.Hour(hour), CallID: call, At: s.now,
	}
	if status == schemas.RecordingStored {
		said.Object, said.SHA256, said.Bytes = "AICC_RECORDINGS/"+call, strings.Repeat("ab", 32), 480044
		said.Format, said.Milliseconds, said.EncryptedBy, said.Source = "alaw", 60000, "0123456789abcdef", "file_name"
	} else {
		said.Reason = schemas.RecordingAbsent
	}
	m, err := s.names.RecordingMessage(said)
	exportertest.Check(s.t, err)
	s.said.Say(m, exportertest.StoredAt(row.Sequence+1))
}

// heardOf writes down what a call says of its recordings: "stored missing -".
func heardOf(c schemas.Call) string {
	var all []string
	for _, r := range c.Recordings {
		status := string(r.Audio.Status)
		if status == "" {
			status = "-"
		}
		all = append(all, status)
	}
	return strings.Join(all, " ")
}

// TestAudio: what is said of a recording is in its call, whenever it is said: as part of what
// is published when the call is made later, else as its next revision.
func TestAudio(t *testing.T) {
	t.Parallel()
	const stored, missing = schemas.RecordingStored, schemas.RecordingMissing
	row := func(s *shop) exportertest.Row { return s.rowOf(1, "c1") }
	index := func(s *shop) { s.extract(recording, 1, recorded("c1", 1, 5)) }
	legs := func(s *shop) { s.extract(cdr, 1, withAgent("c1", -1, 1, 0)) }
	say := func(status schemas.RecordingStatus) func(*shop) {
		return func(s *shop) { s.say(row(s), 1, "c1", status) }
	}
	tick := func(s *shop) { s.tick() }
	restart := func(s *shop) { s.restart(); s.tick() }
	for _, c := range []struct {
		what      string
		do        []func(*shop)
		heard     string
		revisions int
	}{
		{"nothing", []func(*shop){index, legs, tick, restart}, "-", 1},
		{"after the call", []func(*shop){index, legs, tick, say(stored), tick, tick}, "stored", 2},
		{"after the call, to another bridge", []func(*shop){index, legs, tick, say(stored), restart, restart}, "stored", 2},
		{"before the call", []func(*shop){index, say(stored), tick, legs, tick, restart}, "stored", 1},
		{"before the call, and another bridge makes it", []func(*shop){index, say(stored), tick, legs, restart, tick}, "stored", 1},
		{"before the call, and nobody listened", []func(*shop){index, say(stored), legs, tick}, "stored", 1},
		{"before its row is complete", []func(*shop){legs, tick, func(s *shop) { s.publish(recording, 1, recorded("c1", 1, 5)) }, say(stored), tick, index, tick}, "stored", 2},
		{"missing", []func(*shop){index, legs, tick, say(missing), tick}, "missing", 2},
		{"missing, then there", []func(*shop){index, legs, tick, say(missing), tick, say(stored), tick}, "stored", 3},
		{"missing, then there, at once", []func(*shop){index, legs, tick, say(missing), say(stored), tick}, "stored", 2},
		{"turns missing", []func(*shop){index, legs, tick, say(stored), tick, say(missing), restart}, "missing", 3},
		{"twice the same", []func(*shop){index, legs, tick, say(stored), tick, say(stored), tick}, "stored", 2},
		{"its row is corrected", []func(*shop){index, legs, say(stored), tick, func(s *shop) {
			s.extract(recording, 1, recorded("c1", 1, 5).with("call_end", wall(1, 70)))
		}, restart}, "stored", 2},
		{"its row is corrected when nobody knows any more", []func(*shop){index, legs, say(stored), tick, func(s *shop) {
			s.said.Replace()
			s.extract(recording, 1, recorded("c1", 1, 5).with("call_end", wall(1, 70)))
		}, restart}, "stored", 2},
		{"the stream is another one", []func(*shop){index, legs, say(missing), say(missing), say(missing), tick, func(s *shop) {
			s.said.Replace()
		}, say(stored), tick}, "stored", 2},
	} {
		s := newShop(t)
		for _, do := range c.do {
			do(s)
		}
		got := s.newest("c1")
		if heardOf(got) != c.heard || got.Revision != c.revisions {
			t.Errorf("%s: %q in revision %d, want %q in %d", c.what, heardOf(got), got.Revision, c.heard, c.revisions)
		}
		s.marker(1)
		if c.heard == "stored" && (got.Recordings[0].Audio.SHA256 != strings.Repeat("ab", 32) || got.Recordings[0].Audio.Bytes != 480044 ||
			got.Recordings[0].Audio.Object != "AICC_RECORDINGS/c1" || got.Recordings[0].Audio.Format != "alaw" || got.Recordings[0].Audio.EncryptedBy == "") {
			t.Errorf("%s: %+v", c.what, got.Recordings[0].Audio)
		}
		if last := s.newest("c1"); c.revisions > 1 && last.Changed[0] != "recordings" && c.what != "before its row is complete" && !strings.HasPrefix(c.what, "its row") {
			t.Errorf("%s: changed %v", c.what, last.Changed)
		}
	}
}

// Rows are not read again because audio comes, and what has been heard is not asked for again.
func TestAudioCostsNoRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.fetched = true
	s.restart()
	var legs, index []record
	for i := range 50 {
		id := fmt.Sprint("c", i)
		legs, index = append(legs, withAgent(id, -1, 1, i)), append(index, recorded(id, 1, i))
	}
	s.extract(cdr, 1, legs...)
	s.extract(recording, 1, index...)
	s.tick()
	read, batches := s.rows.Handed, s.calls.Batches
	for i := range 50 {
		id := fmt.Sprint("c", i)
		s.say(s.rowOf(1, id), 1, id, schemas.RecordingStored)
	}
	s.tick()
	if s.rows.Handed != read || s.calls.Batches != batches+1 {
		t.Errorf("%d rows read and %d batches", s.rows.Handed-read, s.calls.Batches-batches)
	}
	m := s.marker(1)
	if m.Heard != 50 || m.Revised != 50 || m.Added != 0 || m.Calls != 50 || m.Audio != schemas.AudioFetch || s.builder.Heard() != 50 {
		t.Errorf("the marker says %+v", m)
	}
	if c := s.newest("c7"); c.Sources.Audio != schemas.AudioFetch || heardOf(c) != "stored" {
		t.Errorf("audio is fetched, and the call says %q, %q", c.Sources.Audio, heardOf(c))
	}
	reads := s.said.Reads
	s.restart()
	s.tick()
	if s.said.Reads != reads || s.rows.Handed != read {
		t.Errorf("a new bridge reads %d messages on recordings and %d rows again", s.said.Reads-reads, s.rows.Handed-read)
	}
}

// More is said than is in memory at a time, of calls of several homes and of none.
func TestMuchAudio(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for hour := range 3 {
		s.extract(cdr, hour, withAgent(fmt.Sprint("c", hour), -1, hour, 10))
		s.extract(recording, hour, recorded(fmt.Sprint("c", hour), hour, 10), recorded("nobody's", hour, 20))
	}
	s.tick()
	for i := range 2*mostNews + 10 {
		if i%mostNews == 7 {
			hour := i / mostNews
			s.say(s.rowOf(hour, fmt.Sprint("c", hour)), hour, fmt.Sprint("c", hour), schemas.RecordingStored)
		} else {
			s.say(s.rowOf(1, "nobody's"), 1, "nobody's", schemas.RecordingMissing)
		}
	}
	s.tick()
	for hour := range 3 {
		if c := s.newest(fmt.Sprint("c", hour)); heardOf(c) != "stored" || c.Revision != 2 {
			t.Errorf("hour %d: %q in revision %d", hour, heardOf(c), c.Revision)
		}
	}
	if m := s.marker(1); m.Heard != 2*mostNews {
		t.Errorf("heard up to %d", m.Heard)
	}
}

// Wherever it fails while it puts audio into calls, the next bridge comes to the same calls.
func TestCrashesWithAudio(t *testing.T) {
	t.Parallel()
	const batch = 20
	scene := func(s *shop) {
		var legs, index []record
		for i := range batch + 5 {
			id := fmt.Sprintf("c%04d", i)
			legs, index = append(legs, withAgent(id, -1, 0, i)), append(index, recorded(id, 0, i))
		}
		s.extract(cdr, 0, legs...)
		s.extract(recording, 0, index...)
		s.extract(cdr, 1, withAgent("d", -1, 1, 0))
		s.extract(recording, 1, recorded("d", 1, 0))
		s.tick()
		of := s.rowsOf(0)
		for i := range batch + 5 {
			id := fmt.Sprintf("c%04d", i)
			s.say(of[id], 0, id, schemas.RecordingStored)
		}
		s.say(s.rowOf(1, "d"), 1, "d", schemas.RecordingMissing)
		s.calls.Batches = 0
	}
	want := newShopOf(t, batch)
	scene(want)
	want.tick()
	if want.calls.Batches < 3 || heardOf(want.newest("d")) != "missing" || heardOf(want.newest("c0023")) != "stored" {
		t.Fatalf("%d batches", want.calls.Batches)
	}
	for n := range want.calls.Batches {
		for _, after := range []bool{false, true} {
			s := newShopOf(t, batch)
			scene(s)
			fail := func(i int) error {
				if i == n+1 {
					return exportertest.ErrBus
				}
				return nil
			}
			if s.calls.Before = fail; after {
				s.calls.Before, s.calls.After = nil, fail
			}
			if err := s.builder.tick(t.Context()); !errors.Is(err, exportertest.ErrBus) {
				t.Fatalf("batch %d: %v", n+1, err)
			}
			s.calls.Before, s.calls.After = nil, nil
			s.restart()
			s.tick()
			same(t, fmt.Sprintf("batch %d, after: %v", n+1, after), want, s)
			if c := s.newest("c0000"); c.Revision != 2 {
				t.Errorf("batch %d, after: %v: revision %d", n+1, after, c.Revision)
			}
		}
	}
}

// It is not asked all the time what became of recordings.
func TestListensNowAndThen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := s.options()
	o.Listen = time.Hour
	b, err := New(o)
	exportertest.Check(t, err)
	s.builder = b
	s.extract(cdr, 1, withAgent("c1", -1, 1, 0))
	s.extract(recording, 1, recorded("c1", 1, 5))
	s.tick()
	s.say(s.rowOf(1, "c1"), 1, "c1", schemas.RecordingStored)
	s.tick()
	if c := s.newest("c1"); c.Revision != 1 || s.said.Reads != 0 {
		t.Errorf("revision %d, %d messages read", c.Revision, s.said.Reads)
	}
}
