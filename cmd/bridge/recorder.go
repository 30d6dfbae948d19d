package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/config"
	"aiccbridge/exporter/filestore"
	"aiccbridge/exporter/recordings"
	"aiccbridge/exporter/recordings/shelf"
	"aiccbridge/internal/health"
	"aiccbridge/schemas"
)

// recordingsLimit is how long no audio may be had before an alarm says so.
const recordingsLimit = 2 * time.Minute

// audioPlace is where audio is kept, and how it is got from there.
type audioPlace interface {
	recordings.Place
	Get(ctx context.Context, name string) (r io.ReadCloser, found bool, err error)
}

// openPlace opens the place of a tenant's recordings; at is what its addresses begin with.
// objects is the hub's store.
func openPlace(r config.Recordings, names schemas.Names, objects func() *kv.Objects, open *closers) (p audioPlace, at string, err error) {
	switch r.Store {
	case "folder":
		return shelf.NewFolder(r.Folder), r.Folder, nil
	case "s3":
		s, err := shelf.NewS3(shelf.S3Options{
			URL: r.S3.URL, Region: r.S3.Region, Bucket: r.S3.Bucket, Prefix: r.S3.Prefix,
			AccessKey: r.S3.AccessKey.Reveal(), SecretKey: r.S3.SecretKey.Reveal(), RootCAs: r.S3.RootCAs,
		})
		if err != nil {
			return nil, "", err
		}
		open.add(s.Close)
		return s, s.Address(), nil
	}
	return objects(), names.Bucket(schemas.BucketRecordings), nil
}

// openKey is the key that a tenant's audio is encrypted with; nil: it is not.
func openKey(r config.Recordings) (*recordings.Key, error) {
	if r.EncryptionKey.Reveal() == "" {
		return nil, nil
	}
	return recordings.ParseKey(r.EncryptionKey.Reveal())
}

// newRecorder returns nil when no tenant has a file store. Where audio is not fetched, or no
// more, what is kept of it is still deleted in its time.
func newRecorder(b base, h *hub, tenants []*tenant, open *closers) (*recordings.Recorder, error) {
	with, any := map[string]*recordings.Tenant{}, false
	for _, t := range tenants {
		with[t.cfg.Name] = nil
		if t.files == nil {
			continue
		}
		recorded, err := recordedTenant(b, h, t, open)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: recordings: %w", t.cfg.Name, err)
		}
		with[t.cfg.Name], any = recorded, true
	}
	if !any {
		return nil, nil
	}
	return recordings.New(recordings.Options{Names: b.names, Tenants: with, Publisher: h.bus, Budget: h.ledger, Logger: b.log, Registerer: b.metrics})
}

func recordedTenant(b base, h *hub, t *tenant, open *closers) (*recordings.Tenant, error) {
	r := t.cfg.Files.Recordings
	p, at, err := openPlace(r, b.names, func() *kv.Objects { return kv.OpenObjects(h.bus.Conn(), schemas.BucketRecordings) }, open)
	if err != nil {
		return nil, err
	}
	if !r.Fetch() {
		return &recordings.Tenant{Off: true, Place: p, Keep: r.Keep, KeepBytes: int64(r.KeepBytes)}, nil
	}
	key, err := openKey(r)
	if err != nil {
		return nil, err
	}
	out := &recordings.Tenant{
		Place: p, At: at, Key: key, Agents: r.Agents, Back: r.Back, RetryAfter: r.RetryAfter, GiveUpAfter: r.GiveUpAfter,
		PerMinute: r.PerMinute, MaxBytes: int64(r.MaxBytes), Keep: r.Keep, KeepBytes: int64(r.KeepBytes),
	}
	for _, way := range r.Order {
		out.Sources = append(out.Sources, recordings.Source{
			Name: way, Fetch: audioBy(t.files, way), OfCall: way == filestore.ByCallID || way == filestore.ByAddress,
		})
	}
	return out, nil
}

func audioBy(files *filestore.Store, way string) func(context.Context, recordings.Row, io.Writer) error {
	return func(ctx context.Context, row recordings.Row, w io.Writer) error {
		err := files.Audio(ctx, way, filestore.Recording{
			FileName: row.FileName, Original: row.Original, CallID: row.CallID, CCID: row.CCID, Begin: row.CallBegin, End: row.CallEnd,
		}, w)
		if errors.Is(err, filestore.ErrUnnamed) {
			return recordings.ErrUnnamed
		}
		return err
	}
}

// recorderParts fetch audio while downloading is open, and delete what is not to be kept.
func recorderParts(b base, h *hub, r *recordings.Recorder, downloading *health.Gate) []part {
	if r == nil {
		return nil
	}
	parts := []part{{"kept recordings", func(intake, _ context.Context) error { return r.Run(intake) }}}
	if !r.Fetches() {
		return parts
	}
	return append(parts, part{"recordings", func(intake, work context.Context) error {
		return downloading.While(intake, func(intake context.Context) error {
			return h.bus.ConsumeRecordings(intake, work, b.cfg.Worker.Recordings, r)
		})
	}})
}

// recordingsCheck is the check of the tenants whose audio is fetched.
func recordingsCheck(r *recordings.Recorder, tenants []*tenant) health.Check {
	return health.Check{
		Name: "recordings", Find: ofEach(tenants, func(t *tenant) error {
			if r == nil {
				return nil
			}
			if err := r.Failing(t.cfg.Name, recordingsLimit); err != nil {
				return fmt.Errorf("%w; look at files.recordings, at the file store, and at the place where recordings are kept", err)
			}
			return nil
		}),
		Raised: "no audio of recordings is had; rows are not held up, and it is tried again", Over: "audio of recordings is had again",
	}
}
