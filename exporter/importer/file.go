package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// Options say whose a file is, and how it is read. Tenant, Kind and Rows.Zone are required.
type Options struct {
	Tenant  string
	Kind    schemas.Kind
	Rows    rows.Options // Zone is required
	Dialect archive.Dialect
	Limits  archive.Limits
	// AccountID is the tenant's; rows of another one are refused. "": any will do.
	AccountID string
	Progress  func() // called while reading; nil: nobody looks
}

// File is a ZIP that was read to its end and found sound.
type File struct {
	Path     string
	SHA256   string
	Rows     int       // of the kind
	From, To time.Time // the earliest and the latest time in its rows; zero when there is none

	o Options
	a *archive.Archive
}

// Open reads a file. A *schemas.Permanent says what is wrong with it. Close it.
func Open(ctx context.Context, path string, o Options) (_ *File, err error) {
	if o.Progress == nil {
		o.Progress = func() {}
	}
	a, err := archive.Open(ctx, path, archive.Options{Dialect: o.Dialect, Limits: o.Limits, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, SHA256: a.SHA256, o: o, a: a}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if !a.Holds(o.Kind) {
		return nil, &schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: fmt.Errorf("no member holds %s rows; it has those of %s", o.Kind, f.kinds())}
	}
	return f, f.survey(ctx)
}

// Close closes the file.
func (f *File) Close() error { return f.a.Close() }

// kinds names the kinds of rows in the file.
func (f *File) kinds() string {
	var names []string
	for _, m := range f.a.Members {
		if name := string(m.Kind); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// survey finds out between which times the rows lie, and whose they are.
func (f *File) survey(ctx context.Context) error {
	foreign, identified, account := 0, 0, ""
	err := f.each(ctx, func(e *rows.Encoder, record []string) error {
		f.Rows++
		if other := e.Account(record); other != "" && f.o.AccountID != "" && other != f.o.AccountID {
			foreign, account = foreign+1, other
		}
		if e.Tells(record) {
			identified++
		}
		for _, at := range e.Times(record) {
			if f.From.IsZero() || at.Before(f.From) {
				f.From = at
			}
			if at.After(f.To) {
				f.To = at
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case foreign > 0:
		return fmt.Errorf("%d of its %d rows are of account %s, and the tenant's is %s", foreign, f.Rows, account, f.o.AccountID)
	case f.Rows > 0 && identified == 0:
		return &schemas.Permanent{Reason: schemas.ReasonRowIdentity, Err: fmt.Errorf("none of its %d records names an id or a call", f.Rows)}
	}
	return nil
}

// each calls visit for every record of the kind.
func (f *File) each(ctx context.Context, visit func(e *rows.Encoder, record []string) error) error {
	e := rows.NewEncoder(schemas.Names{}, schemas.FileReady{}, f.o.Kind, f.o.Rows)
	for _, m := range f.a.Of(f.o.Kind) {
		if err := f.member(ctx, m, e, visit); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (f *File) member(ctx context.Context, m archive.Member, e *rows.Encoder, visit func(e *rows.Encoder, record []string) error) error {
	records, err := m.Records(ctx, f.o.Progress)
	if err != nil {
		return err
	}
	defer records.Close()
	_ = e.Header(nil) // by position; nothing can be wrong with that
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header, fresh := records.Header(); fresh {
			if err := e.Header(header); err != nil {
				return &schemas.Permanent{Reason: schemas.ReasonMissingColumns, Err: err}
			}
		}
		if err := visit(e, record); err != nil {
			return err
		}
	}
}

// ready names the file as one that was extracted for a window. Its name is its own, if
// that is one the platform gives; else one is made for it.
func (f *File) ready(w schemas.Window, now time.Time) schemas.FileReady {
	id := f.Extract()
	name := filepath.Base(f.Path)
	if schemas.ValidateFileName(name) != nil {
		name = w.From.UTC().Format("20060102") + "_" + id + ".zip"
	}
	return schemas.FileReady{
		Tenant: f.o.Tenant, Kind: f.o.Kind, Window: w, ResponseID: id, FileName: name,
		AccountID: f.o.AccountID, ReceivedAt: now.UTC(), Via: schemas.ViaManual,
	}
}
