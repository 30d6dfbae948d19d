//go:build readers

package rowfile_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"aiccbridge/exporter/archive"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
)

// night is when the simulated contact centre opens: its clocks are put back two hours later.
var night = time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC)

// open is how long it works. Its agents make more than wanted rows of calls and
// operations meanwhile; the simulator invents what is lacking of the others.
const open, wanted = 9 * time.Hour, 1000

// simulatedRows are the first rows of each kind, as the worker makes them of the
// simulator's files.
func simulatedRows(t *testing.T) map[schemas.Kind][]schemas.Message {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	w := playedWorld(t, zone)
	book := fault.NewBook(content.FaultKinds(fault.Scope{Kinds: world.Words}), 1, time.Now)
	if err := book.Set([]fault.Rule{
		{Fault: "rows.extra", Kind: "recording", Next: 1, Count: wanted}, {Fault: "rows.extra", Kind: "skill", Next: 1, Count: wanted},
		{Fault: "rows.clock_change", Next: 4},
		{Fault: "file.extra_columns", Next: 4, Count: 2}, {Fault: "file.reordered", Next: 2},
	}); err != nil {
		t.Fatal(err)
	}
	maker, err := content.New(content.Options{
		Source: w, Timezone: zone, Developer: "testak01", AccountID: "202405019999", Faults: book, Dice: content.NewDice(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[schemas.Kind][]schemas.Message{}
	for i, k := range schemas.Kinds() {
		file, err := maker.Make(content.Request{
			Kinds: []world.Kind{[]world.Kind{world.Call, world.Record, world.Operation, world.SkillGrant}[i]},
			Begin: night.In(zone).Format(content.Layout), End: night.Add(open).In(zone).Format(content.Layout),
		}, night.Add(2*open))
		if err != nil {
			t.Fatal(err)
		}
		all[k] = encoded(t, k, file.Data, zone)
		if len(all[k]) < wanted {
			t.Fatalf("%d %s rows, want %d", len(all[k]), k, wanted)
		}
		all[k] = all[k][:wanted]
	}
	return all
}

// playedWorld is a contact centre of 40 agents whose night is over.
func playedWorld(t *testing.T, zone *time.Location) *world.World {
	t.Helper()
	var w *world.World
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Until(night)
		var err error
		w, err = world.New(world.Options{Seed: 5, Agents: 40, Location: zone, Now: func() time.Time { return time.Now().Add(ahead) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		for _, a := range w.Agents() {
			if _, err := w.SignIn(a.ID, world.SignIn{Deliver: func(world.Event) {}}); err != nil {
				t.Fatal(err)
			}
			if err := w.ResetSkills(a.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(open)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	return w
}

// encoded are the rows of a file.
func encoded(t *testing.T, k schemas.Kind, file []byte, zone *time.Location) (all []schemas.Message) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.zip")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := archive.Open(t.Context(), name, archive.Options{Progress: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	encoder := encoderOf(t, k, zone)
	for _, m := range a.Of(k) {
		records, err := m.Records(t.Context(), func() {})
		if err != nil {
			t.Fatal(err)
		}
		defer records.Close()
		for {
			record, err := records.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if header, fresh := records.Header(); err == nil && fresh {
				err = encoder.Header(header)
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row(t, encoder, record))
		}
	}
	return all
}
