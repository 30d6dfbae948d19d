package filestore

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/c2sign"
)

// TestHeadersAsTheyAreSpelt: names of headers are read however they are spelt, and
// those of the answers are spelt as on the platform's pages.
func TestHeadersAsTheyAreSpelt(t *testing.T) {
	r := newRig(t, nil)
	server := httptest.NewServer(r.store)
	defer server.Close()
	body := envelope(t, map[string]any{"billFileName": "none.zip"})
	for _, spell := range []func(string) string{
		func(s string) string { return s }, strings.ToLower, strings.ToUpper,
		func(s string) string { return strings.ToLower(s[:2]) + strings.ToUpper(s[2:]) },
	} {
		want := []string{"Connection", "Content-Length", "Content-Type", "Date"}
		req := signed(t, "downloadBillFile", body, c2sign.Profile{})
		text := fmt.Sprintf("POST %s HTTP/1.1\r\n%s: %s\r\n%s: %s\r\n%s: %d\r\n%s: %s\r\n%s: close\r\n\r\n%s", req.URL.Path,
			spell("Host"), req.Host, spell("Content-Type"), jsonType, spell("Content-Length"), len(body),
			spell("Authorization"), req.Header.Get("Authorization"), spell("Connection"), body)
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		_ = conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(answer), "\r\n\r\n")
		var names []string
		for _, line := range strings.Split(head, "\r\n")[1:] {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
		if !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("%s: %q, want %q", spell("Host"), names, want)
		}
		if !strings.HasPrefix(head, "HTTP/1.1 200 ") || strings.Contains(rest, "0300001") {
			t.Errorf("%s: %s %s", spell("Host"), head, rest)
		}
	}
}
