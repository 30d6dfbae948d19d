package bus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

// TestRecordingsAreRowsOfTheirKind: the recorder is given the rows of the recording index
// and nothing else, the workers are given no recording, and what is put off comes again
// when the work says, more often than anything may be tried.
func TestRecordingsAreRowsOfTheirKind(t *testing.T) {
	t.Parallel()
	const puts = 4
	b := ready(t, func(o *Options) { o.MaxAttempts = 2 })
	n := bustest.Names(t)
	window := schemas.Window{From: time.Unix(3600, 0), To: time.Unix(7200, 0)}
	for _, m := range []schemas.Message{
		bustest.Message(n.Row("acme", schemas.KindCDR, window), "cdr", false),
		bustest.Message(n.Row("acme", schemas.KindRecording, window), "index", false),
		bustest.Message(n.Recording("acme", "7", schemas.RecordingStored), "stored", true),
		bustest.Message(n.FileReady("acme", schemas.KindCDR), "file", true),
	} {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	intake, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var recorder, worker []string
	group.Go(func() {
		_ = b.ConsumeRecordings(intake, t.Context(), 1, workFunc(func(_ context.Context, d schemas.Delivery) error {
			if recorder = append(recorder, d.Message.Get("ce-id")); len(recorder) < puts {
				return &schemas.Later{After: time.Millisecond, Err: errors.New("not there yet")}
			}
			return nil
		}))
	})
	group.Go(func() {
		_ = b.ConsumeFiles(intake, t.Context(), 1, workFunc(func(_ context.Context, d schemas.Delivery) error {
			worker = append(worker, d.Message.Get("ce-id"))
			return nil
		}))
	})
	bustest.Await(t, func() bool {
		recordings, err := b.RecordingsIdle(t.Context())
		files, err2 := b.FilesIdle(t.Context())
		return recordings && files && err == nil && err2 == nil && b.verdicts(t, verdictAck) == 2
	})
	stop()
	group.Wait()
	if len(recorder) != puts || recorder[0] != "index" || len(worker) != 1 || worker[0] != "file" || b.verdicts(t, verdictLater) != puts-1 {
		t.Errorf("the recorder was given %v, the workers %v", recorder, worker)
	}
	if letters := all(t, b, schemas.StreamDeadLetters); len(letters) != 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}
