package ccgateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// cutKind is how a cutter cuts.
type cutKind struct {
	reset  bool // by RST instead of FIN
	secure bool // under TLS
}

var cutKinds = map[string]cutKind{
	"fin": {}, "rst": {reset: true}, "tls fin": {secure: true}, "tls rst": {reset: true, secure: true},
}

// cutter is a gateway that answers the first request of every connection, and
// reads and then cuts off every other.
type cutter struct {
	listener net.Listener
	kind     cutKind
	requests atomic.Int64
	cuts     atomic.Int64
	wait     sync.WaitGroup
}

func newCutter(t *testing.T, kind cutKind) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if kind.secure {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	}
	c := &cutter{listener: l, kind: kind}
	c.wait.Go(c.accept)
	t.Cleanup(func() {
		l.Close()
		c.wait.Wait()
	})
	return c
}

// certificate borrows the one of httptest.
func certificate() tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates[0]
}

func (c *cutter) options() Options {
	if c.kind.secure {
		return Options{URL: "https://" + c.listener.Addr().String(), InsecureSkipVerify: true}
	}
	return Options{URL: "http://" + c.listener.Addr().String()}
}

func (c *cutter) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.wait.Go(func() { c.handle(conn) })
	}
}

func (c *cutter) handle(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for n := 0; n < 2; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		c.requests.Add(1)
		if n == 0 {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n"+idleBody)
		}
	}
	c.cuts.Add(1)
	if c.kind.reset {
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn()
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// pollPairs polls in pairs, so that the second of each meets a cut; it returns
// how many polls were made and how many ended in Unknown.
func pollPairs(t *testing.T, a *Agent, pairs int) (polls, unknown int64) {
	t.Helper()
	for range 2 * pairs {
		p := a.Poll(t.Context())
		polls++
		switch {
		case p.Outcome == OutcomeUnknown && p.MayHaveLost && p.Err != nil:
			unknown++
		case p.Outcome != OutcomeEmpty:
			t.Fatalf("outcome %s: %v", p.Outcome, p.Err)
		}
	}
	return polls, unknown
}

// F8: a keep-alive connection is closed after the request was sent. The request must
// not be sent again in silence.
func TestF08CutPollIsNeverSentAgain(t *testing.T) {
	const pairs = 40
	cuts := 0
	for name, kind := range cutKinds {
		t.Run(name, func(t *testing.T) {
			server := newCutter(t, kind)
			polls, unknown := pollPairs(t, newAgent(t, server.options()), pairs)
			if got := server.requests.Load(); got != polls {
				t.Errorf("server saw %d requests, client made %d", got, polls)
			}
			if cuts := server.cuts.Load(); unknown != pairs || cuts != pairs {
				t.Errorf("%d cuts, %d visible errors, want %d of each", cuts, unknown, pairs)
			}
			cuts += pairs
		})
	}
	t.Attr("figure", fmt.Sprintf("0/%d silent re-sends, each of 4 ways to cut", cuts/len(cutKinds)))
	t.Attr("tries", fmt.Sprint(cuts))
}

func TestPollOnTheWire(t *testing.T) {
	client, server := net.Pipe()
	lines := make(chan string, 1)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer server.Close()
		var got []string
		scanner := bufio.NewScanner(server)
		for scanner.Scan() && scanner.Text() != "" {
			got = append(got, scanner.Text())
		}
		io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n"+idleBody)
		rest, _ := io.ReadAll(server)
		lines <- strings.Join(got, "\n") + "\nrest:" + string(rest)
	})
	a := newAgent(t, Options{URL: "http://gateway.test/agentgateway/resource", DialContext: pipeDialer(client)})
	p := a.Poll(t.Context())
	a.client.Close()
	wait.Wait()
	if p.Outcome != OutcomeEmpty || p.Connections != 1 {
		t.Fatalf("%s on %d connections: %v", p.Outcome, p.Connections, p.Err)
	}
	want := `GET /agentgateway/resource/agentevent/291 HTTP/1.1
Host: gateway.test
User-Agent: aicc-bridge
Accept-Encoding: identity
Content-Type: application/json; charset=UTF-8
Guid: first.AgentGateway0
rest:`
	if got := <-lines; got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}
