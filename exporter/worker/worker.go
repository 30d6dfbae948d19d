package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/spill"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// Rows is the stream of rows as the worker needs it.
type Rows interface {
	// ReadBack calls f for every message of a subject and returns the sequence of
	// the last one, 0 when there is none.
	ReadBack(ctx context.Context, subject string, f func(h schemas.RowHeader, sequence uint64)) (last uint64, err error)
	// Append stores up to [schemas.MaxBatch] messages of one subject, all or none.
	// It is refused with [schemas.ErrConflict] when the subject's last sequence
	// is not last.
	Append(ctx context.Context, messages []schemas.Message, last uint64) (newLast uint64, err error)
	// Held returns a subject's last message and how many it has; found is false, and last
	// empty, when it has none.
	Held(ctx context.Context, subject string) (last schemas.Stored, messages int, found bool, err error)
	// Fits reports whether the stream takes a message of this size.
	Fits(m schemas.Message) bool
}

// Quarantine keeps damaged files. Put returns where: <bucket>/<name>.
type Quarantine interface {
	Put(ctx context.Context, name string, meta map[string]string, r io.Reader) (object string, err error)
}

// Publisher stores a message; nil means stored.
type Publisher interface {
	Publish(ctx context.Context, m schemas.Message) error
}

// Download fetches the ZIP of a file into w. Errors are *ccfs.Error.
type Download func(ctx context.Context, f schemas.FileReady, w io.Writer) (int64, error)

// Tenant is what a worker knows of a tenant.
type Tenant struct {
	Zone     *time.Location                  // its own
	Written  map[schemas.Kind]*time.Location // the zone of the times in files; nil: Zone
	Dialect  archive.Dialect
	Edition  int  // of files without a header line, as schemas/rows has it; 0: told by their cells
	NoNames  bool // rows say nothing of what codes mean
	Download Download
	// Privacy is asked once for each file. nil, as itself or as what it returns: everything is kept.
	Privacy func() Privacy
	// Split leaves out the rows that do not have all their times in the file's window: its
	// file is of several windows.
	Split bool
}

// Options configure a [Worker]. All but Memory, Program, Limits, Zones, Tracer, Logger and Registerer are
// required.
type Options struct {
	Names      schemas.Names
	Tenants    map[string]Tenant
	Ledger     *ledger.Ledger
	Rows       Rows
	Quarantine Quarantine
	Publisher  Publisher // of dead letters
	Statements Statements
	// DownloadDir holds files while they are worked on. It is created.
	DownloadDir string
	// Memory is how many bytes a file may take up in memory while it is worked on; what it
	// has no room for is in DownloadDir meanwhile. Default 64 MiB.
	Memory int64
	// Program tells this program from others and from other versions of it, "" if it cannot.
	// By it, among other things, a file is known again whose rows need not be looked at. nil:
	// every file is read.
	Program    func() string
	Limits     archive.Limits
	Zones      *Zones        // where suspicions go; nil: nowhere
	Tracer     *trace.Tracer // nil: nothing is traced
	Logger     zerolog.Logger
	Registerer prometheus.Registerer // nil: not registered
}

// Worker turns ready files into rows. It is safe for concurrent use.
type Worker struct {
	o       Options
	metrics metrics
	said    remembered
}

const defaultMemory = 64 << 20

// New checks the options. It does no I/O.
func New(o Options) (*Worker, error) {
	if o.Names == (schemas.Names{}) || o.Ledger == nil || o.Rows == nil || o.Quarantine == nil || o.Publisher == nil || o.Statements == nil || o.DownloadDir == "" {
		return nil, errors.New("worker: names, ledger, rows, quarantine, publisher, statements and downloads folder are required")
	}
	for name, t := range o.Tenants {
		if t.Zone == nil || t.Download == nil {
			return nil, fmt.Errorf("worker: tenant %s: zone and download are required", name)
		}
		if err := t.Dialect.Validate(); err != nil {
			return nil, fmt.Errorf("worker: tenant %s: %w", name, err)
		}
	}
	o.Zones = cmp.Or(o.Zones, &Zones{})
	o.Memory = cmp.Or(o.Memory, defaultMemory)
	return &Worker{o: o, metrics: newMetrics(o.Registerer)}, nil
}

// Files in the downloads folder.
const (
	partExt  = ".part" // a download under way
	wholeExt = ".zip"  // a whole one
	keptFor  = 7 * 24 * time.Hour
)

// Attempts after which an answer of the platform is believed.
const (
	attemptsMissing = 5 // 0300011: the file may still be on its way
	attemptsEmpty   = 3 // 0300012: records are synchronised with a delay
)

// Handle publishes the rows of the ready file that a delivery tells of, each once, and the
// window's marker. nil means done, or not wanted any more. A *schemas.Pass means that the
// tenant is not one of this bridge. A *schemas.Permanent means that
// the message is none, or that the file is damaged or gone: it is in quarantine if there
// are bytes, and its window has failed. Any other error is worth another try.
func (w *Worker) Handle(ctx context.Context, d schemas.Delivery) error {
	var f schemas.FileReady
	if err := json.Unmarshal(d.Message.Body, &f); err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: fmt.Errorf("decode file message: %w", err)}
	}
	ctx, span := w.o.Tracer.Resume(ctx, d.Message.Get(trace.Header), "export file", time.Time{}, append(trace.Of(f.Tenant, f.Kind, f.Window), trace.Count("attempt", d.Attempt))...)
	err := w.export(ctx, f, d.Attempt, d.Progress)
	span.End(class(err))
	return err
}

// GivenUp fails the window of a file whose tries are used up, by the ledger's rules: it is
// asked for again. A file that is not the window's current one, or that it failed with
// already, changes nothing.
func (w *Worker) GivenUp(ctx context.Context, d schemas.Delivery, p *schemas.Permanent) error {
	var f schemas.FileReady
	if json.Unmarshal(d.Message.Body, &f) != nil || f.Validate() != nil {
		return nil // it was no window's
	}
	x := &export{w: w, file: f}
	if err := x.fail(ctx, p); !errors.Is(err, p) {
		return fmt.Errorf("give %s up: %w", f.FileName, err)
	}
	return remove(x.path())
}

// export works on one try at a file, at its n-th delivery; progress is called whenever
// work goes on.
func (w *Worker) export(ctx context.Context, f schemas.FileReady, deliveries int, progress func()) error {
	if err := f.Validate(); err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	tenant, ok := w.o.Tenants[f.Tenant]
	if !ok {
		return w.pass(ctx, f)
	}
	entry, wanted, err := w.wanted(ctx, f)
	x := &export{w: w, tenant: tenant, file: f, entry: entry, attempt: max(deliveries-entry.Passed, 1), progress: progress}
	if tenant.Privacy != nil {
		x.privacy = tenant.Privacy()
	}
	if wanted {
		err = x.run(ctx)
	}
	var p *schemas.Permanent
	if err != nil && !errors.As(err, &p) {
		return &schemas.Try{Attempt: x.attempt, Err: fmt.Errorf("export %s: %w", f.FileName, err)}
	}
	if err = errors.Join(err, remove(x.path())); err != nil {
		return &schemas.Try{Attempt: x.attempt, Err: err}
	}
	return nil
}

// pass leaves a file to a bridge that has its tenant.
func (w *Worker) pass(ctx context.Context, f schemas.FileReady) error {
	err := fmt.Errorf("export %s: tenant %s is not configured here", f.FileName, f.Tenant)
	return &schemas.Pass{Err: errors.Join(err, w.o.Ledger.Pass(ctx, f))}
}

// wanted asks the ledger whether the file is still the window's current one. A
// file that was already found damaged is refused again with the same reason: a
// crash may have come before its dead letter. Others are welcome as long as no other
// extract was asked for.
func (w *Worker) wanted(ctx context.Context, f schemas.FileReady) (schemas.WindowEntry, bool, error) {
	e, ok, err := w.o.Ledger.Entry(ctx, f.Tenant, f.Kind, f.Window)
	switch {
	case err != nil:
		return e, false, err
	case !ok || e.ResponseID != f.ResponseID || e.State == schemas.WindowCompleted:
		return e, false, nil
	case e.State == schemas.WindowFailed && !ledger.Welcome(e, f.Via):
		return e, false, &schemas.Permanent{Reason: e.Reason, Object: e.Object, Err: errors.New(e.Error)}
	}
	return e, true, nil
}

// Tidy removes what a crash left in the downloads folder: halves of downloads, what was on
// disk for lack of memory, and whole files that nobody came back for within a week. Call it once before the
// first [Worker.Handle].
func (w *Worker) Tidy(now time.Time) error {
	files, err := os.ReadDir(w.o.DownloadDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tidy downloads folder: %w", err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not ours
		}
		old := now.Sub(info.ModTime()) >= keptFor
		if ext := filepath.Ext(file.Name()); ext == partExt || ext == spill.Ext || ext == wholeExt && old {
			if err := remove(filepath.Join(w.o.DownloadDir, file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove download: %w", err)
	}
	return nil
}

type metrics struct{ files, rows, drifts *prometheus.CounterVec }

func newMetrics(r prometheus.Registerer) metrics {
	factory := promauto.With(r)
	return metrics{
		files: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_files_total", Help: "Files worked off, by kind and result.",
		}, []string{"kind", "result"}),
		rows: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "aicc_rows_published_total", Help: "Messages stored on row subjects, markers included, by kind.",
		}, []string{"kind"}),
		drifts: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "worker", Name: "drift_total",
			Help: "Files that are unlike those of every edition, or of another zone, by what is; also those of which it was said before.",
		}, []string{"tenant", "kind", "what"}),
	}
}
