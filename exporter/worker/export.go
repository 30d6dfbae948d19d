package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/exporter/archive"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// export is one try at one ready file.
type export struct {
	w        *Worker
	tenant   Tenant
	privacy  Privacy // of the tenant, for this file; nil: everything is kept
	file     schemas.FileReady
	entry    schemas.WindowEntry
	attempt  int
	progress func()
	unsaid   bool // something about its shape could not be said
}

// log is the worker's logger with what identifies the export.
func (x *export) log() *zerolog.Logger {
	l := x.w.o.Logger.With().Str("tenant", x.file.Tenant).Str("kind", string(x.file.Kind)).
		Stringer("window", x.file.Window).Str("file", x.file.FileName).Logger()
	return &l
}

func (x *export) run(ctx context.Context) error {
	if err := x.step(ctx, "download", x.fetch); err != nil {
		return x.notFetched(ctx, err)
	}
	err := x.fetched(ctx)
	var p *schemas.Permanent
	if errors.As(err, &p) {
		return x.reject(ctx, p)
	}
	return err
}

// fetched publishes the downloaded file, as far as the window lacks it.
func (x *export) fetched(ctx context.Context) error {
	last, err := x.lastExtract(ctx)
	if err != nil {
		return err
	}
	if done, err := x.sameFile(ctx, last); done || err != nil {
		return err
	}
	return x.verified(ctx, last)
}

// verified publishes it once it has been found sound.
func (x *export) verified(ctx context.Context, last lastExtract) error {
	var a *archive.Archive
	err := x.step(ctx, "verify", func(ctx context.Context) (err error) {
		a, err = archive.Open(ctx, x.path(), archive.Options{Dialect: x.tenant.Dialect, Limits: x.w.o.Limits, Progress: x.progress})
		return err
	})
	if err != nil {
		return err
	}
	defer a.Close()
	if len(a.Skipped) > 0 {
		x.log().Warn().Strs("members", a.Skipped).Msg("members are no rows and were skipped")
	}
	for _, m := range a.Members {
		if m.Torn > 0 {
			x.log().Warn().Str("member", m.Name).Str("encoding", m.Charset).Int("places", m.Torn).Msg("characters are cut and were replaced")
		}
	}
	if !a.Holds(x.file.Kind) {
		return &schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: fmt.Errorf("no member holds %s rows", x.file.Kind)}
	}
	if done, err := x.sameText(ctx, last, a); done || err != nil {
		return err
	}
	return x.publish(ctx, a)
}

// reject puts a damaged file away and fails its window.
func (x *export) reject(ctx context.Context, p *schemas.Permanent) error {
	if x.withholds() {
		return x.fail(ctx, &schemas.Permanent{Reason: p.Reason, Err: fmt.Errorf("%w (bytes not kept: privacy policy)", p.Err)})
	}
	file, err := os.Open(x.path())
	if err != nil {
		return fmt.Errorf("open damaged file: %w", err)
	}
	defer file.Close()
	f := x.file
	object, err := x.w.o.Quarantine.Put(ctx, schemas.EncodeToken(f.Tenant)+"/"+f.FileName, map[string]string{
		"tenant": f.Tenant, "kind": string(f.Kind), "window": f.Window.String(), "reason": string(p.Reason),
	}, archive.Steady(ctx, file, x.progress))
	if err != nil {
		return fmt.Errorf("put %s in quarantine: %w", f.FileName, err)
	}
	return x.fail(ctx, &schemas.Permanent{Reason: p.Reason, Object: object, Err: p.Err})
}

// fail ends the window's extract. The verdict is final only once the ledger has it.
func (x *export) fail(ctx context.Context, p *schemas.Permanent) error {
	if err := x.w.o.Ledger.Fail(ctx, x.file, p, time.Now()); err != nil {
		return err
	}
	x.w.metrics.files.WithLabelValues(string(x.file.Kind), string(p.Reason)).Inc()
	return p
}

// Result codes of a download that need more than their class (cec_07_0835).
const (
	codeBadDate = "0300010" // the date in the file name is wrong
	codeNoData  = "0300012" // no data found
)

// notFetched decides what a failed download means.
func (x *export) notFetched(ctx context.Context, err error) error {
	var refused *ccfs.Error
	if !errors.As(err, &refused) {
		return err
	}
	guessed := x.file.Via == schemas.ViaPredicted // then no code says more than that the guess was wrong
	empty := refused.Code == codeNoData && !guessed
	missing := refused.Class == ccfs.NotThere && !empty || refused.Code == codeBadDate && guessed
	switch {
	case empty && x.attempt >= attemptsEmpty:
		return x.publish(ctx, &archive.Archive{})
	case missing && x.attempt >= attemptsMissing:
		return x.fail(ctx, &schemas.Permanent{Reason: schemas.ReasonFileMissing, Err: err})
	case !missing && !empty && refused.Final(x.attempt):
		return x.fail(ctx, &schemas.Permanent{Reason: schemas.ReasonRefused, Err: err})
	}
	return err
}

// path is where the file is kept while it is worked on.
func (x *export) path() string {
	return filepath.Join(x.w.o.DownloadDir, schemas.EncodeToken(x.file.Tenant)+"-"+x.file.ResponseID+wholeExt)
}

// fetch downloads the file into the downloads folder. One that an earlier attempt
// fetched whole is taken as it is: the platform need not have it any more.
func (x *export) fetch(ctx context.Context) error {
	if _, err := os.Stat(x.path()); err == nil {
		return nil
	}
	if err := os.MkdirAll(x.w.o.DownloadDir, 0o700); err != nil {
		return fmt.Errorf("make downloads folder: %w", err)
	}
	part, err := os.CreateTemp(x.w.o.DownloadDir, x.file.ResponseID+"-*"+partExt)
	if err != nil {
		return fmt.Errorf("make download: %w", err)
	}
	f := x.file
	f.FileName = nameAt(f, x.attempt)
	_, err = x.tenant.Download(ctx, f, &progressWriter{part, x.progress})
	if err == nil {
		sabotage.Point("download.whole")
		err = part.Sync()
	}
	if err = cmp.Or(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), x.path())
	}
	if err == nil {
		sabotage.Point("download.renamed")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("fetch %s: %w", f.FileName, err), remove(part.Name()))
	}
	return nil
}

// nameAt is the name to ask for at an attempt. A predicted name holds the date
// of the request, and the pages leave open in which zone: the neighbours take
// their turn.
func nameAt(f schemas.FileReady, attempt int) string {
	const layout = "20060102"
	day, err := time.Parse(layout, f.FileName[:min(len(layout), len(f.FileName))])
	if f.Via != schemas.ViaPredicted || err != nil {
		return f.FileName
	}
	turn := [...]int{0, -1, 1}[max(attempt-1, 0)%3]
	return day.AddDate(0, 0, turn).Format(layout) + f.FileName[len(layout):]
}

type progressWriter struct {
	w        io.Writer
	progress func()
}

func (p *progressWriter) Write(b []byte) (int, error) {
	p.progress()
	n, err := p.w.Write(b)
	sabotage.Point("download.half")
	return n, err
}
