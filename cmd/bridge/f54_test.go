//go:build faults

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/seal"
	"aiccbridge/poller/partition"
	"aiccbridge/schemas"
)

// crew are bridges that share a tenant's agents.
type crew struct {
	*scene
	mates  []*scene
	bridge []*child
	leases *kv.Bucket
	used   int // partitions with agents
	took   times
}

// stranger has a key for sessions of its own: whoever takes an agent over from it signs in.
func stranger(s *scene) { s.stranger = true }

// sharing has the first one's key for sessions.
func (c *crew) sharing(s *scene) {
	if _, err := seal.OpenDir(filepath.Join(c.dir, "data")); err != nil {
		c.t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(c.dir, "data", seal.KeyFile))
	if err == nil {
		err = os.MkdirAll(filepath.Join(s.dir, "data"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.dir, "data", seal.KeyFile), key, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// newCrew starts bridges one after the other, each as soon as the others have their share.
// They share their key for sessions, unless something else is made of them.
func newCrew(t *testing.T, n int, o setup, with ...func(*scene)) *crew {
	t.Helper()
	c := &crew{scene: newScene(t, o)}
	if with == nil {
		with = append(with, c.sharing)
	}
	c.mates = []*scene{c.scene}
	used := map[int]bool{}
	for _, a := range c.sim.Settings().Agents {
		used[partition.Of(a.ID)] = true
	}
	c.used = len(used)
	for i := range n - 1 {
		mate := c.besideAt(fmt.Sprint("mate", i+2), "nats://"+proxyTo(t, c.hub.address).Addr())
		for _, f := range with {
			f(mate)
		}
		c.mates, c.stranger = append(c.mates, mate), mate.stranger // the first meets their sessions, too
	}
	for i, mate := range c.mates {
		c.bridge = append(c.bridge, mate.start())
		if i == 0 {
			watcher := c.consumer()
			t.Cleanup(watcher.Close)
			c.leases = kv.Open(watcher.Conn(), schemas.BucketLeases)
		}
		c.shared("joined", c.mates[:i+1]...)
	}
	return c
}

// shared waits until exactly these have the agents, none more than its share.
func (c *crew) shared(what string, mates ...*scene) {
	c.t.Helper()
	defer func() {
		if c.t.Failed() {
			c.t.Logf("%s: %v of %d partitions after %s", what, c.owners(), c.used, c.took)
		}
	}()
	c.took.until(what, func() {
		c.until("the agents are shared", func() bool {
			has, all := c.owners(), 0
			for _, m := range mates {
				if !m.hasID() {
					return false
				}
				n := has[m.instance()]
				if all += n; n > partition.Partitions/len(mates)+1 {
					return false
				}
			}
			return all == c.used
		})
	})
}

// owners counts the partitions of each instance.
func (c *crew) owners() map[string]int {
	ctx, loaded := context.WithTimeout(c.t.Context(), requestTime)
	defer loaded()
	has, ours := map[string]int{}, schemas.EncodeToken(tenantName)+"."
	_ = c.leases.Watch(ctx, ours+"*", func(key string, value []byte, _ uint64) { // what is missing is asked for again
		var v struct{ Instance string }
		if n := strings.TrimPrefix(key, ours); json.Unmarshal(value, &v) == nil && n[0] <= '9' {
			has[v.Instance]++
		}
	}, loaded)
	return has
}

// without are all but one.
func (c *crew) without(i int) (others []*scene) {
	for j, m := range c.mates {
		if j != i {
			others = append(others, m)
		}
	}
	return others
}

// changes counts how sessions began and ended.
func (c *crew) changes() map[string]int {
	n := map[string]int{}
	for _, s := range c.sim.Truth().Sessions {
		n[s.Change]++
	}
	return n
}

// spools reports whether the metrics say that so many messages wait for the hub.
func (s *scene) spools(messages int) bool {
	said, waiting := 0, 0.0
	for line := range strings.Lines(get(s.t, "http://"+s.admin+"/metrics")) {
		if at := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "aicc_spool_messages") {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			said, waiting = said+1, waiting+n
		}
	}
	return said > 0 && waiting == float64(messages)
}

// TestF54ThreeBridges share 300 agents, and their key for sessions. One is killed, one stopped
// for longer than its leases live, and all are restarted in turn; each time the others go on,
// and afterwards each has its share again. No agent is signed out.
func TestF54ThreeBridges(t *testing.T) {
	const agents = 300
	c := newCrew(t, 3, setup{agents: agents, slow: 6, silent: 2 * time.Minute, external: true, owners: true, long: true, grace: 15 * time.Second})
	events := c.consumer()
	c.until("all agents are signed in", func() bool { return c.changes()["signed_in"] >= agents })
	before := c.changes()

	c.bridge[1].kill()
	c.shared("killed", c.without(1)...)
	c.moreEvents(events, agents)
	c.bridge[1] = c.mates[1].start()
	c.shared("joined", c.mates...)

	c.bridge[2].signal(syscall.SIGSTOP)
	c.shared("stopped", c.without(2)...)
	c.moreEvents(events, agents)
	c.bridge[2].signal(syscall.SIGCONT)
	c.shared("woke up", c.mates...)
	c.moreEvents(events, agents)

	for i := range c.mates {
		c.bridge[i].stopsCleanly(c.setup.grace)
		c.shared("restarted", c.without(i)...)
		c.bridge[i] = c.mates[i].start()
		c.shared("joined", c.mates...)
	}
	c.moreEvents(events, agents)
	if after := c.changes(); !maps.Equal(before, after) {
		t.Errorf("sessions began or ended: %v, and before %v", after, before)
	}
	events.Close()
	c.judge(5, "killed, stopped, restarted in turn")
}

// TestF54OneCutOff: of three bridges, each with a key of its own, one is cut off from NATS. It
// goes on polling, and so do the others with its agents, until it hears of them.
func TestF54OneCutOff(t *testing.T) {
	const agents, cut = 60, 45 * time.Second
	c := newCrew(t, 3, setup{agents: agents, slow: 6, external: true, owners: true, long: true, grace: 15 * time.Second}, stranger)
	events := c.consumer()
	c.until("all agents are signed in", func() bool { return c.changes()["signed_in"] >= agents })
	c.hub.proxy.Silence(true)
	begun := time.Now()
	c.shared("cut off", c.without(0)...)
	pause(t, cut-time.Since(begun))
	c.moreEvents(events, agents)
	c.hub.proxy.Silence(false)
	c.shared("back", c.mates...)
	c.moreEvents(events, agents)
	events.Close()
	c.judge(1, "cut off from NATS")
}

// judge ends all bridges, and says whether all is there, once.
func (c *crew) judge(faults int, what string) {
	t := c.t
	t.Helper()
	c.sim.Quiesce()
	c.until("the contact centre is quiet", c.sim.Quiet)
	for i, mate := range c.mates[1:] {
		c.until("nothing is left in its spool", func() bool { return mate.spools(0) })
		c.bridge[i+1].stopsCleanly(c.setup.grace)
	}
	c.shared("alone", c.scene)
	c.bridge[0].stopsCleanly(c.setup.grace)
	if c.journal.contains("messages that were acknowledged are not in the stream any more") {
		t.Error("a bridge takes a move for damage")
	}
	sum := c.run().judged()
	for _, p := range c.sim.Truth().Polling {
		sum.overlaps += p.Overlaps
	}
	sum.tries = faults
	sum.report(t, "%d faults (%s), %d lost, %d duplicated, %d misordered, %d gaps / %d expected",
		sum.tries, what, sum.lost, sum.duplicated, sum.misordered, sum.recorded, sum.expected)
	t.Attr("measured", fmt.Sprintf("%s; %d polls overlapped", c.took, sum.overlaps))
}
