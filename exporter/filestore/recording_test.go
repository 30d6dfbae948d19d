package filestore

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccfs"
)

func recording() Recording {
	return Recording{FileName: "/10/1/record/39/20261101/101/1.wav", Original: `X:\39\1.V3`, CallID: "17-1", CCID: "1", Begin: at(5), End: at(6)}
}

// TestAudio: each way asks for what it goes by, and gives what comes.
func TestAudio(t *testing.T) {
	r := recording()
	for way, c := range map[string]struct {
		call   string
		sought any
		lacks  func(*Recording)
	}{
		ByFileName: {"recording", r.FileName, func(r *Recording) { r.FileName = "" }},
		ByOriginal: {"original", ccfs.Original{FileName: r.Original, CCID: "1"}, func(r *Recording) { r.Original = "" }},
		ByCallID:   {"original", ccfs.Original{CallID: r.CallID, CCID: "1"}, func(r *Recording) { r.CallID = "" }},
		ByAddress:  {"opened", nil, func(r *Recording) { r.End = time.Time{} }},
	} {
		s, client := store(t, "Asia/Shanghai")
		client.stored = 1
		var got strings.Builder
		if err := s.Audio(t.Context(), way, recording(), &got); err != nil || got.String() != "audio" || client.call != c.call {
			t.Errorf("%s: %q by %s, %v", way, got.String(), client.call, err)
		}
		if c.sought != nil && !reflect.DeepEqual(client.sought, c.sought) {
			t.Errorf("%s: asked for %+v", way, client.sought)
		}
		if asked, ok := client.sought.(ccfs.Stored); ok && asked.From.Format("15:04") != "13:00" {
			t.Errorf("asked from %s, want the tenant's time", asked.From)
		}
		lacking := recording()
		c.lacks(&lacking)
		client.call = ""
		if err := s.Audio(t.Context(), way, lacking, io.Discard); !errors.Is(err, ErrUnnamed) || client.call != "" {
			t.Errorf("%s without what it goes by: %v, %q was called", way, err, client.call)
		}
	}
}

// TestAudioAtClockChange: of a call across the hour that comes twice the end is written
// before the begin, which the platform does not take.
func TestAudioAtClockChange(t *testing.T) {
	s, client := store(t, "America/New_York")
	client.stored = 1
	r := recording()
	r.Begin, r.End = time.Date(2026, 11, 1, 5, 50, 0, 0, time.UTC), time.Date(2026, 11, 1, 6, 10, 0, 0, time.UTC) // 01:50, and 01:10 again
	if err := s.Audio(t.Context(), ByAddress, r, io.Discard); err != nil {
		t.Fatal(err)
	}
	asked, _ := client.sought.(ccfs.Stored)
	if from, to := asked.From.Format("15:04"), asked.To.Format("15:04"); from != "01:50" || to != "02:10" {
		t.Errorf("asked from %s to %s", from, to)
	}
}

func TestAudioThatIsNotOne(t *testing.T) {
	s, client := store(t, "UTC")
	client.stored = 2
	var e *ccfs.Error
	if err := s.Audio(t.Context(), ByAddress, recording(), io.Discard); !errors.As(err, &e) || e.Class != ccfs.NotThere {
		t.Errorf("two addresses: %v", err)
	}
	client.err = &ccfs.Error{Class: ccfs.FlowControl}
	if err := s.Audio(t.Context(), ByAddress, recording(), io.Discard); !errors.As(err, &e) || e.Class != ccfs.FlowControl {
		t.Errorf("refused: %v", err)
	}
	if err := s.Audio(t.Context(), "other", recording(), io.Discard); err == nil {
		t.Error("an unknown way")
	}
}
