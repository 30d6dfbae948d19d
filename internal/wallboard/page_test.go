package wallboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// client sends no request twice, and follows nothing.
func client(t testing.TB) *http.Client {
	c := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// request sends one, with headers as pairs.
func (s *stage) request(method, path, body string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := client(s.t).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(text)
}

// listening is a stream of events that is read.
type listening struct {
	t      testing.TB
	lines  *bufio.Reader
	status int
	header http.Header
	close  func()
}

// listen opens a stream, which ends with the test.
func (s *stage) listen(query string, headers ...string) *listening {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"wallboard/events?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client(s.t).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &listening{t: s.t, lines: bufio.NewReader(answer.Body), status: answer.StatusCode, header: answer.Header}
	l.close = sync.OnceFunc(func() {
		cancel()
		_ = answer.Body.Close()
	})
	s.t.Cleanup(l.close)
	return l
}

// next is the next event; an error where the stream ends.
func (l *listening) next() (event, data string, err error) {
	for {
		line, err := l.lines.ReadString('\n')
		switch line = strings.TrimSuffix(line, "\n"); {
		case err != nil:
			return "", "", err
		case line == "" && event != "":
			return event, data, nil
		case strings.HasPrefix(line, "event: "):
			event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		default:
			l.t.Errorf("no line of an event: %q", line)
		}
	}
}

// patch is the next one.
func (l *listening) patch() (p patch) {
	l.t.Helper()
	for {
		event, data, err := l.next()
		if err != nil {
			l.t.Fatal(err)
		}
		if event == "patch" {
			if err := json.Unmarshal([]byte(data), &p); err != nil {
				l.t.Fatal(err)
			}
			return p
		}
	}
}

// TestStream: a viewer gets all at first, then what changes; after a break only what it missed,
// and all of another process.
func TestStream(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.polls(acme, "bridge-1")
	s.agent(acme, "101", schemas.StateReady, time.Now(), "")
	l := s.listen("")
	if event, data, err := l.next(); err != nil || event != "hello" || data != s.board.assets || l.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %s %v %v", event, data, err, l.header)
	}
	first := l.patch()
	if !first.Whole || !strings.Contains(first.Agents, "t-acme.101") || first.Parts["n-ready"] != "1" {
		t.Fatalf("%+v", first)
	}
	s.agent(acme, "101", schemas.StateOnCall, time.Now(), "7-1")
	var changed patch
	for changed.Tiles["t-acme.101"] == "" {
		changed = l.patch()
		if changed.Whole || changed.Boot != first.Boot || changed.Version <= first.Version {
			t.Fatalf("%+v", changed)
		}
	}
	if !strings.Contains(changed.Tiles["t-acme.101"], "7-1") {
		t.Errorf("%+v", changed)
	}
	l.close()
	again := s.listen(url.Values{"boot": {first.Boot}, "version": {fmt.Sprint(first.Version)}}.Encode()).patch()
	if again.Whole || !strings.Contains(again.Tiles["t-acme.101"], "7-1") {
		t.Errorf("after a break: %+v", again)
	}
	if other := s.listen(fmt.Sprintf("boot=other&version=%d", first.Version)).patch(); !other.Whole || other.Boot != first.Boot {
		t.Errorf("of another process: %+v", other)
	}
}

// TestStreamsEnd: streams that are open do not hold up the end, and nobody gets one any more.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	a, b := s.listen(""), s.listen("")
	a.patch()
	b.patch()
	s.stop()
	for _, l := range []*listening{a, b} {
		for err := error(nil); err == nil; {
			_, _, err = l.next()
		}
	}
}

// TestStreamOutlivesTheServersLimits: time limits of requests are not those of a stream, which
// says every few seconds that it lives.
func TestStreamOutlivesTheServersLimits(t *testing.T) {
	t.Parallel()
	b := New(Options{Bridges: nil})
	b.sheet.put(change{parts: map[string]string{"p": "x"}})
	server := httptest.NewUnstartedServer(b.Handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	server.Start()
	defer server.Close()
	s := &stage{t: t, board: b, url: server.URL + "/"}
	l := s.listen("")
	defer l.close()
	l.patch()
	for times := 0; times < 2; {
		event, data, err := l.next()
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		var now struct {
			At    int64
			Clock string
		}
		if event == "time" {
			times++
			if err := json.Unmarshal([]byte(data), &now); err != nil || now.At == 0 || now.Clock == "" {
				t.Errorf("%s: %v", data, err)
			}
		}
	}
}

// TestViewersAreLimited: one more than may look is told so; when one has gone, the next may.
func TestViewersAreLimited(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(o *Options) { o.Viewers = 2 })
	a, b := s.listen(""), s.listen("")
	a.patch()
	b.patch()
	for _, path := range []string{"", "wallboard/events"} {
		if answer, text := s.request(http.MethodGet, path, ""); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("/%s: %d %s", path, answer.StatusCode, text)
		}
	}
	a.close()
	s.until("there is room", func() bool {
		answer, _ := s.request(http.MethodGet, "", "")
		return answer.StatusCode == http.StatusOK
	})
}

// TestWhoReadsNothing is dropped and holds nothing up: the others have their news.
func TestWhoReadsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.polls(acme, "bridge-1")
	idle, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(s.url, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprintf(idle, "GET /wallboard/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	l := s.listen("")
	l.patch()
	for i := range 300 {
		s.agent(acme, fmt.Sprint(i), schemas.StateReady, time.Now(), strings.Repeat("9", 200))
	}
	for seen := ""; seen != "300"; {
		if n, ok := l.patch().Parts["n-ready"]; ok {
			seen = n
		}
	}
}

// TestLazy: the hub is read while somebody looks and a little longer, once for all, and not
// before.
func TestLazy(t *testing.T) {
	t.Parallel()
	var counting *countingHub
	s := newStage(t, func(o *Options) {
		counting = &countingHub{Hub: o.Hub}
		o.Hub, o.Linger = counting, 100*time.Millisecond
	})
	if n := counting.follows.Load(); n != 0 {
		t.Errorf("%d follow before anybody looks", n)
	}
	for range 3 {
		s.listen("").patch()
	}
	if now, most := counting.follows.Load(), counting.most.Load(); now != 2 || most != 2 {
		t.Errorf("three look: %d are followed, %d at most", now, most)
	}
	for range 2 {
		s.request(http.MethodGet, "", "")
	}
	s.board.mu.Lock()
	n := s.board.viewers
	s.board.mu.Unlock()
	if n != 3 {
		t.Errorf("%d look", n)
	}
}

// TestWatchingEnds: some time after the last viewer has gone, nothing is read any more; who
// comes then sees what is so by then.
func TestWatchingEnds(t *testing.T) {
	t.Parallel()
	var counting *countingHub
	s := newStage(t, func(o *Options) {
		counting = &countingHub{Hub: o.Hub}
		o.Hub, o.Linger = counting, 100*time.Millisecond
	})
	s.polls(acme, "bridge-1")
	s.agent(acme, "101", schemas.StateReady, time.Now(), "")
	l := s.listen("")
	l.patch()
	l.close()
	s.until("nothing is read", func() bool { return counting.follows.Load() == 0 })
	s.agent(acme, "101", schemas.StateRest, time.Now(), "")
	if _, page := s.request(http.MethodGet, "", ""); !strings.Contains(page, `class="tile s-rest" id="t-acme.101"`) {
		t.Errorf("who comes later sees %.2000s", page)
	}
}

// countingHub counts buckets that are followed at a time.
type countingHub struct {
	Hub
	follows, most atomic.Int32
}

func (h *countingHub) Follow(ctx context.Context, bucket schemas.Bucket, f func(string, schemas.Stored, time.Time), idle func(time.Time)) error {
	h.most.Store(max(h.most.Load(), h.follows.Add(1)))
	defer h.follows.Add(-1)
	return h.Hub.Follow(ctx, bucket, f, idle)
}

// TestNumbersAreMasked: no byte of page or stream is a whole number.
func TestNumbersAreMasked(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.polls(acme, "bridge-1")
	const caller, called = "13912345678", "4008001234"
	s.event(acme, "101", "AgentEvent_Ringing", 1, fmt.Sprintf(`{"callid":"7-1","caller":%q,"called":%q}`, caller, called))
	s.agent(acme, "101", schemas.StateOnCall, time.Now(), "7-1")
	l := s.listen("")
	everything := ""
	for !strings.Contains(everything, "139******78 to 400*****34") {
		_, data, err := l.next()
		if err != nil {
			t.Fatal(err)
		}
		if everything += data; strings.Contains(everything, caller) {
			t.Fatal("a number is shown whole")
		}
	}
	_, page := s.request(http.MethodGet, "", "")
	for _, number := range []string{caller, called} {
		if strings.Contains(everything+page, number) {
			t.Errorf("%s is shown", number)
		}
	}
	if !strings.Contains(page, "139******78") {
		t.Errorf("the page lacks the call: %s", page)
	}
}

// TestFilterSheet: what a request asks for is shown without a script, and nothing of a request
// is written that is no token.
func TestFilterSheet(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                              "",
		"tenant=acme":                   "[data-tenant]:not([data-tenant=\"acme\"]){display:none}\n",
		"tenant=%3D41cme&state=ready":   "[data-tenant]:not([data-tenant=\"=41cme\"]){display:none}\n.tile:not(.s-ready){display:none}\n",
		"tenant=%22%5D%7B%7D&state=%7B": "",
		"state=nothing":                 "",
	} {
		w := httptest.NewRecorder()
		filterSheet(w, httptest.NewRequest(http.MethodGet, "/wallboard/filter.css?"+query, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
