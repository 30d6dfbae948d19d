package calls

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// hours are how many windows of each kind there are.
const hours = 5

// history draws what files say of some calls, and lets windows be complete in any order.
type history struct {
	*shop
	r       *rapid.T
	records map[source][]record // that a file of a window holds in the end
}

func newHistory(t *testing.T, r *rapid.T) *history {
	h := &history{shop: newShop(t), r: r, records: map[source][]record{}}
	put := func(k schemas.Kind, hour int, rec record) {
		at := source{k, exportertest.Hour(hour)}
		h.records[at] = append(h.records[at], rec)
	}
	hour := rapid.IntRange(0, hours-1)
	if rapid.Bool().Draw(r, "planned") { // as the planner does, before they are extracted
		for _, k := range kinds {
			for at := range hours {
				h.plan(k, at)
			}
		}
	}
	for c := range rapid.IntRange(1, 4).Draw(r, "calls") {
		id := fmt.Sprint("c", c)
		for n := range rapid.IntRange(1, 3).Draw(r, "legs") {
			at := hour.Draw(r, "hour")
			put(cdr, at, inQueue(id, n+1, at, 100*c+n))
		}
		if rapid.Bool().Draw(r, "closed") {
			at := hour.Draw(r, "hour")
			put(cdr, at, withAgent(id, -1, at, 1000+c))
		}
		if rapid.Bool().Draw(r, "recorded") {
			at := hour.Draw(r, "hour")
			put(recording, at, recorded(id, at, 2000+c))
		}
		if rapid.Bool().Draw(r, "operated") {
			at := hour.Draw(r, "hour")
			put(operation, at, operated(fmt.Sprint(c), id, at, 3000+c))
		}
	}
	return h
}

// file extracts a window; some of its records are not known yet.
func (h *history) file(k schemas.Kind, hour int, whole bool) {
	var known []record
	for _, rec := range h.records[source{k, exportertest.Hour(hour)}] {
		if whole || rapid.Bool().Draw(h.r, "known") {
			known = append(known, rec)
		}
	}
	h.extract(k, hour, known...)
}

// correct changes a record of a window.
func (h *history) correct(k schemas.Kind, hour int) {
	all := h.records[source{k, exportertest.Hour(hour)}]
	if len(all) == 0 {
		return
	}
	i := rapid.IntRange(0, len(all)-1).Draw(h.r, "which")
	column := map[schemas.Kind]string{cdr: "release_cause", recording: "task_status", operation: "op_cause"}[k]
	all[i] = all[i].with(column, fmt.Sprint(rapid.IntRange(0, 4).Draw(h.r, "value")))
}

// TestAsFromScratch: in whatever order windows are complete, are extracted again and
// corrected, and wherever a bridge dies, the calls come to what they would be if all were
// made at the end; each has one home, and each revision is there once.
func TestAsFromScratch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		h := newHistory(t, r)
		kind, hour := rapid.SampledFrom(kinds[:]), rapid.IntRange(0, hours-1)
		for range rapid.IntRange(0, 12).Draw(r, "steps") {
			k, at := kind.Draw(r, "kind"), hour.Draw(r, "hour")
			switch rapid.SampledFrom([]string{"file", "file", "correct", "say", "tick", "tick", "die", "lie"}).Draw(r, "step") {
			case "say":
				h.hear(at)
			case "file":
				h.file(k, at, false)
			case "correct":
				h.correct(k, at)
			case "tick":
				h.tick()
			case "die":
				h.die(&h.calls.Before)
			case "lie":
				h.die(&h.calls.After)
			}
		}
		for _, k := range kinds {
			for at := range hours {
				h.file(k, at, true)
			}
		}
		h.tick()
		scratch := newShop(t)
		scratch.rows, scratch.ledger, scratch.said = h.rows, h.ledger, h.said
		scratch.restart()
		scratch.tick()
		same(t, "in the end", scratch, h.shop)
		if t.Failed() {
			r.FailNow()
		}
	})
}

// hear says what became of a recording whose row is in a window.
func (h *history) hear(hour int) {
	there, _ := h.rows.On(h.names.Row(exportertest.Acme, recording, exportertest.Hour(hour)))
	if len(there) == 0 {
		return
	}
	row := rapid.SampledFrom(there).Draw(h.r, "recording")
	var of callID
	exportertest.Unmarshal(h.t, row.Body, &of)
	h.say(row, hour, of.CallID, rapid.SampledFrom([]schemas.RecordingStatus{schemas.RecordingStored, schemas.RecordingMissing}).Draw(h.r, "status"))
}

// die lets the next batch but a few fail, and a new process go on.
func (h *history) die(at *func(int) error) {
	left := rapid.IntRange(0, 3).Draw(h.r, "batches")
	*at = func(int) error {
		if left--; left < 0 {
			return exportertest.ErrBus
		}
		return nil
	}
	if h.builder.tick(h.t.Context()) != nil {
		h.restart()
	}
	*at = nil
}
