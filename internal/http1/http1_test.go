package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func appendGet(to []byte) []byte {
	return append(to, "GET /x HTTP/1.1\r\nHost: server.test\r\n\r\n"...)
}

// server answers requests with answers in turn, the last for ever, and closes a connection
// after one that ends in "|".
type server struct {
	net.Listener
	after                 func(net.Conn) // what becomes of the first connection after an answer
	idle                  chan struct{}  // closed when the client has read it
	done                  chan struct{}  // closed when it has
	connections, requests atomic.Int64
	running               sync.WaitGroup
	certificate           *x509.Certificate // nil: none
}

func serve(t *testing.T, secure bool, answers ...string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	if secure {
		lender := httptest.NewUnstartedServer(nil)
		lender.StartTLS()
		defer lender.Close()
		s.certificate = lender.Certificate()
		s.Listener = tls.NewListener(l, &tls.Config{Certificates: lender.TLS.Certificates})
	}
	s.running.Go(func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			s.running.Go(func() { s.answer(c, answers) })
		}
	})
	t.Cleanup(func() { _ = s.Close(); s.running.Wait() })
	return s
}

func (s *server) answer(c net.Conn, answers []string) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		n := int(s.requests.Add(1))
		text, last := strings.CutSuffix(answers[min(n, len(answers))-1], "|")
		if _, err := io.WriteString(c, text); err != nil || last {
			return
		}
		if s.after != nil && n == 1 {
			<-s.idle
			s.after(c)
			close(s.done)
		}
	}
}

// client is one of a server.
func (s *server) client(t *testing.T, o Options) *Client {
	t.Helper()
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr().String())
		if err != nil || s.certificate == nil {
			return c, err
		}
		roots := x509.NewCertPool()
		roots.AddCert(s.certificate)
		secure := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "example.com"})
		return secure, secure.HandshakeContext(ctx)
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = 10
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxHead == 0 {
		o.MaxHead = 1 << 10
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func ask(t *testing.T, c *Client) Answer {
	t.Helper()
	return c.Do(t.Context(), Request{Append: appendGet, Timeout: time.Minute, MaxBody: 100})
}

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

// Of each answer: what is made of it, and whether its connection is used again.
func TestAnswers(t *testing.T) {
	long := strings.Repeat("a", 100)
	for name, c := range map[string]struct {
		answer string
		status int
		body   string
		err    error // or, if it is nil, says
		says   string
		again  bool
	}{
		"length":                  {good, 200, "hi", nil, "", true},
		"chunks":                  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n1\r\ni\r\n0\r\nTrailer: x\r\n\r\n", 200, "hi", nil, "", true},
		"no body":                 {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", nil, "", true},
		"not modified":            {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", nil, "", true},
		"empty":                   {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", nil, "", true},
		"redirect":                {"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 302, "", nil, "", true},
		"interim":                 {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + good, 200, "hi", nil, "", true},
		"as long as allowed":      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + long, 200, long, nil, "", true},
		"until the end":           {"HTTP/1.1 200 OK\r\n\r\nhi|", 200, "hi", nil, "", false},
		"HTTP/1.0":                {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", nil, "", false},
		"to be closed":            {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", nil, "", false},
		"more than one":           {good + good, 200, "hi", nil, "", false},
		"too long":                {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + long + "a", 200, long, ErrBodyTooLarge, "", false},
		"chunks, too long":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + long + "a\r\n0\r\n\r\n", 200, long, ErrBodyTooLarge, "", false},
		"another protocol":        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, "", nil, "", false},
		"interim without end":     {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 7), 0, "", nil, "too many answers", false},
		"head too long":           {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 2000) + "\r\n\r\n", 0, "", ErrHeadTooLarge, "", false},
		"nothing":                 {"|", 0, "", io.ErrUnexpectedEOF, "", false},
		"cut in the head":         {"HTTP/1.1 200 OK\r\nConte|", 0, "", nil, "malformed", false},
		"cut in the body":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi|", 200, "hi", io.ErrUnexpectedEOF, "", false},
		"cut before the body":     {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n|", 200, "", io.ErrUnexpectedEOF, "", false},
		"cut in a chunk":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi|", 200, "hi", io.ErrUnexpectedEOF, "", false},
		"cut before the last one": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n|", 200, "hi", io.ErrUnexpectedEOF, "", false},
		"no HTTP":                 {"SSH-2.0-x\r\n\r\n", 0, "", nil, "malformed", false},
		"two lengths":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 0, "", nil, "Content-Length", false},
	} {
		for _, secure := range []bool{false, true} {
			s := serve(t, secure, c.answer, good)
			client := s.client(t, Options{})
			a := ask(t, client)
			if a.Status != c.status || string(a.Body) != c.body || !errors.Is(a.Err, c.err) && c.err != nil || c.says != "" && (a.Err == nil || !strings.Contains(a.Err.Error(), c.says)) {
				t.Errorf("%s: %d %q %v", name, a.Status, a.Body, a.Err)
			}
			if good := c.err == nil && c.says == ""; good != (a.Err == nil) || !a.Wrote || a.Connections != 1 || a.Begun.IsZero() {
				t.Errorf("%s: %+v", name, a)
			}
			if second := ask(t, client); second.Err != nil || string(second.Body) != "hi" && c.again {
				t.Errorf("%s, then: %q, %v", name, second.Body, second.Err)
			}
			if want := map[bool]int64{true: 1, false: 2}[c.again]; s.connections.Load() != want {
				t.Errorf("%s, TLS %t: %d connections, want %d", name, secure, s.connections.Load(), want)
			}
		}
	}
}

// What the other end has closed, or spoken on without being asked, is not used again: the
// request goes out on a new connection, and none is lost or made twice.
func TestConnectionsThatHaveEndedAreNotUsed(t *testing.T) {
	for name, after := range map[string]func(c net.Conn){
		"closed":      func(c net.Conn) { _ = c.Close() },
		"spoken on":   func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
		"half closed": func(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() },
		"reset": func(c net.Conn) {
			if secure, ok := c.(*tls.Conn); ok {
				c = secure.NetConn()
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		},
	} {
		for _, secure := range []bool{false, true} {
			s := serve(t, secure, good)
			s.after, s.idle, s.done = after, make(chan struct{}), make(chan struct{})
			client := s.client(t, Options{})
			if a := ask(t, client); a.Err != nil {
				t.Errorf("%s: %v", name, a.Err)
			}
			close(s.idle)
			<-s.done
			client.awaitNews(t)
			if a := ask(t, client); a.Err != nil || s.connections.Load() != 2 {
				t.Errorf("%s, TLS %t: %v on connection %d", name, secure, a.Err, s.connections.Load())
			}
		}
	}
}

// awaitNews waits until the only idle connection's socket can be read.
func (c *Client) awaitNews(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) != 1 {
		t.Fatalf("%d idle connections", len(c.idle))
	}
	c.idle[0].await()
}

// A request that was not written in time is not written at all; of one that was, it is not
// known what became of it. Nothing is made twice.
func TestTimeoutsAndEnds(t *testing.T) {
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	cause := errors.New("the end")
	for name, c := range map[string]struct {
		peer  func(net.Conn)
		ends  time.Duration // of the context; 0: never
		want  error
		after time.Duration
		wrote bool
	}{
		"no answer":         {silent, 0, context.DeadlineExceeded, time.Minute, true},
		"nothing taken":     {func(net.Conn) {}, 0, context.DeadlineExceeded, time.Minute, false},
		"half taken":        {func(c net.Conn) { _, _ = c.Read(make([]byte, 3)) }, 0, context.DeadlineExceeded, time.Minute, true},
		"ended":             {silent, time.Second, cause, time.Second, true},
		"ended, none taken": {func(net.Conn) {}, time.Second, cause, time.Second, false},
		"answer not in time": {func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
		}, 0, context.DeadlineExceeded, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				dials := 0
				client := New(Options{MaxIdle: 1, IdleTimeout: time.Hour, MaxHead: 100, Dial: func(context.Context) (net.Conn, error) {
					dials++
					return near, nil
				}})
				go c.peer(far)
				ctx, cancel := context.WithCancelCause(t.Context())
				if c.ends > 0 {
					time.AfterFunc(c.ends, func() { cancel(cause) })
				}
				defer cancel(nil)
				begun := time.Now()
				a := client.Do(ctx, Request{Append: appendGet, Timeout: time.Minute, MaxBody: 100})
				if !errors.Is(a.Err, c.want) || time.Since(begun) != c.after || a.Wrote != c.wrote || dials != 1 {
					t.Errorf("%+v after %s, %d dials", a, time.Since(begun), dials)
				}
			})
		})
	}
}

func TestNothingIsDoneWithoutAConnection(t *testing.T) {
	refused := errors.New("refused")
	client := New(Options{MaxIdle: 1, IdleTimeout: time.Hour, MaxHead: 100, Dial: func(context.Context) (net.Conn, error) { return nil, refused }})
	if a := ask(t, client); !errors.Is(a.Err, refused) || a.Wrote || a.Connections != 0 || !a.Begun.IsZero() {
		t.Errorf("%+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := client.Do(ctx, Request{}); !errors.Is(a.Err, context.Canceled) || a.Connections != 0 {
		t.Errorf("%+v", a)
	}
}

// Connections are kept as many and for as long as said, and none after Close.
func TestIdleConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		client := New(Options{MaxIdle: 2, IdleTimeout: time.Minute, MaxHead: 100, Dial: func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			open.Add(1)
			go func() {
				defer open.Add(-1)
				(&server{}).answer(far, []string{good})
			}()
			return near, nil
		}})
		together := func(n int) {
			var all sync.WaitGroup
			for range n {
				all.Go(func() { ask(t, client) })
			}
			all.Wait()
			synctest.Wait()
		}
		together(3)
		if n := open.Load(); n < 1 || n > 2 {
			t.Errorf("%d connections kept, want at most 2", n)
		}
		together(2)
		time.Sleep(30 * time.Second)
		together(1)
		kept := open.Load()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if n := open.Load(); n != 1 {
			t.Errorf("%d of %d are left, want the one used last", n, kept)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := open.Load(); n != 0 {
			t.Errorf("%d are left after their time", n)
		}
		together(1)
		client.Close()
		together(1)
		if n := open.Load(); n != 0 {
			t.Errorf("%d are left after Close", n)
		}
	})
}

// A poll that waits has one goroutine, and holds no buffer.
func TestWaitingCostsOneGoroutine(t *testing.T) {
	const waiting = 50
	release := make(chan struct{})
	var here sync.WaitGroup
	here.Add(waiting)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		here.Done()
		<-release
	}))
	defer s.Close()
	client := New(Options{MaxIdle: waiting, IdleTimeout: time.Minute, MaxHead: 1 << 10, Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}})
	defer client.Close()
	var asking sync.WaitGroup
	for range waiting {
		asking.Go(func() {
			if a := ask(t, client); a.Err != nil {
				t.Error(a.Err)
			}
		})
	}
	here.Wait()
	stacks := make([]byte, 4<<20)
	text := string(stacks[:runtime.Stack(stacks, true)])
	if n := strings.Count(text, "http1.(*Client).Do("); n != waiting {
		t.Errorf("%d goroutines, want %d", n, waiting)
	}
	if n := strings.Count(text, "http1.(*conn).receive"); n != 0 {
		t.Errorf("%d hold a buffer", n)
	}
	close(release)
	asking.Wait()
}

// FuzzAnswer: whatever a server writes is read as net/http reads it, and bounded.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\n" + good))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nuntil the end"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"))
	f.Fuzz(func(t *testing.T, text []byte) {
		const limit = 64
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			_, _ = far.Write(text)
			_ = far.Close()
		}()
		var a Answer
		again := newConn(near).receive(limit, math.MaxInt64, &a)
		if int64(len(a.Body)) > limit || again && a.Err != nil || a.Err != nil && a.Status == 0 && a.Body != nil {
			t.Fatalf("%+v, again: %t", a, again)
		}
		in := bufio.NewReader(strings.NewReader(string(text)))
		want, err := http.ReadResponse(in, nil)
		for range maxInterim {
			if err == nil && want.StatusCode < 200 && want.StatusCode != 101 {
				want, err = http.ReadResponse(in, nil)
			}
		}
		if err != nil || want.StatusCode < 200 && want.StatusCode != 101 {
			if a.Status != 0 || a.Err == nil {
				t.Fatalf("%+v, want %v", a, err)
			}
			return
		}
		body, err := io.ReadAll(want.Body)
		if a.Status != want.StatusCode || cmp.Diff(want.Header, a.Header) != "" || !strings.HasPrefix(string(body), string(a.Body)) {
			t.Fatalf("%+v, want %d %q", a, want.StatusCode, body)
		}
		if whole := err == nil && len(body) <= limit; whole != (a.Err == nil) || whole && len(a.Body) != len(body) {
			t.Fatalf("%q, %v; want %q, %v", a.Body, a.Err, body, err)
		}
	})
}
