package ccgateway

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := playRole(role); err != nil {
			log.Fatal(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	testBase  = "/agentgateway/resource"
	idleBody  = `{"message":"","retcode":"0"}`
	readyBody = `{"message":"","retcode":"0","event":{"eventType":"AgentState_Ready","workNo":"291","content":null}}`
)

// serve starts a gateway on loopback and returns its base URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog()
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + testBase
}

// newAgent returns agent 291 with a GUID on a client of its own.
func newAgent(t *testing.T, o Options) *Agent {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	a := c.Agent("291")
	a.Resume("first.AgentGateway0")
	return a
}

// reply200 answers every request with body.
func reply200(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		io.WriteString(w, body)
	}
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
