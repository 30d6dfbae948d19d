//go:build faults

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// The alarms of NATS, of the disk and of the data folder, by the faults that they are for.

// configured changes the scene's configuration as an editor does.
func (s *scene) configured(old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(s.path())
	if err != nil || !bytes.Contains(text, []byte(old)) {
		s.t.Fatalf("%q is not in the configuration: %v", old, err)
	}
	if err := os.WriteFile(s.path(), bytes.Replace(text, []byte(old), []byte(new), 1), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// The external server stops, and starts again.
func hubRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, external: true, long: true})
	r := s.run()
	s.silent("hub")
	s.hub.stop()
	s.rings("hub", "")
	s.hub.start()
	s.silent("hub")
	r.end()
}

// While the hub is away so much is kept that the spool's part for dead letters is half full.
func spoolRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, external: true, long: true})
	s.configured("nats: {", "nats: {spool_size: 64MiB, ")
	r := s.run()
	s.silent("spool")
	s.hub.stop()
	for i := range 6 { // of at most 4 MiB together
		m, err := r.names.DeadLetterMessage(schemas.DeadLetter{
			Tenant: tenantName, Reason: schemas.ReasonDamagedZip, Error: "a test's own", Attempts: 1,
			FirstAt: time.Now(), LastAt: time.Now(), Original: []byte(strconv.Quote(strings.Repeat("x", 500_000))),
		}, strconv.Itoa(i))
		if err == nil {
			err = r.side.(behindSpool).Publish(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.rings("spool", "half full")
	s.hub.start()
	s.silent("spool")
	r.end()
}

// Somebody makes consumers and never deletes them.
func consumersRing(t *testing.T) {
	const many = 801
	s := newScene(t, setup{agents: 1, embedded: true, long: true})
	r := s.run()
	s.silent("consumers")
	js, stream := r.bus.Conn().JetStream(), r.names.Stream(schemas.StreamCoverage)
	var names []string
	for range many {
		c, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{MemoryStorage: true, InactiveThreshold: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.CachedInfo().Name)
	}
	s.rings("consumers", stream+" has ")
	for _, name := range names {
		if err := js.DeleteConsumer(t.Context(), stream, name); err != nil {
			t.Fatal(err)
		}
	}
	s.silent("consumers")
	r.end()
}

// The bucket of the windows is purged; a bridge that starts plans anew.
func windowsRing(t *testing.T) {
	s := newScene(t, setup{kinds: schemas.Kinds()[:1], window: 10 * time.Second, since: 30 * time.Second, embedded: true, long: true})
	r := s.run()
	s.until("windows are planned", func() bool { return len(r.ledger.Entries(tenantName, schemas.KindCDR)) > 1 })
	stream, err := r.bus.Conn().JetStream().Stream(t.Context(), r.names.BucketStream(schemas.BucketWindows))
	if err == nil {
		err = stream.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.rings("windows", "purge")
	r.end()
	r = s.run()
	s.until("windows are planned anew", func() bool { return len(r.ledger.Entries(tenantName, schemas.KindCDR)) > 1 })
	s.silent("windows")
	r.end()
}

// The disk flips bytes of what was acknowledged. The alarm lasts a day.
func damageRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, embedded: true, long: true})
	first := s.start()
	c := s.consumer()
	s.moreEvents(c, 60)
	c.Close()
	first.kill()
	flipIn(t, streamFiles(filepath.Join(s.dir, "data", "nats"), "AICC_EVENTS")+"/1.blk", 0.4)
	r := s.run()
	s.rings("damage", "AICC_EVENTS")
	r.end()
}

// A copy of the data folder polls while this bridge starts, and ends.
func copyRings(t *testing.T) {
	s := newScene(t, setup{agents: 2, external: true, long: true})
	data := filepath.Join(s.dir, "data")
	first := s.start()
	c := s.consumer()
	s.moreEvents(c, 10)
	first.kill()
	second := s.beside("second")
	copyData(t, data, filepath.Join(second.dir, "data"))
	first = s.start()
	s.moreEvents(c, 10)
	c.Close()
	r := second.run()
	second.rings("copy", "another process")
	first.kill()
	second.silent("copy")
	r.end()
}

// For a while the platform writes the times of its files in UTC.
func zoneRings(t *testing.T) {
	s := newScene(t, setup{
		kinds: schemas.Kinds()[:1], window: 4 * time.Second, since: time.Minute, overdue: 5 * time.Second, long: true,
		faults: []fault.Rule{{Fault: "file.utc", Share: 1}, extraRows(20)},
	})
	r := s.run()
	s.rings("zone", "set files.zone")
	if err := s.sim.SetFaults(extraRows(20)); err != nil {
		t.Fatal(err)
	}
	s.silent("zone")
	r.end()
}
