//go:build faults

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/schemas"
)

// TestF52NewShapesAndZones: in the middle of a run the platform is upgraded, taken back and
// upgraded once more, and writes files of another zone for a while. All rows are published,
// each new shape and the offset are said once, although the bridge is killed in between, and
// the alarm rings while the last file is of another zone, and not after.
func TestF52NewShapesAndZones(t *testing.T) {
	shapes := [][]fault.Rule{
		together("file.extra_columns"), together("file.missing_columns"), together("file.reordered"),
		together("file.extra_columns", "file.no_header"), together("file.missing_columns", "file.no_header"),
		together("file.reordered", "file.extra_columns"),
	}
	want := []string{"cells 27", "cells 31", "columns 27", "columns 31", "columns 31", "order 29", "order 31", "zone +00:00"}
	s := newScene(t, setup{kinds: schemas.Kinds()[:1], window: 4 * time.Second, since: 3 * time.Minute, overdue: 5 * time.Second, asTold: true})
	first := s.start()
	(&running{s: s}).eachFault(20, append(shapes, together("file.utc")))
	c := s.consumer()
	s.until("everything new was said", func() bool { return len(s.drifts(c)) >= len(want) })
	c.Close()
	first.kill()
	r := s.run()
	r.eachFault(20, append(shapes, together("file.utc")))
	s.until("the alarm rings", func() bool { return len(r.zones.Suspected(tenantName)) == 1 })
	if got := r.zones.Suspected(tenantName)[0]; got.Kind != schemas.KindCDR || got.Offset != "+00:00" || got.Setting != "utc" {
		t.Errorf("suspected %+v", got)
	}
	s.until("the log says so", func() bool { return s.journal.contains("set files.zone, or files.extracts.cdr.zone") })
	r.eachFault(20, [][]fault.Rule{nil})
	s.until("the alarm is over", func() bool { return len(r.zones.Suspected(tenantName)) == 0 })
	s.until("the log says that", func() bool { return s.journal.contains("the times of files are those of the zone that is set") })
	var said []string
	for _, d := range s.drifts(r.bus) {
		switch d.What {
		case schemas.DriftCells:
			said = append(said, fmt.Sprint(d.What, " ", d.Cells))
		case schemas.DriftZone:
			said = append(said, fmt.Sprint(d.What, " ", d.Offset))
		default:
			said = append(said, fmt.Sprint(d.What, " ", len(d.Columns)))
		}
	}
	slices.Sort(said)
	if !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	sum := r.judged()
	sum.tries = 2*len(shapes) + 2
	sum.report(t, "%d files of %d new shapes and another zone: %d statements, %d rows, killed in between", sum.tries, len(want)-1, len(said), sum.rows)
}
