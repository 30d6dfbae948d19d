package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/kv"
	"aiccbridge/config"
	"aiccbridge/exporter/importer"
	"aiccbridge/exporter/ledger"
	"aiccbridge/exporter/worker"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// importOptions are the flags of import.
type importOptions struct {
	path, tenant, kind, window string
	asJSON, dryRun             bool
	wait                       time.Duration
}

func newImport() *cobra.Command {
	o := importOptions{}
	c := &cobra.Command{
		Use:   "import FILE.zip",
		Short: "Publish the rows of a file that was obtained elsewhere",
		Long: "Publish the rows of a ZIP of the file store that was obtained elsewhere, with the guarantees\n" +
			"of a file that the bridge asked for: it is verified whole first, a window that is complete\n" +
			"gets the rows that it lacks, and importing it again, after a crash too, adds none twice.\n" +
			"The window is told from the rows' times, or is what --window says the file was asked for.\n" +
			"Without --window a file of several windows goes to each of them, if every row has all its\n" +
			"times in one.\n" +
			"Works while a bridge runs (it then connects to nats.url or listen.nats) and while none does.",
		Example: "  bridge import calls.zip --tenant acme --kind cdr --dry-run\n" +
			"  bridge import calls.zip --kind cdr --window 2026-10-01T00:00:00+08:00/2026-10-02T00:00:00+08:00",
		Args: oneArgument("the file"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), args[0], c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.path, "config", "c", "bridge.yaml", "configuration file")
	f.StringVar(&o.tenant, "tenant", "", "whose file it is; needed when there are several tenants")
	f.StringVar(&o.kind, "kind", "", "which rows it was asked for: cdr, recording, operation or skill")
	f.StringVar(&o.window, "window", "", "the span that it was asked for, as FROM/TO in RFC 3339; TO is not in it")
	f.BoolVar(&o.dryRun, "dry-run", false, "verify the file and find its window, and change nothing")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object for each window, a line each")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for NATS")
	return c
}

// imported is what import prints.
type imported struct {
	Tenant   string         `json:"tenant"`
	Kind     schemas.Kind   `json:"kind"`
	Window   schemas.Window `json:"window"`
	Extract  string         `json:"extract"` // its id, of which the rows have the sum
	SHA256   string         `json:"sha256"`
	Rows     int            `json:"rows"`     // in the file, of the window
	Added    int            `json:"added"`    // of these, brought by this import, before a crash too
	Revised  int            `json:"revised"`  // of the added, later revisions
	Rejected int            `json:"rejected"` // became dead letters
	Was      string         `json:"was"`      // the window's state before; "" when the ledger did not have it
	DryRun   bool           `json:"dry_run,omitempty"`
}

func (o importOptions) run(ctx context.Context, path string, out, errOut io.Writer) error {
	kind := schemas.Kind(o.kind)
	if err := kind.Validate(); err != nil {
		return usageError{fmt.Errorf("--kind: %w", err)}
	}
	var wish schemas.Window
	if o.window != "" {
		var err error
		if wish, err = importer.ParseWindow(o.window); err != nil {
			return usageError{fmt.Errorf("--window: %w", err)}
		}
	}
	cfg, err := load(o.path, errOut)
	if err != nil {
		return err
	}
	tenant, err := pick(cfg.Tenants, o.tenant)
	if err != nil {
		return err
	}
	meter := newMeter(errOut)
	defer meter.end()
	file, err := importer.Open(ctx, path, fileOptions(cfg, tenant, kind, meter))
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	if err != nil {
		return refused(path, err)
	}
	defer file.Close()
	log := zerolog.New(zerolog.ConsoleWriter{Out: errOut, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}}).Level(zerolog.WarnLevel)
	return visiting(ctx, cfg, log, o.wait, func(ctx context.Context, v visit) error {
		parts, err := file.Parts(ctx, v.ledger, wish, time.Now())
		for _, part := range parts {
			if err != nil {
				return err
			}
			said := imported{
				Tenant: tenant.Name, Kind: kind, Window: part.Window, SHA256: file.SHA256, Extract: file.Extract(), Rows: part.Rows, DryRun: o.dryRun,
			}
			err = said.bring(ctx, bringing{cfg, tenant, v, file, part.Split, meter, log})
			if meter.end(); err == nil {
				err = said.print(out, o.asJSON, tenant.Timezone)
			} else if part.Split {
				err = fmt.Errorf("window %s: %w", part.Window, err)
			}
		}
		return err
	})
}

// fileOptions are how the tenant's files are read; its file store need not be configured.
func fileOptions(cfg *config.Config, t config.Tenant, k schemas.Kind, m *meter) importer.Options {
	as := workerTenant(t, nil, nil)
	o := importer.Options{
		Tenant: t.Name, Kind: k, Dialect: as.Dialect, Limits: limits(cfg), Progress: m.move,
		Rows: rows.Options{Zone: as.Zone, Written: as.Written[k], Edition: as.Edition},
	}
	if t.Files != nil {
		o.AccountID = t.Files.AccountID
	}
	return o
}

// refused says why a file is no good.
func refused(path string, err error) error {
	var p *schemas.Permanent
	if errors.As(err, &p) {
		return fmt.Errorf("%s is refused, nothing was published: %s: %w", path, p.Reason, p.Err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// bringing is what an import is done with.
type bringing struct {
	cfg    *config.Config
	tenant config.Tenant
	visit  visit
	file   *importer.File
	split  bool // only the rows of the window
	meter  *meter
	log    zerolog.Logger
}

// bring publishes the file's rows, and notes what became of them.
func (i *imported) bring(ctx context.Context, b bringing) error {
	if i.DryRun {
		e, _, err := b.visit.ledger.Entry(ctx, i.Tenant, i.Kind, i.Window)
		i.Was = string(e.State)
		return err
	}
	dir, gone, err := copyFolder(time.Now())
	if err != nil {
		return err
	}
	defer gone()
	rows := &watchedRows{Rows: b.visit.bus.Rows(), meter: b.meter}
	w, err := newImportWorker(b, rows, dir)
	if err != nil {
		return err
	}
	before, err := b.file.Run(ctx, b.visit.ledger, w, i.Window)
	i.Was = string(before.State)
	i.Added, i.Revised, i.Rejected = rows.marker.Added, rows.marker.Revised, rows.marker.Rejected
	var under *ledger.UnderWay
	if errors.As(err, &under) {
		return fmt.Errorf("%w; wait for its end and import the file then", err)
	}
	if err != nil && !errors.As(err, new(*schemas.Permanent)) {
		return fmt.Errorf("%w\nimport the file again: what is published is not published twice", err)
	}
	return err
}

// importFolder begins the name of the folder of an import's copy.
const importFolder = "bridge-import-"

// copyFolder makes a folder for the copy of a file, which gone removes, and removes those of
// imports that were killed. One that is in use is locked, or too young to be locked yet.
func copyFolder(now time.Time) (dir string, gone func(), err error) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), importFolder+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err != nil || now.Sub(info.ModTime()) < time.Minute {
			continue
		}
		if lock, err := embedded.Lock(dir); err == nil {
			_ = errors.Join(os.RemoveAll(dir), lock.Close()) // another user's stays
		}
	}
	if err == nil {
		dir, err = os.MkdirTemp("", importFolder)
	}
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the file: %w", err)
	}
	lock, err := embedded.Lock(dir)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() { _ = errors.Join(os.RemoveAll(dir), lock.Close()) }, nil
}

// newImportWorker is a worker for the one file.
func newImportWorker(b bringing, rows worker.Rows, dir string) (*worker.Worker, error) {
	policy, err := newPrivacy(b.tenant.Privacy)
	if err != nil {
		return nil, err
	}
	hub, as := b.visit.bus, workerTenant(b.tenant, func() *privacy.Policy { return policy }, b.file.Copy)
	as.Split = b.split
	return worker.New(worker.Options{
		Names: b.visit.names, Ledger: b.visit.ledger,
		Tenants: map[string]worker.Tenant{b.tenant.Name: as},
		Rows:    rows, Quarantine: kv.OpenObjects(hub.Conn(), schemas.BucketQuarantine), Publisher: hub, Statements: hub,
		DownloadDir: dir, Memory: int64(b.cfg.Worker.Memory), Program: programDigest, Limits: limits(b.cfg), Logger: b.log,
	})
}

// watchedRows notes how many messages were stored, and the marker.
type watchedRows struct {
	worker.Rows
	meter  *meter
	marker schemas.WindowComplete
}

func (w *watchedRows) Append(ctx context.Context, messages []schemas.Message, last uint64) (uint64, error) {
	newest, err := w.Rows.Append(ctx, messages, last)
	if err != nil || len(messages) == 0 {
		return newest, err
	}
	w.meter.stored += len(messages)
	if m := messages[len(messages)-1]; m.Type == schemas.TypeWindowComplete {
		err = json.Unmarshal(m.Body, &w.marker)
	}
	return newest, err
}

func (i imported) print(out io.Writer, asJSON bool, zone *time.Location) error {
	if asJSON {
		return json.NewEncoder(out).Encode(i)
	}
	wall := func(t time.Time) string { return t.In(zone).Format(time.RFC3339) }
	text := fmt.Sprintf("%s %s, window %s/%s: %s in the file", i.Tenant, i.Kind, wall(i.Window.From), wall(i.Window.To), count(i.Rows, "row"))
	switch {
	case i.Rows == 0:
	case i.DryRun:
		text += "; nothing was changed"
	case i.Added == 0:
		text += ", all of them were in the stream already"
	default:
		text += fmt.Sprintf(", %d added, %d of them revisions", i.Added, i.Revised)
	}
	if i.Rejected > 0 {
		text += fmt.Sprintf(", %d rejected (dead letters)", i.Rejected)
	}
	if i.Was == "" {
		i.Was = "not in the ledger"
	}
	_, err := fmt.Fprintf(out, "%s; the window was %s\n", text, i.Was)
	return err
}

// meter says on one line of a terminal how far long work is.
type meter struct {
	out    io.Writer // nil: no terminal
	next   time.Time
	moved  bool
	stored int
}

func newMeter(w io.Writer) *meter {
	if !isTerminal(w) {
		w = nil
	}
	return &meter{out: w}
}

// meterEvery is how often the line is written.
const meterEvery = 200 * time.Millisecond

// move is called while work goes on, by one goroutine.
func (m *meter) move() {
	m.say(func() string {
		if m.stored == 0 {
			return "reading"
		}
		return fmt.Sprintf("%d stored", m.stored)
	})
}

// say writes what is the state of the work, unless it was written a moment ago.
func (m *meter) say(what func() string) {
	if m.out == nil || time.Now().Before(m.next) {
		return
	}
	m.next, m.moved = time.Now().Add(meterEvery), true
	fmt.Fprintf(m.out, "\r\x1b[K%s", what())
}

// end removes the line.
func (m *meter) end() {
	if m.moved {
		fmt.Fprint(m.out, "\r\x1b[K")
		m.moved = false
	}
}
