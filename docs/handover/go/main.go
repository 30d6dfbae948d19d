// Command go is a softphone's backend that hands its agents' sessions to the bridge:
//
//	NATS_URL=… GATEWAY_URL=… CA_FILE=… go TENANT
//
// It reads commands, a line each, does many at a time, and writes one line for each that is done:
//
//	in AGENT PHONE PASSWORD   sign in at the gateway, hand the session over
//	busy AGENT                ask the gateway for a busy state, with the GUID as it is by now
//	back AGENT                take the session back; nobody polls it then
//	out AGENT                 sign out at the gateway, a session that was taken back, in a call as well
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// entry is what this program writes to AICC_SESSIONS, and reads there.
type entry struct {
	GUID         string    `json:"guid"`
	Cookies      []string  `json:"cookies,omitempty"`
	HandedOverAt time.Time `json:"handed_over_at,omitzero"`
	HandedOverBy string    `json:"handed_over_by,omitempty"`
	Phase        string    `json:"phase,omitempty"` // the bridge says: polling, returned, over …
	Cause        string    `json:"cause,omitempty"`
}

type backend struct {
	tenant   string
	gateway  string
	web      *http.Client
	nats     *nats.Conn
	sessions jetstream.KeyValue

	mu   sync.Mutex
	now  map[string]entry // by agent, as the bridge says
	back map[string]entry // taken back, to be signed out
}

func main() {
	b := &backend{tenant: os.Args[1], gateway: os.Getenv("GATEWAY_URL"), web: client(os.Getenv("CA_FILE")), now: map[string]entry{}, back: map[string]entry{}}
	b.nats = must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1), nats.CustomInboxPrefix("_INBOX_backend")))
	b.sessions = must(must(jetstream.New(b.nats)).KeyValue(context.Background(), "AICC_SESSIONS"))
	changes := must(b.sessions.Watch(context.Background(), b.tenant+".*"))
	go b.follow(changes.Updates())

	var doing sync.WaitGroup
	room := make(chan struct{}, 50)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		command := strings.Fields(in.Text())
		if len(command) < 2 {
			continue
		}
		room <- struct{}{}
		doing.Go(func() {
			result := "ok"
			if err := b.do(command); err != nil {
				result = err.Error()
			}
			<-room
			fmt.Println(command[0], command[1], result)
		})
	}
	doing.Wait()
}

// follow keeps the newest GUID of each agent, for the calls that are not polls.
func (b *backend) follow(changes <-chan jetstream.KeyValueEntry) {
	for change := range changes {
		if change == nil {
			continue // all that was there at the start has come
		}
		var e entry
		agent := strings.TrimPrefix(change.Key(), b.tenant+".")
		if change.Operation() == jetstream.KeyValuePut && json.Unmarshal(change.Value(), &e) != nil {
			continue
		}
		b.mu.Lock()
		b.now[agent] = e
		b.mu.Unlock()
	}
}

func (b *backend) do(command []string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	agent := command[1]
	b.mu.Lock()
	now, back := b.now[agent], b.back[agent]
	b.mu.Unlock()
	switch command[0] {
	case "in":
		return b.signIn(ctx, agent, command[2], command[3])
	case "busy":
		return b.ask(ctx, "POST", "/onlineagent/"+agent+"/saybusy", nil, &now)
	case "back":
		return b.takeBack(ctx, agent)
	case "out":
		if back.GUID == "" {
			return errors.New("the bridge polls it: take it back first")
		}
		if err := b.ask(ctx, "DELETE", "/onlineagent/"+agent+"/forcelogout", nil, &back); err != nil {
			return err
		}
		return b.sessions.Delete(ctx, b.tenant+"."+agent)
	}
	return errors.New("unknown command")
}

// signIn hands the new session over at once: the gateway ends one that nobody polls for two minutes.
func (b *backend) signIn(ctx context.Context, agent, phone, password string) error {
	session := entry{HandedOverAt: time.Now().UTC(), HandedOverBy: "docs/handover/go"}
	body := map[string]string{"password": password, "phonenum": phone}
	if err := b.ask(ctx, "PUT", "/onlineagent/"+agent, body, &session); err != nil {
		return err
	}
	if err := b.ask(ctx, "POST", "/onlineagent/"+agent+"/resetskill/true", nil, &session); err != nil {
		return err
	}
	// A plain put, and not a change of what is there: the newer session wins.
	_, err := b.sessions.Put(ctx, b.tenant+"."+agent, must(json.Marshal(session)))
	return err
}

// takeBack asks again until the bridge has stopped: a poll in flight takes up to ten seconds.
func (b *backend) takeBack(ctx context.Context, agent string) error {
	for {
		answer, err := b.nats.RequestWithContext(ctx, "aicc.ask.handback", must(json.Marshal(map[string]string{"tenant": b.tenant, "agent": agent})))
		if err != nil {
			return err
		}
		if text := answer.Header.Get("Nats-Service-Error"); answer.Header.Get("Nats-Service-Error-Code") == "503" {
			continue
		} else if text != "" {
			return errors.New(text)
		}
		var session entry
		if err := json.Unmarshal(answer.Data, &session); err != nil {
			return err
		}
		if session.Phase != "returned" {
			return fmt.Errorf("the session is %s: %s", session.Phase, session.Cause)
		}
		b.mu.Lock()
		b.back[agent] = session
		b.mu.Unlock()
		return nil
	}
}

// ask asks the gateway with a session, which may change by the answer.
func (b *backend) ask(ctx context.Context, method, path string, body any, s *entry) error {
	r := must(http.NewRequestWithContext(ctx, method, b.gateway+path, bytes.NewReader(must(json.Marshal(body)))))
	r.Header.Set("Content-Type", "application/json; charset=UTF-8")
	if s.GUID != "" {
		r.Header.Set("Guid", s.GUID)
	}
	if len(s.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(s.Cookies, "; "))
	}
	answer, err := b.web.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if guid := answer.Header.Get("Set-Guid"); guid != "" {
		s.GUID = strings.TrimPrefix(guid, "JSESSIONID=")
	}
	for _, c := range answer.Cookies() {
		s.Cookies = slices.DeleteFunc(s.Cookies, func(old string) bool { return strings.HasPrefix(old, c.Name+"=") })
		s.Cookies = append(s.Cookies, c.Name+"="+c.Value)
	}
	var said struct{ Retcode, Message string }
	if err := json.Unmarshal(text, &said); err != nil || said.Retcode != "0" {
		return fmt.Errorf("%s answers %s %s %s", path, answer.Status, said.Retcode, said.Message)
	}
	return nil
}

func client(caFile string) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(caFile)))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 50}}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
