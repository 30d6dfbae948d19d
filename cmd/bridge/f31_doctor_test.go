//go:build faults

package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/internal/doctor"
	"aiccbridge/schemas"
)

// TestF31DoctorOnACluster: the doctor finds nothing to say of streams on three servers, and names
// one that is on a single server, or on two, with what to do; what it says to do is the cure.
func TestF31DoctorOnACluster(t *testing.T) {
	s, cluster, _ := onCluster(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}})
	healthy := func(when string) {
		t.Helper()
		for _, l := range s.examined(doctorOptions{}, nil) {
			if l.Status != doctor.OK {
				t.Errorf("%s: %+v", when, l)
			}
			if l.Check == "replicas" && !strings.Contains(l.Says, "every stream is on 3 servers") {
				t.Errorf("%s: %+v", when, l)
			}
		}
	}
	s.run().end() // it makes the streams
	cluster.whole()
	healthy("three replicas")
	for replicas, want := range map[int]struct {
		status doctor.Status
		says   string
	}{
		1: {doctor.Failure, "a cluster, but AICC_EVENTS is on one server's disk only"},
		2: {doctor.Warning, "AICC_EVENTS is on two servers"},
	} {
		s.changeStream(schemas.StreamEvents, func(c *jetstream.StreamConfig) { c.Replicas = replicas })
		found := false
		for _, l := range s.examined(doctorOptions{}, nil) {
			if l.Status == doctor.OK {
				continue
			}
			if l.Check == "replicas" && l.Status == want.status && strings.HasPrefix(l.Says, want.says) && strings.Contains(l.Cure, "set nats.replicas to 3") {
				found = true
				continue
			}
			t.Errorf("%d replicas, invented: %+v", replicas, l)
		}
		if !found {
			t.Errorf("%d replicas are not named", replicas)
		}
	}
	s.run().end()
	cluster.whole()
	healthy("started again")
	t.Attr("figure", "2/2 weak streams named, 0 invented")
}
