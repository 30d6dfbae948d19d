package callback

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"aiccbridge/internal/platformsim/truth"
)

// TestHeadersAsTheyAreSpelt: names of headers go out as the platform's samples spell
// them, and an answer is read however its are spelt.
func TestHeadersAsTheyAreSpelt(t *testing.T) {
	for _, length := range []string{"Content-Length", "content-length", "CONTENT-LENGTH", "cONTENT-lENGTH"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heads := make(chan []string, 1)
		go func() {
			defer l.Close()
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			in, head := bufio.NewReader(conn), []string(nil)
			for {
				line, err := in.ReadString('\n')
				if line = strings.TrimRight(line, "\r\n"); err != nil || line == "" {
					break
				}
				head = append(head, line)
			}
			heads <- head
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+length+": 2\r\n\r\n{}")
			_, _ = io.Copy(io.Discard, in)
		}()
		s := sender(t, truth.New())
		if !s.Delivery(notice(t, "http://"+l.Addr().String()+"/cb")).Now(t.Context()) {
			t.Errorf("%s: not acknowledged", length)
		}
		s.Close()
		var names []string
		for _, line := range (<-heads)[1:] {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
		if want := []string{"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Content-Type", "Host"}; !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("sent %q, want %q", names, want)
		}
	}
}
