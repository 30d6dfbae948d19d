package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// Client is what a [Store] needs of the file store's client, which is a *ccfs.Client.
// Errors are *ccfs.Error.
type Client interface {
	QueryBills(ctx context.Context, q ccfs.Query) (responseID string, err error)
	QueryAgentOperations(ctx context.Context, q ccfs.Query) (responseID string, err error)
	QueryAgentSkills(ctx context.Context, q ccfs.Query) (responseID string, err error)
	DownloadBills(ctx context.Context, fileName string, w io.Writer) (int64, error)
	DownloadAgentOperations(ctx context.Context, fileName string, w io.Writer) (int64, error)
	DownloadRecording(ctx context.Context, fileName string, w io.Writer) (ccfs.Sound, error)
	DownloadOriginal(ctx context.Context, o ccfs.Original, w io.Writer) (ccfs.Sound, error)
	RequestStored(ctx context.Context, s ccfs.Stored) ([]ccfs.Address, error)
	Open(ctx context.Context, a ccfs.Address, w io.Writer) (ccfs.Sound, error)
	DownloadAgentSkills(ctx context.Context, fileName string, w io.Writer) (int64, error)
}

// Addresses makes the address that the platform is to call about one request.
type Addresses interface {
	URL(public *url.URL, tenant string, r schemas.WindowRequest) string
}

// Options configure a [Store]. All but AccountID are required.
type Options struct {
	Tenant    string
	Zone      *time.Location // of the wall-clock times in requests
	Client    Client
	PublicURL *url.URL // where callbacks come in, as the platform sees it
	Addresses Addresses
	// AccountID restricts the extracts to one enterprise account; "" for all.
	AccountID string
}

// Store is one tenant's file store. It is safe for concurrent use if its client is.
type Store struct {
	o                   Options
	requests, downloads reach
}

// New checks the options. It does no I/O.
func New(o Options) (*Store, error) {
	if o.Tenant == "" || o.Zone == nil || o.Client == nil || o.PublicURL == nil || o.Addresses == nil {
		return nil, errors.New("file store: tenant, zone, client, public URL and addresses are required")
	}
	return &Store{o: o}, nil
}

// Query asks for the file of one kind and window and returns the response id. The errors of
// the platform are *ccfs.Error.
func (s *Store) Query(ctx context.Context, r schemas.WindowRequest) (responseID string, err error) {
	defer func() { s.requests.note(err) }()
	q := ccfs.Query{
		From: r.Window.From.In(s.o.Zone), To: r.Window.To.Add(-time.Second).In(s.o.Zone),
		AccountID: s.o.AccountID, CallbackURL: s.o.Addresses.URL(s.o.PublicURL, s.o.Tenant, r),
	}
	switch r.Kind {
	case schemas.KindCDR:
		q.DataType = ccfs.DataTypeCall
	case schemas.KindRecording:
		q.DataType = ccfs.DataTypeRecord
	case schemas.KindOperation:
		return s.o.Client.QueryAgentOperations(ctx, q)
	case schemas.KindSkill:
		return s.o.Client.QueryAgentSkills(ctx, q)
	default:
		return "", fmt.Errorf("kind %s can't be extracted", r.Kind)
	}
	return s.o.Client.QueryBills(ctx, q)
}

// Download writes the ZIP of a file into w and returns how many bytes these are. Errors are
// *ccfs.Error.
func (s *Store) Download(ctx context.Context, f schemas.FileReady, w io.Writer) (n int64, err error) {
	defer func() { s.downloads.note(err) }()
	switch f.Kind {
	case schemas.KindOperation:
		return s.o.Client.DownloadAgentOperations(ctx, f.FileName, w)
	case schemas.KindSkill:
		return s.o.Client.DownloadAgentSkills(ctx, f.FileName, w)
	}
	return s.o.Client.DownloadBills(ctx, f.FileName, w)
}
