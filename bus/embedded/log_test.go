package embedded

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

func TestRebuiltIndexesAreOneLine(t *testing.T) {
	var log bytes.Buffer
	l := &logger{log: zerolog.New(&log)}
	for range 5 {
		l.Warnf("Filestore [%s] Stream state outdated, last block has additional entries, will rebuild", "A")
		l.Warnf("Filestore [%s] Recovering stream state from index errored: %v", "A", "prior state file")
	}
	l.Warnf("Something else: %d", 7)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "indexes are rebuilt") || !strings.Contains(lines[1], "Something else: 7") {
		t.Errorf("logged %q", lines)
	}
}

func TestRefusedClientsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &logger{log: zerolog.New(&log)}
		for range 300 {
			l.Errorf("%s - cid:%d - %s", "127.0.0.1:4711", 7, "authentication error")
			time.Sleep(time.Second)
		}
		l.Errorf("another error")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 6 || !strings.Contains(lines[4], `"more":59`) || !strings.Contains(lines[5], "another error") {
			t.Errorf("logged %q", lines)
		}
	})
}

// The marks are those of the server in use.
func TestRefusedClientIsTold(t *testing.T) {
	for name, refuse := range map[string]func(*Server){
		"sign-in": func(s *Server) {
			if nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("ops", "guess")); err == nil {
				nc.Close()
			}
		},
		"permission": func(s *Server) {
			nc, _ := signedIn(t, s, reader)
			if err := nc.Publish("$KV.AICC_SESSIONS.t.7", nil); err != nil || nc.Flush() != nil {
				t.Error(err)
			}
		},
	} {
		var log bytes.Buffer
		s := start(t, Options{Listen: "127.0.0.1:0", Users: []User{reader, admin}, Logger: zerolog.New(&log)})
		refuse(s)
		s.Shutdown()
		if strings.Count(log.String(), "nats client refused") != 1 || strings.Contains(log.String(), "nats server error") {
			t.Errorf("%s: logged %s", name, log.String())
		}
	}
}
