package embedded

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// A server that had no time to look whether it takes connections is no broken one, and
// says nothing of its streams: it is asked again.
func TestABusyServerIsAskedAgain(t *testing.T) {
	busy := []server.HealthzError{{Type: server.HealthzErrorConn, Error: "failed to be ready for connections after 1ms"}}
	lost := []server.HealthzError{{Type: server.HealthzErrorStream, Stream: "A", Error: "could not be recovered"}}
	for name, c := range map[string]struct {
		busy int
		then []server.HealthzError
		asks int
		want int
	}{
		"at once":                       {0, nil, 1, 0},
		"busy, healthy":                 {3, nil, 4, 0},
		"busy, and a stream is lost":    {healthTries - 1, lost, healthTries, 1},
		"never takes connections again": {healthTries, nil, healthTries, 1},
	} {
		asks := 0
		found := insist(func() []server.HealthzError {
			if asks++; asks <= c.busy {
				return busy
			}
			return c.then
		})
		if len(found) != c.want || asks != c.asks {
			t.Errorf("%s: %d asks, found %v", name, asks, found)
		}
	}
}
