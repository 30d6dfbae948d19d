package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/schemas"
	"aiccbridge/schemas/requests"
)

// backendUser is the user whose rights docs/nats/backend.conf has, for the tenant of the scenes.
func (h *externalHub) backendUser(account *server.Account) *server.User {
	h.t.Helper()
	rights, err := os.ReadFile("../../docs/nats/backend.conf")
	if err != nil {
		h.t.Fatal(err)
	}
	folder := h.t.TempDir()
	conf := fmt.Sprintf("accounts { A { users: [ {\n user: %s\n password: %q\n include backend.conf\n} ] } }", assets.RoleBackend, password(assets.RoleBackend))
	for name, text := range map[string]string{
		"backend.conf": strings.ReplaceAll(string(rights), ".acme.", "."+tenantName+"."),
		"server.conf":  conf,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	o, err := server.ProcessConfigFile(filepath.Join(folder, "server.conf"))
	if err != nil || len(o.Users) != 1 {
		h.t.Fatalf("%d users: %v", len(o.Users), err)
	}
	o.Users[0].Account = account
	return o.Users[0]
}

// TestHandoverAsBackend: with the rights of docs/nats/backend.conf the example backend does all
// that it is to do, by entries and by requests; nothing of it is refused by the hub, or the scene fails.
func TestHandoverAsBackend(t *testing.T) {
	t.Parallel()
	handOverIn(newScene(t, handOverSetup(6, setup{restricted: true})), 3, buildBackend(t))
}

// TestHandoverAsBackendByHand: what the example does not do, a backend may do, too: give back by
// its entry, hand over by request, and read what bridges say. All else is refused.
func TestHandoverAsBackendByHand(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 2, handover: true, restricted: true, silent: 2 * patience})
	backendByHand(s, "$KV.AICC_SESSIONS.other.101", "$JS.API.DIRECT.GET.KV_AICC_SESSIONS.$KV.AICC_SESSIONS.other.101", "$JS.API.CONSUMER.CREATE.KV_AICC_SESSIONS.x.$KV.AICC_SESSIONS.other.*")
	s.hub.refused.take()
}

// TestHandoverAsBackendOfTheBridge: the same with a user of listen.nats_users whose role is
// backend, for whom every tenant is his.
func TestHandoverAsBackendOfTheBridge(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 2, handover: true, embedded: true, silent: 2 * patience})
	file := filepath.Join(s.dir, "nats-backend")
	s.write(file, password(assets.RoleBackend)+"\n")
	s.alter(fmt.Sprintf("nats: %q", s.nats), fmt.Sprintf("nats: %q, nats_users: [{name: %s, password_file: %q, role: backend}]", s.nats, assets.RoleBackend, file))
	backendByHand(s)
}

// backendByHand does it, and tries what is to be refused, some more subjects among them.
func backendByHand(s *scene, more ...string) {
	t := s.t
	t.Helper()
	r := s.run()
	b := s.asBackend()
	agent := s.sim.Settings().Agents[0].ID
	gift := s.signIn(agent)
	entry, err := json.Marshal(gift)
	if err != nil {
		t.Fatal(err)
	}
	key := tenantName + "." + agent
	sessions, err := b.js.KeyValue(t.Context(), "AICC_SESSIONS")
	if err == nil {
		_, err = sessions.Put(t.Context(), key, entry)
	}
	if err != nil {
		t.Fatal(err)
	}
	phase := func(want schemas.SessionPhase) (e schemas.Session) {
		t.Helper()
		s.until("the entry says "+string(want), func() bool {
			got, err := sessions.Get(t.Context(), key)
			if err == nil {
				err = json.Unmarshal(got.Value(), &e)
			}
			if err != nil {
				t.Fatal(err)
			}
			return e.Phase == want
		})
		return e
	}
	phase(schemas.SessionPolling)
	s.until("the stop is written", func() bool { // the bridge may have been faster
		got, err := sessions.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		wanted := strings.Replace(string(got.Value()), "{", `{"stop":true,`, 1)
		_, err = sessions.Update(t.Context(), key, []byte(wanted), got.Revision())
		return err == nil
	})
	if e := phase(schemas.SessionReturned); e.GUID == "" || !e.Stop {
		t.Errorf("given back: %+v", e)
	}
	if err := sessions.Delete(t.Context(), key); err != nil {
		t.Error(err)
	}
	if said := b.asks(requests.Handover, string(entry)); said.Header.Get("Nats-Service-Error-Code") != "" {
		t.Errorf("handover answers %v %s", said.Header, said.Data)
	}
	phase(schemas.SessionPolling)
	if said := b.asks(requests.Handback, fmt.Sprintf(`{"tenant":%q,"agent":%q}`, tenantName, agent)); !strings.Contains(string(said.Data), `"returned"`) {
		t.Errorf("handback answers %v %s", said.Header, said.Data)
	}
	b.refusedAllElse(more)
	r.end()
}

// connected is a backend's connection to the hub.
type connected struct {
	s    *scene
	conn *nats.Conn
	js   jetstream.JetStream

	mu      sync.Mutex
	refused []string // as the server told
}

func (s *scene) asBackend() *connected {
	s.t.Helper()
	c := &connected{s: s}
	conn, err := nats.Connect("nats://"+s.nats, nats.UserInfo(string(assets.RoleBackend), password(assets.RoleBackend)), nats.CustomInboxPrefix(assets.BackendInbox),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refused = append(c.refused, err.Error())
		}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	if c.js, err = jetstream.New(conn); err != nil {
		s.t.Fatal(err)
	}
	c.conn = conn
	return c
}

// take is what was refused since the last time.
func (c *connected) take() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, c.refused = c.refused, nil
	return all
}

func (c *connected) asks(endpoint, request string) *nats.Msg {
	c.s.t.Helper()
	ctx, cancel := context.WithTimeout(c.s.t.Context(), patience)
	defer cancel()
	m, err := c.conn.RequestWithContext(ctx, "aicc.ask."+endpoint, []byte(request))
	if err != nil {
		c.s.t.Fatal(err)
	}
	return m
}

// refusedAllElse tries what a backend has no business with, and takes the server's word that
// each of it was refused.
func (c *connected) refusedAllElse(more []string) {
	t := c.s.t
	t.Helper()
	if refused := c.take(); len(refused) > 0 {
		t.Errorf("refused of what a backend does: %q", refused)
	}
	publish := append(more,
		"aicc.v1."+tenantName+".agent.101.state.ready", "aicc.ask.status", "aicc.ask.replay", "$SRV.PING",
		"$KV.AICC_LEASES."+tenantName+".1", "$KV.AICC_STATE."+tenantName+".101",
		"$JS.API.DIRECT.GET.KV_AICC_SESSIONS",
		"$JS.API.STREAM.MSG.GET.KV_AICC_SESSIONS", "$JS.API.STREAM.PURGE.KV_AICC_SESSIONS", "$JS.API.STREAM.DELETE.KV_AICC_SESSIONS",
		"$JS.API.STREAM.INFO.AICC_EVENTS", "$JS.API.STREAM.NAMES", "$JS.API.CONSUMER.CREATE.AICC_EVENTS", "$JS.API.CONSUMER.CREATE.AICC_EVENTS.x",
		"$JS.API.CONSUMER.CREATE.KV_AICC_SESSIONS", "$JS.API.CONSUMER.CREATE.KV_AICC_SESSIONS.x", "$JS.API.CONSUMER.LIST.KV_AICC_SESSIONS",
		"$JS.ACK.AICC_FILES.exporter.1.1.1.1.0", "other",
	)
	subscribe := []string{">", "aicc.v1.>", "$KV.>", "_INBOX.>", assets.BridgeInbox + ".>", "aicc.ask.handover"}
	for _, subject := range publish {
		if err := c.conn.Publish(subject, []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	for _, subject := range subscribe {
		if _, err := c.conn.SubscribeSync(subject); err != nil {
			t.Error(err)
		}
	}
	var refused []string
	c.s.until("all else is refused", func() bool {
		refused = append(refused, c.take()...)
		return len(refused) >= len(publish)+len(subscribe)
	})
	for kind, subjects := range map[string][]string{"publish": publish, "subscription": subscribe} {
		for _, subject := range subjects {
			if !slices.ContainsFunc(refused, func(line string) bool {
				return strings.Contains(strings.ToLower(line), kind+` to "`+strings.ToLower(subject)+`"`)
			}) {
				t.Errorf("not refused: %s %s", kind, subject)
			}
		}
	}
	if len(refused) != len(publish)+len(subscribe) {
		t.Errorf("refused: %q", refused)
	}
}
