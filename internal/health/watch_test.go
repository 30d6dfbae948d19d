package health

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
)

// lines is a log that many may write to.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestWatch: an alarm is raised within its period, logged once, and taken back.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines // the checks run beside each other
		var full, low, weak, downloads atomic.Bool
		when := func(wrong *atomic.Bool, text string) func(context.Context) error {
			return func(context.Context) error {
				if wrong.Load() {
					return errors.New(text)
				}
				return nil
			}
		}
		metrics := prometheus.NewRegistry()
		w := NewWatch(Options{Logger: zerolog.New(&log), Registerer: metrics, Checks: []Check{
			{Name: "store", Fatal: true, Raised: "store", Over: "store again", Find: when(&full, "no space left on device")},
			{
				Name: "disk", Raised: "disk", Over: "disk again", Find: when(&low, "5 MiB free"),
				Then: func(wrong bool) { downloads.Store(!wrong) },
			},
			{Name: "streams", Fatal: true, Costly: true, Raised: "streams", Over: "streams again", Find: when(&weak, "AICC_EVENTS.max_age: is 1h")},
		}})
		intake, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(intake) }()
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		expect := func(status, lines int, body string) {
			t.Helper()
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
			if answer.Code != status || answer.Body.String() != body {
				t.Errorf("answers %d %q, want %d %q", answer.Code, answer.Body, status, body)
			}
			if got := strings.Count(log.String(), "\n"); got != lines {
				t.Errorf("%d lines are logged, want %d:\n%s", got, lines, log.String())
			}
		}
		pass(2 * seldom)
		expect(200, 0, "ok\n")
		low.Store(true)
		pass(often)
		expect(200, 1, "disk: 5 MiB free\n")
		if downloads.Load() {
			t.Error("downloads go on while the disk is low")
		}
		full.Store(true)
		weak.Store(true)
		pass(often)
		expect(503, 2, "store: no space left on device\ndisk: 5 MiB free\n")
		pass(2 * seldom)
		raised := func() (sum float64) {
			for _, c := range w.watched {
				sum += testutil.ToFloat64(c.gauge)
			}
			return sum
		}
		if n, err := testutil.GatherAndCount(metrics, "aicc_alarm"); raised() != 3 || n != 3 || err != nil {
			t.Errorf("%v alarms of %d, want 3 of 3: %v", raised(), n, err)
		}
		full.Store(false)
		low.Store(false)
		pass(often)
		expect(503, 5, "streams: AICC_EVENTS.max_age: is 1h\n")
		weak.Store(false)
		pass(seldom)
		expect(200, 6, "ok\n")
		if !downloads.Load() || raised() != 0 {
			t.Errorf("downloads go on: %t, alarms %v", downloads.Load(), raised())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWatchOfWhatDoesNotAnswer: no answer in time is no finding.
func TestWatchOfWhatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(Options{Checks: []Check{{Costly: true, Find: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, Then: func(bool) { t.Error("something followed from it") }}}})
		if w.watched[0].look(t.Context()) {
			t.Error("it answered")
		}
		if err := w.watched[0].current(); err != nil {
			t.Errorf("it is an alarm: %v", err)
		}
	})
}

// TestOtherNumbersAreNoNews: the answer has the numbers of now, the log those of the
// beginning; other words are another line. All of an alarm is one line of the answer.
func TestOtherNumbersAreNoNews(t *testing.T) {
	var log lines
	found := errors.New("3 agents")
	w := NewWatch(Options{Logger: zerolog.New(&log), Checks: []Check{{Name: "agents", Raised: "agents", Over: "over", Find: func(context.Context) error { return found }}}})
	for _, c := range []struct {
		found  error
		answer string
		lines  int
	}{
		{found, "agents: 3 agents\n", 1},
		{errors.New("17 agents"), "agents: 17 agents\n", 1},
		{errors.Join(errors.New("17 agents"), errors.New("2 more")), "agents: 17 agents; 2 more\n", 2},
		{Full(60, 100), "agents: half full: more than 50 %\n", 3},
		{Full(85, 100), "agents: filling up: more than 80 %\n", 4},
		{Full(96, 100), "agents: nearly full: more than 95 %\n", 5},
		{nil, "ok\n", 6},
	} {
		found = c.found
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
		if n := strings.Count(log.String(), "\n"); answer.Body.String() != c.answer || n != c.lines {
			t.Errorf("answers %q, %d lines; want %q, %d", answer.Body, n, c.answer, c.lines)
		}
	}
}

func TestFull(t *testing.T) {
	for bytes, want := range map[int64]string{0: "", 49: "", 50: "50 %", 80: "80 %", 94: "80 %", 95: "95 %", 100: "95 %"} {
		err := Full(bytes, 100)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d of 100: %v, want %q", bytes, err, want)
		}
	}
	if err := Full(10, 0); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

// TestReady: only what keeps messages from being stored makes a bridge not ready, and nobody
// learns more than its name.
func TestReady(t *testing.T) {
	var full, low atomic.Bool
	find := func(wrong *atomic.Bool) func(context.Context) error {
		return func(context.Context) error {
			if wrong.Load() {
				return errors.New("a reason")
			}
			return nil
		}
	}
	w := NewWatch(Options{Checks: []Check{{Name: "store", Fatal: true, Find: find(&full)}, {Name: "disk", Find: find(&low)}}, Logger: zerolog.Nop()})
	ready := func() (int, string) {
		w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/healthz", nil)) // looks
		out := httptest.NewRecorder()
		w.Ready().ServeHTTP(out, httptest.NewRequest("GET", "/readyz", nil))
		return out.Code, out.Body.String()
	}
	low.Store(true)
	if code, text := ready(); code != 200 || text != "ok\n" {
		t.Errorf("a low disk: %d %q", code, text)
	}
	full.Store(true)
	if code, text := ready(); code != 503 || text != "store\n" {
		t.Errorf("nothing is stored: %d %q", code, text)
	}
}

// TestStuck: a look that does not end is noticed, one that takes its time is not, and nobody
// waits for a watch that does not run.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		var blocked atomic.Bool
		w := NewWatch(Options{Checks: []Check{
			{Name: "quick", Find: func(context.Context) error { return nil }},
			{Name: "costly", Costly: true, Find: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}},
			{Name: "deadlocked", Find: func(context.Context) error {
				if blocked.Load() {
					<-block // whatever ctx says
				}
				return nil
			}},
		}})
		time.Sleep(time.Hour)
		if err := w.Stuck(); err != nil {
			t.Errorf("before it runs: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		for range 100 {
			time.Sleep(7 * time.Second)
			if err := w.Stuck(); err != nil {
				t.Fatal(err)
			}
		}
		blocked.Store(true)
		time.Sleep(time.Minute)
		if err := w.Stuck(); err == nil || err.Error() != "no look at deadlocked has come to its end" {
			t.Error(err)
		}
		close(block)
		synctest.Wait()
		if err := w.Stuck(); err != nil {
			t.Errorf("when it goes on: %v", err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if err := w.Stuck(); err != nil {
			t.Errorf("after it ran: %v", err)
		}
	})
}
