//go:build faults

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// TestF53KillsWhileFetching: wherever a bridge is killed on the way of a recording, all are
// stored, each is said once and kept once, and only what was not kept yet is asked for again.
func TestF53KillsWhileFetching(t *testing.T) {
	const rows, times = 60, 3
	s := newScene(t, recorded(rows, voice.Settings{}))
	kills, unkept := 0, 0
	for i := range times {
		for _, point := range sabotage.Points {
			if !strings.HasPrefix(point, "audio.") || !s.dies(point, 1+i) {
				continue
			}
			kills++
			if point == "audio.half" || point == "audio.fetched" {
				unkept++
			}
		}
	}
	r := s.run()
	kept := 0
	report := r.heardAnd(rows, func() {
		err := kv.OpenObjects(r.bus.Conn(), schemas.BucketRecordings).Each(t.Context(), "", func(schemas.Object) error {
			kept++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	if kills != 4*times || report.Stored != rows || kept != rows || report.Requests > rows+unkept {
		t.Errorf("%d kills, %d of %d stored, %d kept, %d requests", kills, report.Stored, rows, kept, report.Requests)
	}
	t.Attr("figure", fmt.Sprintf("%d kills, %d/%d stored, %d said twice, %d requests / %d expected", kills, report.Stored, rows, report.Repeated, report.Requests, rows+unkept))
	t.Attr("tries", fmt.Sprint(kills))
}

// TestF53TwoBridges share the rows of one tenant, on a hub with the rights of docs/nats; one
// is killed meanwhile. Each recording is stored, said and kept once, and none is asked for
// more than twice on average: some of it is late, some was in hand.
func TestF53TwoBridges(t *testing.T) {
	const rows = 80
	o := recorded(rows, voice.Settings{Late: 0.1})
	o.external, o.restricted = true, true
	o.audio.LateBy = 2 * time.Second
	s := newScene(t, o)
	first := s.startIn([]string{"KILL_AT=audio.fetched:20"}, "run", "-c", s.path())
	r := s.beside("second").run()
	<-first.done
	report := r.heard(rows)
	if report.Stored != rows || report.Requests > 2*rows {
		t.Errorf("%d of %d stored with %d requests", report.Stored, rows, report.Requests)
	}
	t.Attr("figure", fmt.Sprintf("2 bridges, %d/%d stored, %d said twice", report.Stored, rows, report.Repeated))
	t.Attr("tries", "1")
}
