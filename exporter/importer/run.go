package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// Worker publishes the rows of a file whose window is ready, which a *worker.Worker does.
type Worker interface {
	Handle(ctx context.Context, d schemas.Delivery) error
}

// Extract is the id of the extract that the file is: the first half of its digest.
func (f *File) Extract() string { return f.SHA256[:32] }

// attempts is how often a file is tried before the import is given up: somebody else may
// write to the window, and the bus may be away for a moment.
const attempts = 5

// Run makes the file its window's current one and has its rows published. Before is what
// the ledger had of the window. After an error that is no *ledger.UnderWay the window is
// ready still: the same call again goes on.
func (f *File) Run(ctx context.Context, l *ledger.Ledger, w Worker, window schemas.Window) (before schemas.WindowEntry, err error) {
	ready := f.ready(window, time.Now())
	if err := ready.Validate(); err != nil {
		return before, err
	}
	if before, err = l.Import(ctx, ready, time.Now()); err != nil {
		return before, err
	}
	body, err := json.Marshal(ready)
	if err != nil {
		return before, fmt.Errorf("encode file: %w", err)
	}
	pause := retry.NewBackOff(time.Second, 10*time.Second)
	for attempt := 1; ; attempt++ {
		err = w.Handle(ctx, schemas.Delivery{Message: schemas.Stored{Body: body}, Attempt: attempt, Progress: f.o.Progress})
		if err == nil || errors.As(err, new(*schemas.Permanent)) || attempt == attempts {
			break
		}
		if retry.Wait(ctx, pause.NextBackOff()) != nil {
			break
		}
	}
	if err != nil {
		return before, err
	}
	return before, f.done(ctx, l, ready)
}

// done reports an import whose window went to somebody else meanwhile.
func (f *File) done(ctx context.Context, l *ledger.Ledger, ready schemas.FileReady) error {
	e, _, err := l.Entry(ctx, ready.Tenant, ready.Kind, ready.Window)
	if err == nil && (e.ResponseID != ready.ResponseID || e.State != schemas.WindowCompleted) {
		err = fmt.Errorf("the window went to another extract meanwhile and is %s: import the file again when that is over", e.State)
	}
	return err
}

// Copy writes the file's bytes into w, which is how the worker gets them. They must be those
// that were looked at.
func (f *File) Copy(_ context.Context, _ schemas.FileReady, w io.Writer) (n int64, err error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return 0, fmt.Errorf("copy file: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err = io.Copy(io.MultiWriter(w, sum), file)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		err = fmt.Errorf("copy %s: it has changed since it was looked at", f.Path)
	}
	return n, err
}
