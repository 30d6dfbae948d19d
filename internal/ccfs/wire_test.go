package ccfs

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHeadersAsTheyAreSpelt: names of headers go out as the platform's samples spell
// them, the signature names what it signs in lower case, and those of an answer are
// read however they are spelt.
func TestHeadersAsTheyAreSpelt(t *testing.T) {
	const body = "<html>busy</html>"
	for _, spell := range []func(string) string{
		func(s string) string { return s }, strings.ToLower, strings.ToUpper,
		func(s string) string { return strings.ToLower(s[:2]) + strings.ToUpper(s[2:]) },
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan []string, 1)
		date := time.Now().Add(-time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		go func() {
			defer l.Close()
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			var head []string
			in := bufio.NewReader(conn)
			for {
				line, err := in.ReadString('\n')
				if line = strings.TrimRight(line, "\r\n"); err != nil || line == "" {
					break
				}
				head = append(head, line)
			}
			served <- head
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 503 x\r\n%s: text/html\r\n%s: %s\r\n%s: 77\r\n%s: %d\r\n%s: close\r\n\r\n%s",
				spell("Content-Type"), spell("Date"), date, spell("Retry-After"), spell("Content-Length"), len(body), spell("Connection"), body)
			_, _ = io.Copy(io.Discard, conn)
		}()
		c, err := New(Options{URL: "http://" + l.Addr().String() + "/CCFS/resource/ccfs", Key: testKey, AllowHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.QueryBills(t.Context(), bills())
		e := asError(t, err)
		if e.RetryAfter != 77*time.Second || e.Skew > -59*time.Minute {
			t.Errorf("%s: retry after %v, skew %v: %v", spell("Date"), e.RetryAfter, e.Skew, e)
		}
		head := <-served
		var names []string
		for _, line := range head[1:] {
			name, value, _ := strings.Cut(line, ": ")
			names = append(names, name)
			if name == "Authorization" && (!strings.HasPrefix(value, "auth-v2/") || !strings.Contains(value, "/content-length;content-type;host/")) {
				t.Errorf("%s", value)
			}
		}
		if want := []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Host", "User-Agent"}; !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("sent %q, want %q", names, want)
		}
		if !slices.Contains(head, "Content-Type: application/json;charset=UTF-8") {
			t.Errorf("sent %q", head)
		}
	}
}
