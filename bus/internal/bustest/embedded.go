package bustest

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"aiccbridge/bus/embedded"
)

// Embedded starts a server of the bridge's own.
func Embedded(t testing.TB) *embedded.Server {
	t.Helper()
	return start(t, embedded.Options{Dir: t.TempDir()})
}

// Listening starts a server with a listener over a directory; port 0 picks one.
func Listening(t testing.TB, dir string, port int, change ...func(*embedded.Options)) *embedded.Server {
	t.Helper()
	if port == 0 {
		port = freePort(t)
	}
	o := embedded.Options{Dir: dir, Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	for _, f := range change {
		f(&o)
	}
	return start(t, o)
}

func start(t testing.TB, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// PortOf is the port that a server listens on.
func PortOf(t testing.TB, s *embedded.Server) int {
	t.Helper()
	_, text, ok := strings.Cut(strings.TrimPrefix(s.ClientURL(), "nats://"), ":")
	port, err := strconv.Atoi(text)
	if !ok || err != nil {
		t.Fatalf("no port in %q", s.ClientURL())
	}
	return port
}
