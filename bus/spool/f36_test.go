package spool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// folders plays a bridge's spool over data folders that are copied and put back.
type folders struct {
	t    *testing.T
	hub  nats.InProcessConnProvider
	root string
	sent map[string]bool // ids of messages
}

func newFolders(t *testing.T) *folders {
	f := &folders{t: t, hub: bustest.Server(t), root: t.TempDir(), sent: map[string]bool{}}
	hubtest.Ensure(t, hubtest.Open(t, f.hub))
	return f
}

// life runs a spool over a folder, and stores messages: their ids and texts begin with
// the name. With a hub it ends when that has all, else it just ends.
func (f *folders) life(folder, name string, messages int, away bool) {
	f.t.Helper()
	server, err := embedded.Start(f.t.Context(), embedded.Options{Dir: filepath.Join(f.root, folder)})
	if err != nil {
		f.t.Fatal(err)
	}
	defer server.Shutdown()
	link := &bustest.Cuttable{InProcessConnProvider: f.hub}
	hub := hubtest.Open(f.t, link, hubtest.Quick(300*time.Millisecond))
	if away {
		link.Cut()
	}
	s := spoolOn(f.t, server, hub)
	defer s.Close()
	ctx, stop := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for i := range messages {
		f.store(s, name, i)
	}
	if !away {
		flush(f.t, s)
	}
	stop()
	if err := <-done; err != nil {
		f.t.Error(err)
	}
}

// store stores a message without an id for the server's own deduplication.
func (f *folders) store(s *Spool, name string, i int) {
	f.t.Helper()
	m := bustest.AgentEvent(i%3, i, false)
	m.ID = fmt.Sprintf("%s-%d", name, i)
	f.sent[m.ID] = true
	publish(f.t, s, m)
}

func (f *folders) copy(from, to string) {
	f.t.Helper()
	to = filepath.Join(f.root, to)
	if err := os.RemoveAll(to); err != nil {
		f.t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(filepath.Join(f.root, from))); err != nil {
		f.t.Fatal(err)
	}
}

// stats are what the hub has of what was stored.
func (f *folders) stats() (got stats) {
	seen := map[string]int{}
	last := map[string]int{}
	for _, m := range hubtest.All(f.t, hubtest.Open(f.t, f.hub), schemas.StreamEvents) {
		id := m.Get("ce-id")
		if seen[id]++; seen[id] > 1 {
			got.duplicated++
		}
		name, number, _ := strings.Cut(id, "-")
		key := name + schemas.AgentOf(m.Subject)
		var i int
		fmt.Sscan(number, &i)
		if i < last[key] {
			got.misordered++
		}
		last[key] = i
	}
	for id := range f.sent {
		if seen[id] == 0 {
			got.lost++
		}
	}
	return got
}

// A spool's folder is copied, and both are used; or an older copy is put in its place.
// Sequences of the spool run twice then. Nothing is taken for the other's.
func TestF36CopiedAndRestoredSpool(t *testing.T) {
	t.Parallel()
	scenes := map[string]func(f *folders){
		"restored while the hub is away": func(f *folders) {
			f.life("a", "before", 30, false)
			f.copy("a", "old")
			f.life("a", "later", 60, false)
			f.copy("old", "a")
			f.life("a", "restored", 45, true)
			f.life("a", "after", 15, false)
		},
		"restored with messages left over": func(f *folders) {
			f.life("a", "before", 30, true)
			f.copy("a", "old")
			f.life("a", "later", 60, false) // the hub has what the old copy has left
			f.copy("old", "a")
			f.life("a", "restored", 45, true)
			f.life("a", "after", 15, false)
		},
		"restored twice": func(f *folders) {
			f.life("a", "before", 30, true)
			f.copy("a", "old")
			for i := range 3 {
				f.life("a", fmt.Sprintf("away%d", i), 20+10*i, true)
				f.life("a", fmt.Sprintf("there%d", i), 20, false)
				f.copy("old", "a")
			}
			f.life("a", "after", 60, true)
			f.life("a", "", 0, false)
		},
		"copied, used in turn": func(f *folders) {
			f.life("a", "before", 30, true)
			f.copy("a", "b")
			for i := range 3 {
				for _, folder := range []string{"a", "b"} {
					f.life(folder, fmt.Sprintf("%s.away%d", folder, i), 30, true)
				}
				for _, folder := range []string{"b", "a"} {
					f.life(folder, fmt.Sprintf("%s.there%d", folder, i), 10, false)
				}
			}
		},
		"empty, copied": func(f *folders) {
			f.life("a", "", 0, false)
			f.copy("a", "b")
			f.life("a", "a", 30, true)
			f.life("b", "b", 45, true)
			f.life("a", "", 0, false)
			f.life("b", "", 0, false)
		},
	}
	var mu sync.Mutex
	var sum stats
	t.Run("scene", func(t *testing.T) {
		for name, play := range scenes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFolders(t)
				play(f)
				got := f.stats()
				if got != (stats{}) {
					t.Errorf("%+v of %d", got, len(f.sent))
				}
				mu.Lock()
				defer mu.Unlock()
				sum = stats{sum.lost + got.lost, sum.duplicated + got.duplicated, sum.misordered + got.misordered}
			})
		}
	})
	sum.report(t, len(scenes))
	t.Attr("figure", fmt.Sprintf("%d scenes of a copied or restored folder, %d lost, %d duplicated", len(scenes), sum.lost, sum.duplicated))
}

// Two spools over copies run at the same time, and each loses acknowledgements.
func TestF36CopiesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.life("a", "before", 30, true)
	f.copy("a", "b")
	const each = 60
	var group sync.WaitGroup
	for _, folder := range []string{"a", "b"} {
		server, err := embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(f.root, folder)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Shutdown)
		var n atomic.Int64
		hub := hubtest.Open(t, bustest.Cutter(f.hub, func() bool { return n.Add(1)%7 == 3 }), hubtest.Quick(300*time.Millisecond))
		s := spoolOn(t, server, hub)
		forwards(t, s)
		for i := range each {
			f.sent[fmt.Sprintf("%s-%d", folder, i)] = true
		}
		group.Go(func() {
			for i := range each {
				m := bustest.AgentEvent(i%3, i, false)
				m.ID = fmt.Sprintf("%s-%d", folder, i)
				publish(t, s, m)
			}
			flush(t, s)
		})
	}
	group.Wait()
	got := f.stats()
	got.report(t, 1)
	t.Attr("figure", fmt.Sprintf("%d messages of two copies at once, %d lost, %d duplicated", len(f.sent), got.lost, got.duplicated))
	if got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// The disk takes no file when the spool starts: it waits, says so once, and goes on when
// there is room, with all that it had.
func TestF36NoRoomForTheLine(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.life("a", "before", 30, true)
	f.copy("a", "b")
	for _, stream := range []string{"AICC_SPOOL_EVENTS", "AICC_SPOOL_NOTICES"} {
		// What stands where the server writes keeps it from that, as a full disk does.
		blocked := filepath.Join(f.root, "b", "jetstream", "$G", "streams", stream, "meta.inf.tmp")
		if err := os.Mkdir(blocked, 0o700); err != nil {
			t.Fatal(err)
		}
		said := make(chan string, 100)
		server, err := embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(f.root, "b")})
		if err != nil {
			t.Fatal(err)
		}
		opened := make(chan error, 1)
		hub := hubtest.Open(t, f.hub)
		go func() {
			s, err := Open(t.Context(), Options{Server: server, Hub: hub, Logger: zerolog.New(lines(said))})
			if err == nil {
				s.Close()
			}
			opened <- err
		}()
		for what := ""; !strings.Contains(what, "make room in the folder data_dir"); {
			select {
			case what = <-said:
			case err := <-opened:
				t.Fatalf("%s: it does not wait: %v", stream, err)
			case <-bustest.Limited(t, 20*time.Second).Done():
				t.Fatalf("%s: nothing is said but %q", stream, what)
			}
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Fatalf("%s: %v", stream, err)
		}
		server.Shutdown()
	}
	f.life("b", "after", 15, false)
	f.life("a", "", 0, false)
	got := f.stats()
	got.report(t, 2)
	t.Attr("figure", fmt.Sprintf("2 starts on a disk that takes no file, %d messages, %d lost, %d duplicated", len(f.sent), got.lost, got.duplicated))
	if got != (stats{}) {
		t.Errorf("%+v", got)
	}
}

// lines are a log's.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

// Sessions and states are copied with the folder, or an older copy of them is put back.
// What the other wrote at the hub meanwhile is not taken for our own: it stays.
func TestF36MirrorsOfCopies(t *testing.T) {
	t.Parallel()
	values := map[schemas.Bucket][]string{
		schemas.BucketSessions: {session(7, "old"), session(1007, "new"), session(2007, "last")},
		schemas.BucketState:    {agentState(7, 1, "01"), agentState(1007, 4, "02"), agentState(2007, 1, "03")},
	}
	lost := 0
	for b, v := range values {
		m := newMirrored(t, b)
		admin := hubtest.As(assets.RoleAdmin)
		copyOfNear := hubtest.Open(t, bustest.Server(t), admin, quick)
		hubtest.MakeBuckets(t, copyOfNear, schemas.LeaseTTL)
		copied := kv.Open(copyOfNear, b)
		is := func(when, want string, all ...*kv.Bucket) {
			t.Helper()
			for _, k := range all {
				if value, _, err := k.Get(t.Context(), agentKey); err != nil || string(value) != want {
					lost++
					t.Errorf("%s %s: %s, want %s (%v)", b, when, value, want, err)
				}
			}
		}
		loaded, stop := m.start()
		m.wait("loaded", loaded)
		m.put(m.local, agentKey, v[0])
		m.becomes(m.outside, agentKey, v[0])
		m.put(copied, agentKey, v[0])
		m.put(m.local, agentKey, v[1])
		m.becomes(m.outside, agentKey, v[1])
		stop()
		// The copy starts, with what was.
		m.line = 1_800_000_000_000
		loaded, stop = m.startWith(copyOfNear, m.far)
		m.wait("loaded", loaded)
		is("beside the copy", v[1], m.outside, copied)
		m.swap(copied, agentKey, v[2])
		m.becomes(m.outside, agentKey, v[2])
		stop()
		// And the original again.
		m.line = 0
		loaded, stop = m.start()
		m.wait("loaded", loaded)
		is("beside the original", v[2], m.outside, m.local)
		stop()
	}
	stats{lost: lost}.report(t, len(values))
	t.Attr("figure", fmt.Sprintf("%d buckets of copied folders, %d entries overwritten by older ones", len(values), lost))
}

// Ids were given twice, because a bridge lost what it knew of its epochs. A "duplicate"
// whose bytes differ is no duplicate, here and at the hub; one with the same bytes is.
func TestF41IdsGivenTwice(t *testing.T) {
	t.Parallel()
	event := func(id, text string) schemas.Message {
		m := bustest.AgentEvent(0, 0, true)
		m.ID, m.Body = id, []byte(`"`+text+`"`)
		return m
	}
	letter := func(text string) schemas.Message {
		m := bustest.Message("aicc.v1.acme.deadletter.invalid_message", "letter", true)
		m.Body = []byte(`"` + text + `"`)
		return m
	}
	cases := map[string]struct {
		before, after []schemas.Message // straight to the hub; into the spool
		want          int
	}{
		"the same bytes":              {[]schemas.Message{event("1", "a")}, []schemas.Message{event("1", "a")}, 1},
		"other bytes":                 {[]schemas.Message{event("1", "a")}, []schemas.Message{event("1", "b")}, 2},
		"not the last one":            {[]schemas.Message{event("1", "a"), event("2", "a")}, []schemas.Message{event("1", "b"), event("2", "b")}, 4},
		"both in the spool":           {nil, []schemas.Message{event("1", "a"), event("1", "b")}, 2},
		"both in the spool, as same":  {nil, []schemas.Message{event("1", "a"), event("1", "a")}, 1},
		"letters that differ in when": {[]schemas.Message{letter("a")}, []schemas.Message{letter("b")}, 1},
	}
	lost := 0
	for name, tc := range cases {
		hub := hubtest.Ready(t)
		s := spoolOn(t, bustest.Server(t), hub)
		for _, m := range tc.before {
			direct(t, hub, m)
		}
		for _, m := range tc.after {
			publish(t, s, m)
		}
		runs(t, s)
		flush(t, s)
		got := len(hubtest.All(t, hub, schemas.StreamEvents)) + len(hubtest.All(t, hub, schemas.StreamDeadLetters))
		lost += tc.want - got
		if got != tc.want {
			t.Errorf("%s: %d messages, want %d", name, got, tc.want)
		}
	}
	stats{lost: lost}.report(t, len(cases))
	t.Attr("figure", fmt.Sprintf("%d messages with ids given twice, %d swallowed", len(cases), lost))
}
