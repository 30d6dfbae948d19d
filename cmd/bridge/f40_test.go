//go:build faults

package main

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestF40Alarms: what an operator would call broken is an alarm with its reason, and it
// is over when the cause is.
func TestF40Alarms(t *testing.T) {
	var rang atomic.Int64
	cases := map[string]func(t *testing.T){
		"forward": forwardRings, "store": storeRings, "agents": agentsRings, "gateway": gatewayRings,
		"extracts": extractsRing, "callbacks": callbacksRings,
	}
	t.Run("alarms", func(t *testing.T) {
		for name, rings := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				rings(t)
				if !t.Failed() {
					rang.Add(1)
				}
			})
		}
	})
	t.Attr("figure", strconv.FormatInt(rang.Load(), 10)+"/"+strconv.Itoa(len(cases))+" alarms rang with their reason and were silent again")
	t.Attr("tries", strconv.Itoa(len(cases)))
}

// rings waits until an alarm is in the answer of /healthz, with a text.
func (s *scene) rings(alarm, text string) {
	s.t.Helper()
	s.until("the alarm "+alarm+" rings", func() bool {
		for line := range strings.Lines(get(s.t, "http://"+s.admin+"/healthz")) {
			if strings.HasPrefix(line, alarm+": ") {
				return strings.Contains(line, text)
			}
		}
		return false
	})
}

// silent waits until an alarm is over.
func (s *scene) silent(alarm string) {
	s.t.Helper()
	s.until("the alarm "+alarm+" is over", func() bool {
		return !strings.Contains("\n"+get(s.t, "http://"+s.admin+"/healthz"), "\n"+alarm+": ")
	})
}

// The hub is connected, and its JetStream has gone, as a stream's leader has without a
// quorum: nothing is answered.
func forwardRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, external: true, long: true})
	r := s.run()
	c := s.consumer()
	s.moreEvents(c, 5)
	c.Close()
	s.silent("forward")
	if err := s.hub.server.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	s.rings("forward", "quorum")
	if err := s.hub.server.EnableJetStream(&server.JetStreamConfig{StoreDir: s.hub.dir, SyncAlways: true}); err != nil {
		t.Fatal(err)
	}
	s.silent("forward")
	s.hub.refused.take()
	r.end()
}

// A stream of the bridge's own server takes nothing.
func storeRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, embedded: true, long: true})
	r := s.run()
	s.silent("store")
	name := r.names.Stream(schemas.StreamEvents)
	if err := r.bus.Conn().JetStream().DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	s.rings("store", name)
	if err := r.assets.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.silent("store")
	r.end()
}

// The only agent's password is wrong; it is tried again by a bridge that knows it.
func agentsRings(t *testing.T) {
	s := newScene(t, setup{agents: 1, long: true, faults: []fault.Rule{{Fault: "signin.code", Code: "110-016", Share: 1}}})
	r := s.run()
	s.rings("agents", "110-016")
	r.end()
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	r = s.run()
	c := s.consumer()
	s.moreEvents(c, 1)
	c.Close()
	s.silent("agents")
	r.end()
}

// What stands before the gateway answers for it; later it does not let anybody in.
func gatewayRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, long: true, faults: []fault.Rule{{Fault: "signin.status", Share: 1}}})
	r := s.run()
	s.rings("gateway", "503")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("gateway")
	if err := s.sim.SetFaults(fault.Rule{Fault: "poll.cut", Share: 1}); err != nil {
		t.Fatal(err)
	}
	s.rings("gateway", "no agent is polled")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("gateway")
	r.end()
}

// Every file is damaged, in one extract after the other. The next extract would be in six
// hours; the ledger hears of it now.
func extractsRing(t *testing.T) {
	s := newScene(t, setup{
		kinds: everyKind()[:1], window: time.Hour, since: 3 * time.Hour, long: true,
		faults: []fault.Rule{{Fault: "rows.extra", Share: 1, Count: 30}, {Fault: "download.truncated", Share: 1}},
	})
	r := s.run()
	s.rings("extracts", "the last with ")
	s.until("all of them have failed so often", func() bool {
		for _, e := range r.ledger.Entries(tenantName, schemas.KindCDR) {
			if e.Window.To.Before(time.Now().Add(-time.Minute)) && (e.Attempts < 5 || e.State != schemas.WindowFailed) {
				return false
			}
		}
		return true
	})
	for _, e := range r.ledger.Entries(tenantName, schemas.KindCDR) {
		if e.Attempts < 5 {
			continue
		}
		id, now := strings.Repeat("0a", 16), time.Now()
		_, _, err := r.ledger.Requested(t.Context(), e, now, now.Add(time.Hour))
		if err == nil {
			err = r.ledger.Answered(t.Context(), e, id)
		}
		if err == nil {
			err = r.ledger.Complete(t.Context(), schemas.FileReady{Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, ResponseID: id}, 0, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.silent("extracts")
	r.end()
}

// The platform's callbacks never get through.
func callbacksRings(t *testing.T) {
	s := newScene(t, setup{
		kinds: everyKind()[:1], window: 10 * time.Second, since: 80 * time.Second, overdue: time.Second, long: true,
		faults: []fault.Rule{{Fault: "callback.drop", Share: 1}},
	})
	r := s.run()
	s.rings("callbacks", "public_url")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("callbacks")
	r.end()
}
