package callbacks

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw sends bytes to a server, and returns its answer to them as lines.
func raw(t *testing.T, address, request string) []string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(answer), "\r\n\r\n")
	return strings.Split(head, "\r\n")
}

// TestHeadersAsTheyAreSpelt: names of headers are read however they are spelt, and
// those of the answer are the usual ones.
func TestHeadersAsTheyAreSpelt(t *testing.T) {
	for name, tt := range map[string]struct {
		spell  func(header string) string
		status string
	}{
		"as usual":    {func(h string) string { return h }, "200"},
		"lower case":  {strings.ToLower, "200"},
		"upper case":  {strings.ToUpper, "200"},
		"mixed":       {func(h string) string { return strings.ToLower(h[:3]) + strings.ToUpper(h[3:]) }, "200"},
		"another one": {func(h string) string { return "X-" + h }, "400"}, // no Host
	} {
		store := &memory{}
		address := serving(t, newHandler(t, store, nil))
		request := wire(t, publicPath, sample, time.Now(), nil)
		head, body, _ := strings.Cut(request, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		for i, line := range lines[1:] {
			header, value, _ := strings.Cut(line, ":")
			lines[i+1] = tt.spell(header) + ":" + value
		}
		answer := raw(t, address, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
		if !strings.HasPrefix(answer[0], "HTTP/1.1 "+tt.status+" ") || (tt.status == "200") != (len(store.stored) == 1) {
			t.Errorf("%s: %q, stored %d", name, answer, len(store.stored))
		}
		var names []string
		for _, line := range answer[1:] {
			header, _, _ := strings.Cut(line, ":")
			names = append(names, header)
		}
		if want := []string{"Connection", "Content-Length", "Content-Type", "Date"}; tt.status == "200" && !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("%s: answered with %q, want %q", name, names, want)
		}
	}
	address := serving(t, newHandler(t, &memory{}, nil))
	packed := strings.Replace(wire(t, publicPath, sample, time.Now(), nil), "Connection:", "content-ENCODING: gzip\r\nConnection:", 1)
	if answer := raw(t, address, packed); !strings.HasPrefix(answer[0], "HTTP/1.1 415 ") {
		t.Errorf("a packed body: %q", answer)
	}
}
