package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"aiccbridge/poller/proxy"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"
)

// disk is a store that may be away.
type disk struct {
	record.Store
	away    atomic.Bool
	refused atomic.Int64
}

func (d *disk) Publish(ctx context.Context, m schemas.Message) error {
	if d.away.Load() {
		d.refused.Add(1)
		return errors.New("no disk")
	}
	return d.Store.Publish(ctx, m)
}

// TestProxyUnstored: while nothing can be stored events wait, or go to the client at once, as it is
// set; calls are passed on. Nothing is lost, and the order stays.
func TestProxyUnstored(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]bool{"hold": false, "pass": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, still(1))
			s.learn()
			d := &disk{}
			s.change = func(o *proxy.Options) {
				d.Store = o.Record.Store
				o.Record.Store, o.PassUnstored, o.Hold = d, pass, time.Second
			}
			b := s.start("")
			p := s.phone("101", b.addr)
			p.signIn("", "")
			s.until(p, "AgentState_Ready")
			ctx, stop := context.WithCancel(t.Context())
			polled := make(chan struct{})
			go func() {
				defer close(polled)
				p.poll(ctx)
			}()
			d.away.Store(true)
			p.do(http.MethodPost, "onlineagent/101/saybusy", "0")
			p.do(http.MethodPost, "onlineagent/101/sayfree", "0")
			s.await("the events leave the platform", func() bool { return len(s.given("101")) >= 3 })
			if pass {
				s.await("they are at the client", func() bool { return len(p.events()) >= 4 })
			} else {
				tries := d.refused.Load() + 3
				s.await("they can't be stored, again and again", func() bool { return d.refused.Load() >= tries })
				if n := len(p.events()); n != 2 {
					t.Errorf("the client has %d events", n)
				}
			}
			if n := len(s.stored("101")); n != 2 {
				t.Errorf("%d events are stored", n)
			}
			d.away.Store(false)
			s.await("all is stored", func() bool { return len(s.stored("101")) >= 4 })
			s.await("all is at the client", func() bool { return len(p.events()) >= 4 })
			if given := s.given("101"); same(given, s.stored("101")) >= 0 || same(given, p.events()) >= 0 {
				t.Errorf("given %v, stored %v, seen %v", given, s.stored("101"), p.events())
			}
			stop()
			<-polled
		})
	}
}

// books is a bucket that may be away for writes.
type books struct {
	custody.Bucket
	away atomic.Bool
}

func (b *books) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	if b.away.Load() {
		return 0, false, errors.New("no bucket")
	}
	return b.Bucket.Swap(ctx, key, value, revision)
}

// TestProxyForgotten: an agent who signed out while nothing could be written, and was forgotten,
// is polled when he signs in again: his numbers go on.
func TestProxyForgotten(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	d := &books{}
	s.change = func(o *proxy.Options) {
		d.Bucket = o.Session.Sessions
		o.Session.Sessions, o.PassUnstored, o.Hold = d, true, time.Second
	}
	b := s.start("")
	p := s.phone("101", b.addr)
	p.signIn("", "")
	s.until(p, "AgentState_Ready")
	d.away.Store(true)
	p.do(http.MethodDelete, "onlineagent/101/logout", "0")
	s.await("the agent is forgotten", func() bool { return b.Standing().Agents == 0 })
	d.away.Store(false)
	again := s.phone("101", b.addr)
	again.signIn("", "")
	s.until(again, "AgentState_Ready")
	if given := s.given("101"); same(given, s.stored("101")) >= 0 {
		t.Errorf("given %v, stored %v", given, s.stored("101"))
	}
}

// TestProxyKilledEarly: a bridge that is killed right after a sign-in, before the agent's loop has
// the session, costs nobody his session.
func TestProxyKilledEarly(t *testing.T) {
	t.Parallel()
	s := newScene(t, still(1))
	s.learn()
	d := &books{}
	s.change = func(o *proxy.Options) { d.Bucket, o.Session.Sessions = o.Session.Sessions, d }
	b := s.start("")
	d.away.Store(true)
	p := s.phone("101", b.addr)
	p.signIn("", "")
	b.kill()
	d.away.Store(false)
	s.start(b.addr)
	if got := s.until(p, "AgentState_Ready"); got != "Other_InService State_Ready" {
		t.Errorf("the client sees %s", got)
	}
}
