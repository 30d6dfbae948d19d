package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"aiccbridge/poller/proxy"
	"aiccbridge/schemas"
)

// softphone is a client that signs one agent in through the bridge, and polls.
type softphone struct {
	agent, password, base, guid string

	mu    sync.Mutex
	seen  []string // each event once, in order
	known map[string]bool
	again int
	codes []string
}

// call makes a call; "" as code: there is no answer.
func (p *softphone) call(ctx context.Context, method, path, body string) (code string, event json.RawMessage) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		return "", nil
	}
	r.Header.Set("Guid", p.guid)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", nil
	}
	defer answer.Body.Close()
	if guid, ok := strings.CutPrefix(answer.Header.Get("Set-GUID"), "JSESSIONID="); ok {
		p.guid = guid
	}
	var said struct {
		Retcode string
		Event   json.RawMessage
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, &said) != nil {
		return "", nil
	}
	return said.Retcode, said.Event
}

// signIn tries until the bridge is there.
func (p *softphone) signIn(ctx context.Context) {
	body := fmt.Sprintf(`{"password":%q,"phonenum":"70092"}`, p.password)
	for code := ""; code == "" && ctx.Err() == nil; {
		code, _ = p.call(ctx, http.MethodPut, "onlineagent/"+p.agent, body)
		rest(ctx, 100*time.Millisecond)
	}
	for code := ""; code == "" && ctx.Err() == nil; {
		code, _ = p.call(ctx, http.MethodPost, "onlineagent/"+p.agent+"/resetskill/true?skillid=1;2", "")
		rest(ctx, 100*time.Millisecond)
	}
}

// poll polls until ctx ends.
func (p *softphone) poll(ctx context.Context) {
	for ctx.Err() == nil {
		code, event := p.call(ctx, http.MethodGet, "agentevent/"+p.agent, "")
		switch {
		case code == "":
			rest(ctx, 100*time.Millisecond)
		case code != "0":
			p.mu.Lock()
			p.codes = append(p.codes, code)
			p.mu.Unlock()
			return
		case event != nil:
			p.see(event)
		}
	}
}

func (p *softphone) see(event json.RawMessage) {
	var e struct {
		EventType    string
		EventGenTime int64
		Content      any
	}
	_ = json.Unmarshal(event, &e) // one that is none is not in the stream either
	content, _ := json.Marshal(e.Content)
	key := fmt.Sprint(e.EventType, " ", e.EventGenTime, " ", string(content))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[key] {
		p.again++
		return
	}
	p.known[key] = true
	p.seen = append(p.seen, key)
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestProxyKilled: softphones go on with their sessions when the bridge is killed and when it is
// stopped: all that is stored reaches them, in order, and the stream has all but what a gap
// excuses.
func TestProxyKilled(t *testing.T) {
	t.Parallel()
	for name, external := range map[string]bool{"embedded": false, "external": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, setup{agents: 4, clients: freePort(t), external: external, silent: time.Minute})
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			defer running.Wait()
			defer stop()
			var phones []*softphone
			for _, a := range s.sim.Settings().Agents {
				p := &softphone{agent: a.ID, password: a.Password, base: "http://" + s.setup.clients + proxy.Base, known: map[string]bool{}}
				running.Go(func() {
					p.signIn(ctx)
					p.poll(ctx)
				})
				phones = append(phones, p)
			}
			seen := uint64(0)
			for life := range 3 {
				c := s.start()
				seen = s.waitFor(schemas.StreamEvents, seen+40)
				if life == 1 {
					c.signal(syscall.SIGTERM)
					c.state()
					continue
				}
				c.kill()
			}
			r := s.run()
			s.sim.Quiesce()
			s.until("the contact centre is quiet", s.sim.Quiet)
			again := 0
			for _, p := range phones {
				var stored []string
				s.until("the client has what is stored", func() bool {
					stored = storedOf(t, r, p.agent)
					p.mu.Lock()
					defer p.mu.Unlock()
					return len(stored) > 10 && len(p.seen) >= len(stored)
				})
				p.mu.Lock()
				if got, want := strings.Join(p.seen, "\n"), strings.Join(stored, "\n"); got != want {
					t.Errorf("agent %s: the client saw\n%s\nof\n%s", p.agent, got, want)
				}
				if len(p.codes) > 0 {
					t.Errorf("agent %s was answered %v", p.agent, p.codes)
				}
				again += p.again
				p.mu.Unlock()
			}
			stop()
			report := r.finish()
			for _, e := range report.Events.Lost {
				if !e.Explained {
					t.Errorf("lost: %+v", e)
				}
			}
			t.Logf("%d events stored, %d came to clients a second time", report.Events.Stored, again)
		})
	}
}

// storedOf are the platform's events of an agent in the stream.
func storedOf(t *testing.T, r *running, agent string) (all []string) {
	t.Helper()
	err := r.bus.Read(t.Context(), schemas.StreamEvents, r.names.Agent(tenantName, agent), 0, func(m schemas.Stored) error {
		var e schemas.Event
		if m.Get("ce-type") != schemas.TypeEvent || json.Unmarshal(m.Body, &e) != nil || strings.HasPrefix(e.Type, "bridge.") {
			return nil
		}
		if e.Via != schemas.WayProxy {
			t.Errorf("via is %q", e.Via)
		}
		var content any
		_ = json.Unmarshal(e.Content, &content) // none is null
		text, _ := json.Marshal(content)
		all = append(all, fmt.Sprint(e.Type, " ", e.OccurredAt.UnixMilli(), " ", string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
