package witness

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// What somebody deletes while the server runs is no damage, whatever ends it then.
func TestF33DeletedByAnOperator(t *testing.T) {
	t.Attr("figure", "8 ways to delete on purpose, 0 taken for damage, then and after two starts")
	events := bustest.Names(t).Stream(schemas.StreamEvents)
	for name, remove := range map[string]func(s *store, of jetstream.Stream) error{
		"all": func(s *store, of jetstream.Stream) error { return of.Purge(t.Context()) },
		"the beginning": func(s *store, of jetstream.Stream) error {
			return of.Purge(t.Context(), jetstream.WithPurgeSequence(20))
		},
		"all but a few": func(s *store, of jetstream.Stream) error { return of.Purge(t.Context(), jetstream.WithPurgeKeep(3)) },
		"an agent": func(s *store, of jetstream.Stream) error {
			return of.Purge(t.Context(), jetstream.WithPurgeSubject("*.*.*.agent.291.>"))
		},
		"one":            func(s *store, of jetstream.Stream) error { return of.DeleteMsg(t.Context(), 12) },
		"the last":       func(s *store, of jetstream.Stream) error { return of.DeleteMsg(t.Context(), 35) },
		"one, for good":  func(s *store, of jetstream.Stream) error { return of.SecureDeleteMsg(t.Context(), 12) },
		"the last again": func(s *store, of jetstream.Stream) error { return of.SecureDeleteMsg(t.Context(), 35) },
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			live, killed := filepath.Join(base, "live"), filepath.Join(base, "killed")
			s := openStore(t, live)
			for n := range uint64(5) {
				for agent := range agents {
					s.publish(agent, schemas.Position{Epoch: 1, Seq: n + 1})
				}
			}
			s.look()
			of, err := s.conn.Stream(t.Context(), events)
			if err == nil {
				err = remove(s, of)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.look()
			copyDir(t, live, killed)
			s.close()
			for _, dir := range []string{live, killed, killed} {
				s := openStore(t, dir)
				s.publish(1, schemas.Position{Epoch: 2, Seq: 1})
				s.look()
				if err := s.book.Found(); err != nil || len(s.book.notes.Unsaid) > 0 {
					t.Errorf("%s: %v, %v", filepath.Base(dir), err, s.book.notes.Unsaid)
				}
				s.close()
			}
		})
	}
}

// TestMissing: what is taken for damage of a stream, by how it looks.
func TestMissing(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	made := now.Add(-48 * time.Hour)
	like := func(first, last uint64, holes ...span) shape {
		return shape{Made: made, First: first, Last: last, FirstTime: now.Add(-time.Hour), Holes: holes}
	}
	old, other := like(1, 100), like(1, 40)
	old.FirstTime, other.Made = now.Add(-25*time.Hour), now
	start := judgement{holes: true, head: true, age: 24 * time.Hour, now: now}
	for name, c := range map[string]struct {
		judgement
		noted, have shape
		known       uint64
		want        []span
	}{
		"nothing":                    {start, like(1, 100), like(1, 100), 100, nil},
		"more":                       {start, like(1, 100), like(1, 120), 110, nil},
		"never seen":                 {start, shape{}, like(50, 120, span{60, 70}), 0, nil},
		"a lower end":                {start, like(1, 100), like(1, 80), 100, []span{{81, 100}}},
		"lower than a mark":          {start, like(1, 100), like(1, 110), 115, []span{{111, 115}}},
		"a lower end, while it runs": {judgement{now: now}, like(1, 100), like(1, 80), 100, []span{{81, 100}}},
		"nothing left":               {start, like(1, 100), shape{Made: made}, 100, []span{{1, 100}}},
		"nothing left after a purge": {start, like(101, 100), shape{Made: made}, 100, nil},
		"a hole":                     {start, like(1, 100), like(1, 120, span{30, 40}), 110, []span{{30, 40}}},
		"a known hole grows":         {start, like(1, 100, span{30, 40}), like(1, 120, span{28, 43}), 110, []span{{28, 29}, {41, 43}}},
		"a hole behind the end":      {start, like(1, 100), like(1, 120, span{30, 40}, span{115, 118}), 110, []span{{30, 40}}},
		"a hole, while it runs":      {judgement{now: now}, like(1, 100), like(1, 120, span{30, 40}), 110, nil},
		"a higher beginning":         {start, like(1, 100), like(20, 100), 100, []span{{1, 19}}},
		"a beginning that was old":   {start, old, like(20, 100), 100, nil},
		"a beginning, while it runs": {judgement{now: now}, like(1, 100), like(20, 100), 100, nil},
		"another stream":             {start, like(10, 100, span{20, 30}), other, 100, []span{{10, 19}, {31, 100}}},
		"another, after a purge":     {start, like(101, 100), other, 100, nil},
	} {
		if got := c.missing(c.noted, c.have, c.known); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A book that is damaged itself says less, and nothing wrong.
func TestDamagedBook(t *testing.T) {
	for name, harm := range map[string]func(dir string){
		"marks":      func(dir string) { flip(t, dir+"/marks") },
		"marks cut":  func(dir string) { cut(t, dir+"/marks") },
		"no marks":   func(dir string) { remove(t, dir+"/marks") },
		"notes":      func(dir string) { cut(t, dir+"/streams.json") },
		"no notes":   func(dir string) { remove(t, dir+"/streams.json") },
		"notes zero": func(dir string) { remove(t, dir+"/streams.json"); write(t, dir+"/streams.json", make([]byte, 100)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir)
			for n := range uint64(9) {
				s.publish(int(n)%3, schemas.Position{Epoch: 1, Seq: n/3 + 1})
			}
			s.look()
			s.close()
			harm(filepath.Join(dir, "witness"))
			again := openStore(t, dir)
			again.publish(1, schemas.Position{Epoch: 2, Seq: 1})
			again.look()
			if err := again.book.Found(); err != nil || len(again.book.notes.Unsaid) > 0 {
				t.Errorf("%v, %v", err, again.book.notes.Unsaid)
			}
		})
	}
}

// TestMirroredBuckets: the spool and the hub have buckets of the same name. One is not taken
// for the other, made anew.
func TestMirroredBuckets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	book, err := Open(Options{Dir: filepath.Join(dir, "witness"), Names: bustest.Names(t), Hub: "nats://hub"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	}()
	bucket := bustest.Names(t).BucketStream(schemas.BucketSessions)
	var watches []*Watch
	for _, k := range []Kind{Spool, Hub} {
		conn := hubtest.Open(t, bustest.Server(t))
		hubtest.Ensure(t, conn)
		if _, err := kv.Open(conn, schemas.BucketSessions).Put(t.Context(), "acme.291", []byte("x")); err != nil {
			t.Fatal(err)
		}
		watches = append(watches, NewWatch(book, conn, k, 0, bucket))
	}
	for range 3 {
		for _, w := range watches {
			if err := w.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := book.Found(); err != nil {
		t.Error(err)
	}
}

// TestHeardAt: a message tells until when its agent was heard of, not the time at which a spool
// has brought it to the hub; unless its own time makes no sense.
func TestHeardAt(t *testing.T) {
	stored := time.Now()
	for said, want := range map[string]time.Time{
		stored.Add(-time.Hour).Format(time.RFC3339Nano): stored.Add(-time.Hour),
		stored.Add(time.Hour).Format(time.RFC3339Nano):  stored,
		"":          stored,
		"yesterday": stored,
	} {
		m := schemas.Stored{StoredAt: stored, Header: map[string][]string{"ce-time": {said}}}
		if got := heardAt(m); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", said, got, want)
		}
	}
}
