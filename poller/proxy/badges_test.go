package proxy

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/queue"
	"aiccbridge/schemas"
)

// TestSupersede: a sign-in takes away the badges of the same client, no other's, and there are no
// more than eight.
func TestSupersede(t *testing.T) {
	long, just := time.Now().Add(-2*quietAfter), time.Now()
	one, other := &post.Way{URI: "https://a/"}, &post.Way{URI: "https://b/"}
	for name, c := range map[string]struct {
		by, old badge
		polls   string // who polls with the old one
		inside  int
		heard   time.Time
		stays   bool
	}{
		"the same cookie":               {by: badge{place: "x", cookie: true}, polls: "x", inside: 1, heard: just},
		"the same place, silent":        {by: badge{place: "x"}, old: badge{place: "x"}, polls: "y", heard: long},
		"the same place, not silent":    {by: badge{place: "x"}, old: badge{place: "x"}, polls: "y", heard: just, stays: true},
		"the same place, polling":       {by: badge{place: "x"}, old: badge{place: "x"}, polls: "x", inside: 1, heard: long, stays: true},
		"another place":                 {by: badge{place: "x"}, old: badge{place: "z"}, polls: "y", heard: long, stays: true},
		"both from before a restart":    {polls: "y", heard: long, stays: true},
		"pushes to the same address":    {by: badge{place: "x", way: one}, old: badge{place: "z", way: one}, heard: just},
		"pushes to another address":     {by: badge{place: "x", way: one}, old: badge{place: "z", way: other}, heard: just, stays: true},
		"pushes from the same place":    {by: badge{place: "x"}, old: badge{place: "x", way: other}, heard: long, stays: true},
		"polls, and pushes from before": {by: badge{place: "x", cookie: true}, old: badge{place: "x", way: other}, heard: just},
	} {
		t.Run(name, func(t *testing.T) {
			tm := &term{badges: map[string]*badge{}}
			d := &desk{term: tm}
			old, by := c.old, c.by
			old.desk, old.guid, by.desk, by.guid = d, "old", d, "by"
			a := newClient(d.queue.Read())
			a.who, a.inside, a.heard = c.polls, c.inside, c.heard
			old.clients = []*client{a}
			tm.pin(&old)
			tm.pin(&by)
			tm.supersede(&by)
			if stays := slices.Contains(d.badges, &old); stays != c.stays || tm.badges["by"] != &by {
				t.Errorf("the old badge stays: %t", stays)
			}
		})
	}
	tm := &term{badges: map[string]*badge{}}
	d := &desk{term: tm}
	for i := range 20 {
		b := &badge{desk: d, guid: fmt.Sprint(i), place: fmt.Sprint("from ", i)}
		b.clients = []*client{newClient(d.queue.Read())}
		tm.pin(b)
		tm.supersede(b)
		if tm.badges[b.guid] != b {
			t.Error("a new badge is taken away")
		}
	}
	if len(d.badges) != maxClients || tm.badges["12"] == nil || tm.badges["11"] != nil {
		t.Errorf("there are %d badges", len(d.badges))
	}
}

// TestFarBehind: a client that confirms nothing is taken away, whatever else it says.
func TestFarBehind(t *testing.T) {
	tm := &term{p: &Proxy{o: Options{Forget: time.Hour}}, badges: map[string]*badge{}}
	d := &desk{term: tm}
	behind, ahead := newClient(d.queue.Read()), newClient(d.queue.Read())
	b := &badge{desk: d, guid: "x", clients: []*client{behind, ahead}}
	behind.inside = 1
	tm.pin(b)
	d.queue.Add(make([]queue.Item, maxWaiting+1)...)
	ahead.reader.Confirm(1)
	tm.lookAt(b)
	if !slices.Equal(b.clients, []*client{ahead}) {
		t.Errorf("%d clients stay", len(b.clients))
	}
}

// TestNotFetching: what a client does not fetch is dropped for it once that takes too long, not for
// another client, nor for one that polls; it goes on with what is newer, and stays.
func TestNotFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxy{o: Options{Forget: time.Minute}, counts: NewMetrics(nil)}
		p.o.Record.Tenant = "acme"
		tm := &term{p: p, badges: map[string]*badge{}}
		d := &desk{term: tm}
		idle, polls, held := newClient(d.queue.Read()), newClient(d.queue.Read()), newClient(d.queue.Read())
		idle.who, polls.who, held.inside = "idle", "polls", 1
		b := &badge{desk: d, guid: "x", clients: []*client{idle, polls, held}}
		tm.pin(b)
		waiting := func(when string, want ...int) {
			t.Helper()
			tm.lookAt(b)
			var got []int
			for _, c := range b.clients {
				n, _ := c.reader.Waiting()
				got = append(got, n)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v wait, want %v", when, got, want)
			}
		}
		add := func(seq uint64) {
			d.queue.Add(queue.Item{At: schemas.Position{Epoch: 1, Seq: seq}, Came: time.Now()})
		}
		add(1)
		time.Sleep(45 * time.Second)
		add(2)
		tm.hear(b, "idle") // a heartbeat
		_, _, leave := tm.enter(b, "polls")
		leave()
		waiting("in time", 2, 2, 2)
		time.Sleep(30 * time.Second)
		tm.hear(b, "idle")
		d.changed = false
		waiting("a minute after the first", 1, 2, 2)
		if idle.confirmed.Seq != 1 || !d.changed || !idle.shed {
			t.Errorf("confirmed is %v, to be kept: %t", idle.confirmed, d.changed)
		}
		if got := testutil.ToFloat64(p.counts.answers.WithLabelValues("acme", "dropped")); got != 1 {
			t.Errorf("%v are counted", got)
		}
		c, _, leave := tm.enter(b, "idle")
		if next, _ := c.reader.Peek(1); c != idle || c.shed || len(next) != 1 || next[0].At.Seq != 2 {
			t.Errorf("it goes on with %v", next)
		}
		leave()
		time.Sleep(50 * time.Second)
		tm.hear(b, "polls")
		waiting("when the other one has stopped polling", 1, 0, 2)
	})
}

// TestSomebodyElseHasIt: clients of an agent whom somebody else has are told to ask elsewhere, and not
// taken for silent meanwhile: its session is not this bridge's to end. After a minute there is no one
// who could have it, and they are to sign in.
func TestSomebodyElseHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxy{o: Options{Forget: time.Second}, counts: NewMetrics(nil)}
		stopped := 0
		d := &desk{agent: "101", loop: &loop{stop: func() { stopped++ }}}
		tm := &term{p: p, desks: map[string]*desk{"101": d}, badges: map[string]*badge{}}
		d.term = tm
		b := &badge{desk: d, guid: "x", clients: []*client{newClient(d.queue.Read())}}
		tm.pin(b)
		tm.Fenced("101")
		tm.Fenced("101")
		if stopped != 1 || tm.survey().agents != 0 {
			t.Errorf("the loop was stopped %d times, and %d agents are served", stopped, tm.survey().agents)
		}
		time.Sleep(elsewhereFor)
		if !tm.isFenced(b) || d.over {
			t.Error("within a minute it is nobody else's")
		}
		time.Sleep(time.Second)
		if tm.isFenced(b) || !d.over {
			t.Error("after a minute it still is somebody else's")
		}
		tm.lookAt(b)
		if d.left || len(d.badges) != 0 {
			t.Errorf("%d clients stay; it is to be signed out: %t", len(d.badges), d.left)
		}
	})
}
