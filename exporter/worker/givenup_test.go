package worker

import (
	"errors"
	"testing"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestGivenUp: a file whose tries are used up fails its window, which is asked for again
// soon; told again, or of a file that is not the window's any more, nothing changes.
func TestGivenUp(t *testing.T) {
	s := newShop(t)
	exhausted := &schemas.Permanent{Reason: schemas.ReasonAttempts, Err: errors.New("the disk is slow")}
	f := s.ready(1, []byte("half"))
	s.refuse = func(schemas.FileReady) error { return exportertest.ErrBus }
	if err := s.export(f, 10); err == nil || reasonOf(err) != "" {
		t.Fatalf("the last try ends with %v", err)
	}
	d := schemas.Delivery{Attempt: 10, Message: schemas.Stored{Body: s.lastReady()}}
	exportertest.Check(t, s.worker.GivenUp(t.Context(), d, exhausted))
	e := exportertest.Entry(t, s.ledger, exportertest.Hour(0))
	if e.State != schemas.WindowFailed || e.Reason != schemas.ReasonAttempts || e.DueAt.IsZero() || time.Until(e.DueAt) > time.Hour {
		t.Fatalf("the window is %+v", e)
	}
	exportertest.Check(t, s.worker.GivenUp(t.Context(), d, exhausted)) // another bridge, or after a crash
	if again := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); !again.DueAt.Equal(e.DueAt) {
		t.Errorf("told again: %+v", again)
	}
	if err := s.export(f, 11); reasonOf(err) != schemas.ReasonAttempts {
		t.Errorf("after a crash before its message ended it is handled with %v", err)
	}
	checkDownloads(t, s)
	s.refuse = nil
	exportertest.Check(t, s.export(s.ready(2, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 10)))), 1))
	exportertest.Check(t, s.worker.GivenUp(t.Context(), d, exhausted))
	if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowCompleted {
		t.Errorf("the next extract's window is %+v", e)
	}
	for _, body := range []string{``, `{}`, `[]`, `{"tenant":"acme"}`} { // no window's
		exportertest.Check(t, s.worker.GivenUp(t.Context(), schemas.Delivery{Message: schemas.Stored{Body: []byte(body)}}, exhausted))
	}
}

// TestGivenUpWithoutLedger: it is not given up before the ledger has it.
func TestGivenUpWithoutLedger(t *testing.T) {
	s := newShop(t)
	s.ready(1, nil)
	s.bucket.Intercept(func(string, string) error { return exportertest.ErrBus })
	d := schemas.Delivery{Message: schemas.Stored{Body: s.lastReady()}}
	err := s.worker.GivenUp(t.Context(), d, &schemas.Permanent{Reason: schemas.ReasonAttempts, Err: errors.New("x")})
	if !errors.Is(err, exportertest.ErrBus) {
		t.Errorf("it ends with %v", err)
	}
}

// lastReady is the body of the newest file's message.
func (s *shop) lastReady() []byte {
	all := s.pub.Of(schemas.TypeFileReady)
	return all[len(all)-1].Body
}
