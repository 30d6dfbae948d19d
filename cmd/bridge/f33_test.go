//go:build faults

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"aiccbridge/schemas"
)

// streamFiles is where a server keeps the messages of a stream, below its folder.
func streamFiles(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs")
}

// flipIn turns four bytes of a file over, at a share of its length.
func flipIn(t *testing.T, path string, at float64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		b[int(float64(len(b))*at)+i] ^= 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const saysDamage = "messages that were acknowledged are not in the stream any more"

// TestF33DamagedFolders: bridges whose streams, spool or hub have lost what was
// acknowledged go on, say so, and say of which agent from where on.
func TestF33DamagedFolders(t *testing.T) {
	// after starts a bridge, ends it after some events, does harm, and starts it again.
	after := func(t *testing.T, external, kill bool, harm func(s *scene)) (*scene, *running) {
		o := busy()
		o.external, o.embedded, o.kinds = external, !external, nil
		s := newScene(t, o)
		c := s.start()
		s.until("events arrive", func() bool { return len(s.sim.Truth().Events) > 90 })
		if external { // what comes now stays in the spool
			s.hub.stop()
			s.until("events are kept", func() bool { return len(s.sim.Truth().Events) > 180 })
		}
		if kill {
			c.kill()
		} else {
			c.signal(syscall.SIGTERM)
			c.state()
		}
		harm(s)
		r := s.run()
		if external {
			s.hub.start()
		}
		s.moreEvents(r.bus, 30)
		return s, r
	}
	noticed := func(s *scene, r *running) score {
		s.t.Helper()
		if r.witness.Found() == nil || !s.journal.contains(saysDamage) {
			s.t.Error("nothing says that the stream was damaged")
		}
		s.until("a gap record says so", func() bool {
			_, found, err := r.bus.Last(s.t.Context(), "aicc.v1."+tenantName+".agent.*.gap."+string(schemas.GapStoreDamaged))
			return found && err == nil
		})
		sum := r.judged()
		if sum.explained == 0 {
			s.t.Error("nothing was lost")
		}
		return sum
	}
	events := func(s *scene) string {
		return streamFiles(filepath.Join(s.dir, "data", "nats"), "AICC_EVENTS") + "/1.blk"
	}
	sum := scenes(t, map[string]func(t *testing.T) score{
		"killed, flipped, and the sessions too": func(t *testing.T) score {
			return noticed(after(t, false, true, func(s *scene) {
				flipIn(t, events(s), 0.4)
				flipIn(t, streamFiles(filepath.Join(s.dir, "data", "nats"), "KV_AICC_SESSIONS")+"/1.blk", 0.2)
			}))
		},
		"stopped, and cut off": func(t *testing.T) score {
			return noticed(after(t, false, false, func(s *scene) {
				info, err := os.Stat(events(s))
				if err == nil {
					err = os.Truncate(events(s), info.Size()/2)
				}
				if err != nil {
					t.Fatal(err)
				}
			}))
		},
		"the spool": func(t *testing.T) score {
			return noticed(after(t, true, true, func(s *scene) {
				blocks, _ := filepath.Glob(streamFiles(filepath.Join(s.dir, "data", "spool-nats"), "AICC_SPOOL_EVENTS") + "/*.blk")
				flipIn(t, blocks[len(blocks)-1], 0.7)
			}))
		},
		"rows": func(t *testing.T) score {
			o := busy()
			o.embedded = true
			s := newScene(t, o)
			c := s.start()
			s.waitFor(schemas.StreamRows, 60)
			s.until("the first windows are complete", func() bool { return strings.Count(s.journal.String(), `"window complete"`) >= 8 })
			c.kill()
			flipIn(t, streamFiles(filepath.Join(s.dir, "data", "nats"), "AICC_ROWS")+"/1.blk", 0.3) // in one of these
			r := s.run()
			s.until("windows are asked for again", func() bool { return s.journal.contains("the stream lacks rows of windows that are complete") })
			return r.judged()
		},
		"nothing but an index": func(t *testing.T) score {
			s, r := after(t, false, true, func(s *scene) { _ = os.Remove(filepath.Dir(events(s)) + "/index.db") })
			if err := r.witness.Found(); err != nil || s.journal.contains(saysDamage) {
				t.Errorf("damage was found where there is none: %v", err)
			}
			return r.judged()
		},
		"the hub put back from an older copy": func(t *testing.T) score {
			o := busy()
			o.external, o.kinds = true, nil
			s := newScene(t, o)
			r := s.run()
			s.moreEvents(r.bus, 60)
			s.hub.stop()
			old := filepath.Join(s.dir, "old")
			copyData(t, s.hub.dir, old)
			s.hub.start()
			s.moreEvents(r.bus, 60)
			s.hub.stop()
			copyData(t, old, s.hub.dir)
			s.hub.start()
			s.until("it is said", func() bool { return s.journal.contains(saysDamage) })
			s.moreEvents(r.bus, 30)
			return noticed(s, r)
		},
	})
	sum.tries = 6
	sum.report(t, "6 times damage, %d events or rows neither stored nor in a gap, %d said to be lost", sum.lost, sum.explained)
}
