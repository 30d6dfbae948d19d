package witness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

const (
	agents  = 7
	numbers = 52 // messages of each agent: they fill three blocks of the server's files
)

// store is a data folder: an embedded server, and the book of what it acknowledged.
type store struct {
	t      testing.TB
	server *embedded.Server
	conn   *wire.Conn
	book   *Book
	watch  *Watch
	out    *wire.Publisher
	closed bool
}

// openStore opens a folder as a bridge does: the look comes first.
func openStore(t testing.TB, dir string) *store {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: filepath.Join(dir, "nats"), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, server: server, conn: hubtest.Open(t, server, func(o *wire.Options) { o.InProcess = server })}
	hubtest.Ensure(t, s.conn)
	s.book, err = Open(Options{Dir: filepath.Join(dir, "witness"), Names: bustest.Names(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.watch = NewWatch(s.book, s.conn, Own, 0, Streams(bustest.Names(t))...)
	s.out = wire.NewPublisher(s.conn, wire.PublisherOptions{Witness: s.book})
	s.look()
	return s
}

func (s *store) look() {
	s.t.Helper()
	if err := errors.Join(s.watch.Look(s.t.Context()), s.watch.read(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

// close ends it in good order.
func (s *store) close() {
	if s.closed {
		return
	}
	s.closed = true
	if err := s.book.Close(); err != nil {
		s.t.Error(err)
	}
	s.conn.Close()
	s.server.Shutdown()
}

func agentName(agent int) string { return strconv.Itoa(290 + agent) }

// publish stores a message of an agent, of 64 KB.
func (s *store) publish(agent int, at schemas.Position) {
	s.t.Helper()
	e := schemas.Event{
		Via:    schemas.WayPoll,
		Tenant: "acme", Agent: agentName(agent), Type: "AgentEvent_Ringing", Group: schemas.GroupCall, Name: "ringing",
		ReceivedAt: time.Now(), Position: at, Content: json.RawMessage(`"` + strings.Repeat("x", 64_000) + `"`),
	}
	m, err := bustest.Names(s.t).EventMessage(e)
	if err == nil {
		err = s.out.Publish(s.t.Context(), bustest.Names(s.t).Stream(schemas.StreamEvents), wire.Message(m))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// fill stores numbers of all agents, the last excluded.
func (s *store) fill(from, to uint64) {
	for n := from; n < to; n++ {
		for agent := range agents {
			s.publish(agent, schemas.Position{Epoch: 1, Seq: n})
		}
	}
}

// lost counts what was acknowledged and is neither in the stream nor in a gap, and what
// is in both.
func (s *store) lost() (lost, gaps int) {
	s.t.Helper()
	there := map[string]bool{}
	events := bustest.Names(s.t).Stream(schemas.StreamEvents)
	if err := s.conn.Read(s.t.Context(), wire.Range{Stream: events, HeadersOnly: true}, func(m schemas.Stored) error {
		there[m.Get("ce-id")] = true
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	for agent := range agents {
		said := s.book.Unsaid(bustest.Names(s.t).Agent("acme", agentName(agent)))
		gaps += len(said)
		for seq := range uint64(numbers) {
			covered := 0
			for _, g := range said {
				if g.LastSeq < seq+1 && seq+1 <= g.LastSeq+uint64(g.MaxLost) {
					covered++
				}
			}
			switch stored := there[fmt.Sprintf("1.%s.%d", agentName(agent), seq+1)]; {
			case !stored && covered == 0:
				lost++
			case covered > 1 || stored && covered > 0:
				s.t.Errorf("agent %s: number %d is there (%t) and in %d gaps", agentName(agent), seq+1, stored, covered)
			}
		}
	}
	return lost, gaps
}

// copyDir copies a folder, which may be in use, as a kill of its process leaves it.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(from, path)
		switch {
		case err != nil || d.Name() == "bridge.lock":
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		b, err := os.ReadFile(path)
		info, missing := d.Info()
		if err = errors.Join(err, missing); errors.Is(err, fs.ErrNotExist) { // a file of the moment
			return nil
		}
		if err != nil {
			return err
		}
		copied := filepath.Join(to, name)
		return errors.Join(os.WriteFile(copied, b, 0o600), os.Chtimes(copied, info.ModTime(), info.ModTime()))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		b[len(b)/2+i] ^= 0xff
	}
	write(t, path, b)
}

// rot is flip as a disk does it: the file's times tell nothing.
func rot(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, path)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func cut(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()/2)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestF33DamageOfTheStore: what was acknowledged and is damaged in the stream's files, after
// a kill or a stop in good order, is in a gap, and an alarm tells. What harms nothing is
// silent.
func TestF33DamageOfTheStore(t *testing.T) {
	base := t.TempDir()
	live := filepath.Join(base, "live")
	s := openStore(t, live)
	s.fill(1, numbers/2)
	s.close() // which leaves an index that will be old
	s = openStore(t, live)
	s.fill(numbers/2, numbers+1)
	copyDir(t, live, filepath.Join(base, "killed"))
	s.look()
	s.close()
	copyDir(t, live, filepath.Join(base, "stopped"))
	cases := map[string]struct {
		harm     func(t testing.TB, dir string)
		harmless bool
	}{
		"nothing":        {func(testing.TB, string) {}, true},
		"newest flipped": {func(t testing.TB, dir string) { flip(t, dir+"/3.blk") }, false},
		"middle flipped": {func(t testing.TB, dir string) { flip(t, dir+"/2.blk") }, false},
		"first flipped":  {func(t testing.TB, dir string) { flip(t, dir+"/1.blk") }, false},
		"middle rotten":  {func(t testing.TB, dir string) { rot(t, dir+"/2.blk") }, false},
		"newest cut":     {func(t testing.TB, dir string) { cut(t, dir+"/3.blk") }, false},
		"middle cut":     {func(t testing.TB, dir string) { cut(t, dir+"/2.blk") }, false},
		"newest deleted": {func(t testing.TB, dir string) { remove(t, dir+"/3.blk") }, false},
		"middle deleted": {func(t testing.TB, dir string) { remove(t, dir+"/2.blk") }, false},
		"first deleted":  {func(t testing.TB, dir string) { remove(t, dir+"/1.blk") }, false},
		"all deleted": {func(t testing.TB, dir string) {
			remove(t, dir+"/1.blk")
			remove(t, dir+"/2.blk")
			remove(t, dir+"/3.blk")
		}, false},
		"index deleted": {func(t testing.TB, dir string) { _ = os.Remove(dir + "/index.db") }, true},
		"index overwritten": {func(t testing.TB, dir string) {
			_ = os.WriteFile(dir+"/index.db", []byte(strings.Repeat("x", 200)), 0o600)
		}, true},
	}
	var mu sync.Mutex
	lost, gaps, tries := 0, 0, 0
	t.Run("after a start", func(t *testing.T) {
		for _, end := range []string{"killed", "stopped"} {
			for name, c := range cases {
				t.Run(end+", "+name, func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "data")
					copyDir(t, filepath.Join(base, end), dir)
					c.harm(t, filepath.Join(dir, "nats/jetstream/$G/streams/AICC_EVENTS/msgs"))
					s := openStore(t, dir)
					found := s.book.Found()
					missed, records := s.lost()
					if missed != 0 || (found == nil) != c.harmless || (records == 0) != c.harmless {
						t.Errorf("%d lost, %d gaps, found: %v", missed, records, found)
					}
					s.close()
					again := openStore(t, dir)
					if once, still := again.lost(); once != 0 || still != records || fmt.Sprint(again.book.Found()) != fmt.Sprint(found) {
						t.Errorf("after another start: %d lost, %d gaps, %v", once, still, again.book.Found())
					}
					mu.Lock()
					defer mu.Unlock()
					lost, gaps, tries = lost+missed, gaps+records, tries+1
				})
			}
		}
	})
	t.Attr("figure", fmt.Sprintf("%d damages and harmless changes, %d lost, %d gap records", tries, lost, gaps))
	for key, n := range map[string]int{"tries": tries, "lost": lost, "duplicated": 0, "misordered": 0} {
		t.Attr(key, strconv.Itoa(n))
	}
	t.Attr("gaps", fmt.Sprintf("%d/%d", gaps, gaps))
}
