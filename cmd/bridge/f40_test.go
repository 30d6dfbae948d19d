//go:build faults

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/poller/proxy"
	"aiccbridge/schemas"
)

// TestF40Alarms: what an operator would call broken is an alarm with its reason, and it
// is over when the cause is.
func TestF40Alarms(t *testing.T) {
	var rang atomic.Int64
	cases := map[string]func(t *testing.T){
		"forward": forwardRings, "limit": limitRings, "store": storeRings, "consumer": consumerRings, "lease": leaseRings,
		"agents": agentsRings, "some": someAgentsRing, "gateway": gatewayRings, "unseen": unseenRings, "unreached": unreachedRings,
		"requests": requestsRing, "downloads": downloadsRing, "extracts": extractsRing, "callbacks": callbacksRings,
		"certificates": certificatesRing, "calls": callsRing, "recordings": recordingsRing,
		"hub": hubRings, "spool": spoolRings, "consumers": consumersRing, "windows": windowsRing, "damage": damageRings, "copy": copyRings, "zone": zoneRings,
	}
	var group sync.WaitGroup
	for name, rings := range cases {
		group.Go(func() { // most of them wait, so that all may run at once
			t.Run(name, func(t *testing.T) {
				rings(t)
				if !t.Failed() {
					rang.Add(1)
				}
			})
		})
	}
	group.Wait()
	t.Attr("figure", strconv.FormatInt(rang.Load(), 10)+"/"+strconv.Itoa(len(cases))+" causes rang their alarm with its reason, and it was silent again")
	t.Attr("tries", strconv.Itoa(len(cases)))
}

// silent waits until an alarm is over.
func (s *scene) silent(alarm string) {
	s.t.Helper()
	s.within(alarmPatience, "the alarm "+alarm+" is over", func() bool {
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

// The hub answers, and its stream is full.
func limitRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, external: true, long: true})
	r := s.run()
	c := s.consumer()
	s.moreEvents(c, 5)
	s.silent("forward")
	stream, err := c.Conn().JetStream().Stream(t.Context(), r.names.Stream(schemas.StreamEvents))
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	full := config
	full.MaxMsgs, full.Discard = 1, jetstream.DiscardNew
	s.change(c, full)
	s.rings("forward", "maximum messages")
	s.change(c, config)
	s.silent("forward")
	c.Close()
	r.end()
}

// change gives a stream other settings.
func (s *scene) change(b *bus.Bus, config jetstream.StreamConfig) {
	s.t.Helper()
	if _, err := b.Conn().JetStream().UpdateStream(s.t.Context(), config); err != nil {
		s.t.Fatal(err)
	}
}

// The consumer of the files is deleted: no file is worked on.
func consumerRings(t *testing.T) {
	s := newScene(t, setup{kinds: schemas.Kinds()[:1], embedded: true, long: true})
	r := s.run()
	s.silent("streams")
	if err := r.bus.Conn().JetStream().DeleteConsumer(t.Context(), r.names.Stream(schemas.StreamFiles), schemas.FileConsumer); err != nil {
		t.Fatal(err)
	}
	s.rings("streams", schemas.FileConsumer)
	if err := r.assets.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.silent("streams")
	r.end()
}

// The bucket of leases is gone: nobody has the agents, nor the planning, and nobody can.
func leaseRings(t *testing.T) {
	s := newScene(t, setup{agents: 1, kinds: schemas.Kinds()[:1], embedded: true, long: true})
	r := s.run()
	s.silent("lease")
	if err := r.bus.Conn().JetStream().DeleteStream(t.Context(), r.names.BucketStream(schemas.BucketLeases)); err != nil {
		t.Fatal(err)
	}
	s.rings("lease", string(schemas.BucketLeases))
	if err := r.assets.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.silent("lease")
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

// One of two agents is signed in elsewhere for good; the other is polled.
func someAgentsRing(t *testing.T) {
	s := newScene(t, setup{agents: 2, long: true})
	one := s.sim.Settings().Agents[0].ID
	if err := s.sim.SetFaults(fault.Rule{Fault: "signin.code", Code: "100-015", Share: 1, Agent: one}); err != nil {
		t.Fatal(err)
	}
	r := s.run()
	s.rings("agents", "1 of 2; the first because")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
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

// The monitor cuts every look.
func unseenRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, monitor: true, long: true, faults: []fault.Rule{{Fault: "look.cut", Share: 1}}})
	r := s.run()
	s.rings("gateway", "no agent is seen")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("gateway")
	r.end()
}

// What stands before the gateway answers for it when softphones sign in through the bridge.
func unreachedRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, clients: freePort(t), long: true, faults: []fault.Rule{{Fault: "signin.status", Share: 1}}})
	r := s.run()
	var calling sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer calling.Wait()
	defer stop()
	for _, a := range s.sim.Settings().Agents {
		p := &softphone{agent: a.ID, password: a.Password, base: "http://" + s.setup.clients + proxy.Base, known: map[string]bool{}}
		calling.Go(func() { p.signIn(ctx) })
	}
	s.rings("gateway", "no call of a client gets through: a call is answered with HTTP status 503")
	if !s.answers("/metrics", `aicc_proxy_failed_calls_total{tenant="demo",why="status"} `) {
		t.Error("the calls are not counted")
	}
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("gateway")
	calling.Wait()
	r.end()
}

// What stands before the file store answers for it.
func requestsRing(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 30 * time.Second, long: true,
		faults: []fault.Rule{{Fault: "request.firewall", Share: 1}},
	})
	r := s.run()
	s.rings("filestore", "no request is taken")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("filestore")
	r.end()
}

// Requests are taken, and no file can be had.
func downloadsRing(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 30 * time.Second, long: true,
		faults: []fault.Rule{{Fault: "download.status", Share: 1}},
	})
	r := s.run()
	s.rings("filestore", "no file can be downloaded")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("filestore")
	r.end()
}

// Rows come, and no audio can be had.
func recordingsRing(t *testing.T) {
	o := recorded(20, voice.Settings{}, fault.Rule{Fault: "audio.status", Share: 1, Status: http.StatusServiceUnavailable})
	o.long = true
	s := newScene(t, o)
	r := s.run()
	s.rings("recordings", "no audio can be fetched")
	if err := s.sim.SetFaults(); err != nil {
		t.Fatal(err)
	}
	s.silent("recordings")
	r.heard(20)
}

// Every file is damaged, in one extract after the other. The next extract would be in six
// hours; the ledger hears of it now.
func extractsRing(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: time.Hour, since: 3 * time.Hour, long: true,
		faults: []fault.Rule{{Fault: "rows.extra", Share: 1, Count: 30}, {Fault: "download.truncated", Share: 1}},
	})
	r := s.run()
	s.rings("extracts", "the last with ")
	s.rings("dead_letters", string(schemas.ReasonDamagedZip))
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

// The stream of calls is gone: none can be published.
func callsRing(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 30 * time.Second, calls: true, embedded: true, long: true, faults: []fault.Rule{extraRows(20)},
	})
	r := s.run()
	s.silent("calls")
	name := r.names.Stream(schemas.StreamCalls)
	if err := r.bus.Conn().JetStream().DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	s.rings("calls", name)
	if err := r.assets.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.silent("calls")
	r.end()
}

// The platform's callbacks never get through.
func callbacksRings(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 80 * time.Second, overdue: time.Second, long: true,
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

// The certificate of the callbacks ends in three days.
func certificatesRing(t *testing.T) {
	s := newScene(t, setup{kinds: schemas.Kinds()[:1], long: true})
	was := s.sim.Settings().CallbackCertFile
	text, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := s.certificate(time.Now().Add(72 * time.Hour))
	changed := strings.NewReplacer(strconv.Quote(was), strconv.Quote(certificate), strconv.Quote(s.sim.Settings().CallbackKeyFile), strconv.Quote(key)).Replace(string(text))
	if err := os.WriteFile(s.path(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.run()
	s.rings("certificates", "callbacks.certificate_file")
	r.end()
	if err := os.WriteFile(s.path(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	r = s.run()
	s.silent("certificates")
	r.end()
}

// certificate makes one that is valid until then, and its key.
func (s *scene) certificate(until time.Time) (certificate, key string) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"bridge.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until}
	public, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		s.t.Fatal(err)
	}
	certificate, key = filepath.Join(s.dir, "soon.crt"), filepath.Join(s.dir, "soon.key")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return certificate, key
}
