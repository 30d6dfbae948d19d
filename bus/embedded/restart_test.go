package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishers publish until stop is called and remember what was acknowledged.
type publishers struct {
	acked   atomic.Int64
	refused atomic.Int64
	lost    func(js jetstream.JetStream) []string
	stop    func()
}

// publish starts n of them; each sends a message of this size at most every pace.
func publish(t *testing.T, s *Server, n, size int, pace time.Duration) *publishers {
	t.Helper()
	p := &publishers{}
	end := make(chan struct{})
	var group sync.WaitGroup
	acked := make([][]string, n)
	for i := range n {
		nc, _ := connect(t, s)
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(500*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for k := 0; ; k++ {
				select {
				case <-end:
					return
				case <-tick.C:
				}
				id := fmt.Sprintf("%d-%d", i, k)
				msg := &nats.Msg{Subject: "s." + id, Data: make([]byte, size)}
				if _, err := js.PublishMsg(t.Context(), msg, jetstream.WithRetryAttempts(0)); err != nil {
					p.refused.Add(1)
					continue
				}
				acked[i] = append(acked[i], "s."+id)
				p.acked.Add(1)
			}
		})
	}
	p.stop = sync.OnceFunc(func() { close(end); group.Wait() })
	t.Cleanup(p.stop)
	p.lost = func(js jetstream.JetStream) (lost []string) {
		st, err := js.Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		info, err := st.Info(t.Context(), jetstream.WithSubjectFilter("s.>"))
		if err != nil {
			t.Fatal(err)
		}
		for _, subjects := range acked {
			for _, subject := range subjects {
				if info.State.Subjects[subject] == 0 {
					lost = append(lost, subject)
				}
			}
		}
		return lost
	}
	return p
}

// wait waits until n more messages are acknowledged.
func (p *publishers) wait(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin, from := time.Now(), p.acked.Load()
	for p.acked.Load() < from+n {
		if <-tick.C; time.Since(begin) > time.Minute {
			t.Fatal("nothing is acknowledged any more")
		}
	}
}

func TestRestartUnderLoadLosesNothing(t *testing.T) {
	s := start(t, Options{})
	_, js := connect(t, s)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	p := publish(t, s, 4, 100, time.Millisecond)
	const restarts = 5
	for range restarts {
		p.wait(t, 50)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	p.wait(t, 50)
	p.stop()
	lost := p.lost(js)
	t.Attr("tries", fmt.Sprint(restarts))
	t.Attr("lost", fmt.Sprint(len(lost)))
	if len(lost) > 0 {
		t.Errorf("%d of %d acknowledged messages are gone, such as %s", len(lost), p.acked.Load(), lost[0])
	}
}

// Nobody who only asks waits for a restart, however long it takes.
func TestNobodyWaitsForARestart(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0"})
	s.life.Lock() // as during a restart
	s.mu.Lock()
	ns := s.server
	s.server, s.down = nil, errRestarting
	s.mu.Unlock()
	if err := s.Healthy(); err != errRestarting {
		t.Errorf("health is %v", err)
	}
	if _, err := s.InProcessConn(); err != errRestarting {
		t.Errorf("connecting: %v", err)
	}
	s.look(time.Now()) // keeps its hands off
	_, _, _ = s.Low(), s.MaxStoreBytes(), s.ClientURL()
	s.mu.Lock()
	s.server, s.down = ns, nil
	s.mu.Unlock()
	s.life.Unlock()
	if err := s.Healthy(); err != nil {
		t.Error(err)
	}
}

// An index is removed when a block was written after it, and else is believed.
func TestIndexOlderThanItsBlocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		blocks []time.Duration // written so long before the index
		stays  bool
	}{
		"no block":          {nil, true},
		"as it was stopped": {[]time.Duration{time.Hour, time.Millisecond}, true},
		"the newest is":     {[]time.Duration{time.Hour, -time.Millisecond}, false},
		"an old one is":     {[]time.Duration{-time.Hour, time.Second}, false},
	} {
		dir := t.TempDir()
		msgs := filepath.Join(dir, "jetstream", "$G", "streams", "AICC_EVENTS", "msgs")
		index := filepath.Join(msgs, "index.db")
		put := func(path string, at time.Time) {
			err := errors.Join(os.MkdirAll(msgs, 0o700), os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at))
			if err != nil {
				t.Fatal(err)
			}
		}
		put(index, now)
		for i, before := range c.blocks {
			put(filepath.Join(msgs, fmt.Sprintf("%d.blk", i+1)), now.Add(-before))
		}
		if err := distrust(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(index); (err == nil) != c.stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
