package proxy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/proxy/queue"
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
