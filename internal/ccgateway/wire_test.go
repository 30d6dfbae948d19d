package ccgateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// listenRaw answers each connection's first request with bytes as they are, and keeps
// the lines of the request's head as they are.
func listenRaw(t *testing.T, answer func() string) (address string, heads <-chan []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen, done := make(chan []string, 10), make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var head []string
			for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
				head = append(head, lines.Text())
			}
			seen <- head
			_, _ = io.WriteString(conn, answer())
			_ = conn.Close()
		}
	}()
	return l.Addr().String(), seen
}

// TestNameInAnotherScript: DNS, and whoever reads Host, know such a name in ASCII only.
func TestNameInAnotherScript(t *testing.T) {
	listener, heads := listenRaw(t, func() string { return "HTTP/1.1 204 No Content\r\n\r\n" })
	for host, want := range map[string]string{
		"шлюз.example:8043": "xn--g1ah2bza.example:8043", "GW.example:8043": "gw.example:8043", "[::1]:8043": "[::1]:8043",
	} {
		asked := ""
		a := newAgent(t, Options{URL: "http://" + host + testBase, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = address
			return new(net.Dialer).DialContext(ctx, network, listener)
		}})
		a.Poll(t.Context())
		if head := <-heads; asked != want || !slices.Contains(head, "Host: "+want) {
			t.Errorf("%s: asked for %s, sent %q", host, asked, head)
		}
	}
}

// TestHeadersAsTheyAreSpelt: names of headers go out as the platform's pages spell
// them, and are read however a gateway, or something before it, spells them.
func TestHeadersAsTheyAreSpelt(t *testing.T) {
	setGUID, setCookie, contentType := "", "", ""
	address, heads := listenRaw(t, func() string {
		body := "{\"message\":\"\xb2\xd9\xd7\xf7\",\"retcode\":\"100-007\"}" // GBK
		return "HTTP/1.1 200 OK\r\n" + setGUID + ": JSESSIONID=second.AgentGateway0\r\n" + setCookie + ": lb=n1; Path=/\r\n" +
			contentType + ": application/json;charset=GBK\r\nConnection: close\r\n\r\n" + body
	})
	for _, names := range [][3]string{
		{"Set-GUID", "Set-Cookie", "Content-Type"}, {"Set-Guid", "Set-Cookie", "Content-Type"},
		{"set-guid", "set-cookie", "content-type"}, {"SET-GUID", "SET-COOKIE", "CONTENT-TYPE"}, {"sEt-gUID", "set-Cookie", "Content-type"},
	} {
		setGUID, setCookie, contentType = names[0], names[1], names[2]
		a := newAgent(t, Options{URL: "http://" + address + testBase})
		r := a.Poll(t.Context())
		if a.GUID() != "second.AgentGateway0" || r.Err == nil || !strings.Contains(r.Err.Error(), "操作") {
			t.Errorf("%q: GUID %q, %v", names, a.GUID(), r.Err)
		}
		first := <-heads
		_, _ = a.Status(t.Context())
		second := <-heads
		for head, want := range map[*[]string][]string{
			&first:  {"Accept-Encoding", "Content-Type", "Guid", "Host", "User-Agent"},
			&second: {"Accept-Encoding", "Content-Type", "Cookie", "Guid", "Host", "User-Agent"},
		} {
			var got []string
			for _, line := range (*head)[1:] {
				name, _, _ := strings.Cut(line, ":")
				got = append(got, name)
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
		}
		if !slices.Contains(second, "Cookie: lb=n1") || !slices.Contains(second, "Guid: second.AgentGateway0") {
			t.Errorf("sent %q", second)
		}
	}
	for method, length := range map[string]bool{http.MethodGet: false, http.MethodDelete: false, http.MethodPost: true, http.MethodPut: true} {
		a := newAgent(t, Options{URL: "http://" + address + testBase})
		a.exchange(t.Context(), call{method: method, path: "/x"}, DefaultCallTimeout)
		if head := <-heads; slices.Contains(head, "Content-Length: 0") != length {
			t.Errorf("%s without a body: sent %q", method, head)
		}
	}
	a := newAgent(t, Options{URL: "http://" + address + testBase})
	_, _ = a.SignIn(t.Context(), SignIn{Password: "pass", Phone: "1"})
	var got []string
	for _, line := range (<-heads)[1:] {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	if want := []string{"Accept-Encoding", "Content-Length", "Content-Type", "Host", "User-Agent"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("sign-in sent %q, want %q", got, want)
	}
}
