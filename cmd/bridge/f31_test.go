//go:build faults

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/bus"
	"aiccbridge/internal/sabotage"
)

// onCluster is a scene with a cluster for a hub.
func onCluster(t *testing.T, o setup) (*scene, *cluster, door) {
	t.Helper()
	c := newCluster(t)
	d := c.door()
	o.external, o.consumers, o.bridges = true, c.direct(), d.url()
	return newScene(t, o), c, d
}

// times are how long it took until something went on.
type times []string

// until notes how long f takes.
func (t *times) until(what string, f func()) {
	begun := time.Now()
	f()
	*t = append(*t, fmt.Sprintf("%s %.1f s", what, time.Since(begun).Seconds()))
}

func (t times) String() string { return strings.Join(t, ", ") }

// clusterCase is a bridge on a cluster under load, and how it went on after what was done.
type clusterCase struct {
	*scene
	*cluster
	bridge   *child
	consumer *bus.Bus
	faults   int
	took     times
}

func newClusterCase(t *testing.T) *clusterCase {
	t.Helper()
	s, c, _ := onCluster(t, busy())
	k := &clusterCase{scene: s, cluster: c, bridge: s.start(), consumer: s.consumer()}
	k.moreEvents(k.consumer, 30)
	k.whole()
	return k
}

// goesOn waits until events arrive after a fault.
func (k *clusterCase) goesOn(what string) {
	k.scene.t.Helper()
	k.faults++
	k.took.until(what, func() { k.moreEvents(k.consumer, 10) })
}

// judge ends the bridge, and says whether all is there, once.
func (k *clusterCase) judge(what string) {
	t := k.scene.t
	t.Helper()
	k.whole()
	k.consumer.Close()
	k.bridge.stopsCleanly(k.setup.grace)
	sum := k.run().judged()
	sum.tries = k.faults
	sum.report(t, "%d faults (%s), %d lost, %d duplicated, %d misordered, %d gaps / %d expected",
		sum.tries, what, sum.lost, sum.duplicated, sum.misordered, sum.recorded, sum.expected)
	t.Attr("measured", k.took.String())
}

// TestF31ServersKilledAndRestarted: leaders are killed, all servers restarted in turn, and
// one loses its disk and then has to stand in for another.
func TestF31ServersKilledAndRestarted(t *testing.T) {
	k := newClusterCase(t)
	for _, stream := range []string{"AICC_EVENTS", "AICC_ROWS", "KV_AICC_WINDOWS"} {
		led := k.leader(stream)
		k.nodes[led].process.kill()
		k.goesOn("leader of " + stream + " killed")
		k.cluster.start(led)
		k.whole()
	}
	for i := range k.nodes {
		k.restart(i)
		k.goesOn("restarted")
		k.whole()
	}
	k.wipe(0)
	k.cluster.start(0)
	k.goesOn("wiped")
	k.whole()
	k.nodes[1].process.kill() // now the copy counts
	k.goesOn("another killed")
	k.cluster.start(1)
	k.judge("servers killed, restarted, wiped")
}

// TestF31ServerCutOff: a server loses its routes and keeps its clients. The bridge leaves
// it for another one.
func TestF31ServerCutOff(t *testing.T) {
	k := newClusterCase(t)
	at := k.of(k.scene) // the bridge stands on the side of the fewer
	k.cutOff(at, true)
	k.goesOn("the bridge's")
	if at == k.of(k.scene) {
		t.Error("the bridge stayed with the server that was cut off")
	}
	k.cutOff(at, false)
	k.whole()
	led := k.leader("AICC_EVENTS")
	k.cutOff(led, true)
	k.goesOn("the events' leader")
	k.cutOff(led, false)
	k.judge("servers cut off")
}

// TestF31QuorumLost: two servers of three are away for a minute. Polling goes on.
func TestF31QuorumLost(t *testing.T) {
	const away = 60 * time.Second
	k := newClusterCase(t)
	polled := len(k.sim.Truth().Events)
	k.nodes[0].process.kill()
	k.nodes[1].process.kill()
	pause(t, away)
	if n := len(k.sim.Truth().Events) - polled; n < 50 {
		t.Errorf("only %d events were fetched meanwhile", n)
	}
	for _, e := range k.sim.Truth().Sessions {
		if e.Change == "silent" {
			t.Errorf("agent %s was signed out for his silence", e.Agent)
		}
	}
	if !k.journal.contains("nats is connected but takes nothing") {
		t.Error("no alarm says that nothing is stored")
	}
	k.cluster.start(0)
	k.cluster.start(1)
	k.goesOn("back")
	k.judge("60 s without quorum")
}

// TestF31LeaderKilledInABatch: the leader of the rows is killed after the bridge has sent
// all of a batch but its end, or when it has stored one and the answer is lost. Each row is
// there once.
func TestF31LeaderKilledInABatch(t *testing.T) {
	const rows, tries = 3500, 4
	s, cluster, door := onCluster(t, busy())
	var took times
	for i := range tries {
		if err := s.sim.SetFaults(extraRows(rows)); err != nil {
			t.Fatal(err)
		}
		bridge := s.halfABatch(door, i)
		if i == 0 {
			cluster.whole()
		}
		led := cluster.leader("AICC_ROWS")
		cluster.nodes[led].process.kill()
		bridge.signal(syscall.SIGCONT)
		took.until("rows go on", func() { cluster.more("AICC_ROWS") })
		cluster.start(led)
		cluster.whole()
		bridge.stopsCleanly(s.setup.grace)
	}
	sum := s.run().judged()
	sum.tries = tries
	sum.report(t, "%d leaders killed in a batch, %d lost, %d duplicated", sum.tries, sum.lost, sum.duplicated)
	t.Attr("measured", fmt.Sprintf("%d rows; %s", sum.rows, took))
}

// halfABatch starts a bridge and waits until it stands in a batch, or until it has lost the
// answer to one.
func (s *scene) halfABatch(d door, i int) *child {
	s.t.Helper()
	if i%2 == 0 {
		staged := sabotage.Stopped("rows.staged")
		said := strings.Count(s.journal.String(), staged)
		bridge := s.startIn([]string{"STOP_AT=rows.staged:3"}, "run", "-c", s.path())
		s.until("a batch is half sent", func() bool { return strings.Count(s.journal.String(), staged) > said })
		return bridge
	}
	before := d.swallowed()
	bridge := s.start()
	for _, p := range d {
		p.Swallow(1, `"stream":"AICC_ROWS"`)
	}
	s.until("the answer to a batch is lost", func() bool { return d.swallowed() > before })
	return bridge
}

// TestF31TwoBridges: two bridges on a cluster. The one that polls is killed, stopped for
// longer than its lease lives, and cut off from all servers; each time the other one goes
// on, and nothing is lost or stored twice.
func TestF31TwoBridges(t *testing.T) {
	const stopped, cut = 70 * time.Second, 40 * time.Second
	o := busy()
	s, cluster, _ := onCluster(t, o)
	first := s.start()
	c := s.consumer()
	s.moreEvents(c, 30)
	cluster.whole()
	other := cluster.door()
	s2 := s.besideAt("second", other.url())
	s2.stranger = true // it has a key of its own: who takes over signs in, and the other's session ends
	second := s2.start()
	s2.until("the second bridge has its id", func() bool { return s2.hasID() })
	var took times

	first.kill()
	took.until("killed", func() { cluster.taken(s2) })
	s.moreEvents(c, 20)
	first = s.start()
	s.moreEvents(c, 20)

	second.signal(syscall.SIGSTOP)
	begun := time.Now()
	took.until("stopped", func() { cluster.taken(s) })
	pause(t, stopped-time.Since(begun))
	second.signal(syscall.SIGCONT)
	s.moreEvents(c, 20)
	second.stopsCleanly(s.setup.grace)
	r2 := s2.run() // waits
	first.stopsCleanly(s.setup.grace)
	cluster.taken(s2)
	s.moreEvents(c, 20)
	r := s.run() // waits

	other.silence(true)
	begun = time.Now()
	took.until("cut off", func() { cluster.taken(s) })
	pause(t, cut-time.Since(begun))
	other.silence(false)
	s.moreEvents(c, 20)
	s.until("the other's spool is empty", func() bool { return r2.side.(behindSpool).State().Messages == 0 })
	r2.end()
	c.Close()
	sum := r.judged()
	for _, p := range s.sim.Truth().Polling {
		sum.overlaps += p.Overlaps
	}
	if most := 3 * o.agents; sum.explained > most {
		t.Errorf("%d events are missing behind gaps, want %d at most", sum.explained, most)
	}
	sum.tries = 3
	sum.report(t, "%d bridges lost to the other, %d lost, %d duplicated, %d misordered, %d gaps / %d expected",
		sum.tries, sum.lost, sum.duplicated, sum.misordered, sum.recorded, sum.expected)
	t.Attr("measured", fmt.Sprintf("taken over: %s; %d polls overlapped", took, sum.overlaps))
}
