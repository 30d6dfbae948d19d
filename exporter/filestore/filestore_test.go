package filestore

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

const id = "0123456789abcdef0123456789abcdef"

// client notes what it is asked and answers with err, or else with the name of the call.
type client struct {
	call   string
	asked  ccfs.Query
	sought any // of audio
	stored int // addresses of a call
	err    error
}

func (c *client) audio(call string, sought any, w io.Writer) (ccfs.Sound, error) {
	c.sought = sought
	n, err := c.download(call, "audio", w)
	return ccfs.Sound{Bytes: n}, err
}

func (c *client) DownloadRecording(_ context.Context, name string, w io.Writer) (ccfs.Sound, error) {
	return c.audio("recording", name, w)
}

func (c *client) DownloadOriginal(_ context.Context, o ccfs.Original, w io.Writer) (ccfs.Sound, error) {
	return c.audio("original", o, w)
}

func (c *client) RequestStored(_ context.Context, s ccfs.Stored) ([]ccfs.Address, error) {
	c.call, c.sought = "stored", s
	return make([]ccfs.Address, c.stored), c.err
}

func (c *client) Open(_ context.Context, _ ccfs.Address, w io.Writer) (ccfs.Sound, error) {
	n, err := c.download("opened", "audio", w)
	return ccfs.Sound{Bytes: n}, err
}

func (c *client) query(call string, q ccfs.Query) (string, error) {
	c.call, c.asked = call, q
	return id, c.err
}

func (c *client) download(call, name string, w io.Writer) (int64, error) {
	c.call = call
	n, err := io.WriteString(w, name)
	return int64(n), errors.Join(c.err, err)
}

func (c *client) QueryBills(_ context.Context, q ccfs.Query) (string, error) {
	return c.query("bills", q)
}

func (c *client) QueryAgentOperations(_ context.Context, q ccfs.Query) (string, error) {
	return c.query("operations", q)
}

func (c *client) QueryAgentSkills(_ context.Context, q ccfs.Query) (string, error) {
	return c.query("skills", q)
}

func (c *client) DownloadBills(_ context.Context, name string, w io.Writer) (int64, error) {
	return c.download("bill file", name, w)
}

func (c *client) DownloadAgentOperations(_ context.Context, name string, w io.Writer) (int64, error) {
	return c.download("operation file", name, w)
}

func (c *client) DownloadAgentSkills(_ context.Context, name string, w io.Writer) (int64, error) {
	return c.download("skill file", name, w)
}

// paths puts tenant, kind and time of a request into the address.
type paths struct{}

func (paths) URL(public *url.URL, tenant string, r schemas.WindowRequest) string {
	return public.JoinPath(tenant, string(r.Kind), r.At.Format("150405.000")).String()
}

func store(t *testing.T, zone string) (*Store, *client) {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{}
	s, err := New(Options{
		Tenant: "acme", Zone: location, Client: c, AccountID: "202405019999", Addresses: paths{},
		PublicURL: &url.URL{Scheme: "https", Host: "bridge.example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func at(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }

func request(k schemas.Kind, from, to int) schemas.WindowRequest {
	return schemas.WindowRequest{Kind: k, Window: schemas.Window{From: at(from), To: at(to)}, At: at(to).Add(1500 * time.Millisecond)}
}

func TestQuery(t *testing.T) {
	const wall = "2006-01-02 15:04:05"
	for _, c := range []struct {
		kind           schemas.Kind
		call, dataType string
	}{
		{schemas.KindCDR, "bills", ccfs.DataTypeCall},
		{schemas.KindRecording, "bills", ccfs.DataTypeRecord},
		{schemas.KindOperation, "operations", ""},
		{schemas.KindSkill, "skills", ""},
	} {
		for zone, ends := range map[string][2]string{
			"UTC":              {"2026-11-01 05:00:00", "2026-11-01 06:59:59"},
			"Asia/Shanghai":    {"2026-11-01 13:00:00", "2026-11-01 14:59:59"},
			"America/New_York": {"2026-11-01 01:00:00", "2026-11-01 01:59:59"}, // the hour that comes twice
		} {
			s, client := store(t, zone)
			got, err := s.Query(t.Context(), request(c.kind, 5, 7))
			if err != nil || got != id || client.call != c.call {
				t.Errorf("%s: %q by %s, %v", c.kind, got, client.call, err)
			}
			if begin, end := client.asked.From.Format(wall), client.asked.To.Format(wall); begin != ends[0] || end != ends[1] {
				t.Errorf("%s in %s: asked from %s to %s, want %v", c.kind, zone, begin, end, ends)
			}
			client.asked.From, client.asked.To = time.Time{}, time.Time{}
			want := ccfs.Query{
				DataType: c.dataType, AccountID: "202405019999",
				CallbackURL: "https://bridge.example.com/acme/" + string(c.kind) + "/070001.500",
			}
			if diff := cmp.Diff(want, client.asked); diff != "" {
				t.Errorf("%s (-want +asked):\n%s", c.kind, diff)
			}
		}
	}
}

func TestErrorsOfThePlatformAreKept(t *testing.T) {
	s, c := store(t, "UTC")
	c.err = &ccfs.Error{Class: ccfs.FlowControl, Code: "0300009"}
	var refused *ccfs.Error
	if _, err := s.Query(t.Context(), request(schemas.KindCDR, 0, 1)); !errors.As(err, &refused) || refused.Class != ccfs.FlowControl {
		t.Errorf("query: %v", err)
	}
	if _, err := s.Download(t.Context(), schemas.FileReady{Kind: schemas.KindCDR}, io.Discard); !errors.As(err, &refused) {
		t.Errorf("download: %v", err)
	}
}

func TestUnknownKindsAreNotAskedFor(t *testing.T) {
	s, c := store(t, "UTC")
	if _, err := s.Query(t.Context(), request("other", 0, 1)); err == nil || c.call != "" {
		t.Errorf("%v, %q was called", err, c.call)
	}
}

func TestDownload(t *testing.T) {
	for kind, call := range map[schemas.Kind]string{
		schemas.KindCDR: "bill file", schemas.KindRecording: "bill file", schemas.KindOperation: "operation file", schemas.KindSkill: "skill file",
	} {
		s, c := store(t, "UTC")
		var got strings.Builder
		n, err := s.Download(t.Context(), schemas.FileReady{Kind: kind, FileName: "20261101_" + id + ".zip"}, &got)
		if err != nil || c.call != call || got.String() != "20261101_"+id+".zip" || n != int64(got.Len()) {
			t.Errorf("%s: %d bytes by %s (%q), %v", kind, n, c.call, got.String(), err)
		}
	}
}

func TestOptions(t *testing.T) {
	good := Options{Tenant: "acme", Zone: time.UTC, Client: &client{}, PublicURL: &url.URL{}, Addresses: paths{}}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Options){
		"tenant": func(o *Options) { o.Tenant = "" }, "zone": func(o *Options) { o.Zone = nil }, "client": func(o *Options) { o.Client = nil },
		"public URL": func(o *Options) { o.PublicURL = nil }, "addresses": func(o *Options) { o.Addresses = nil },
	} {
		o := good
		if spoil(&o); func() error { _, err := New(o); return err }() == nil {
			t.Errorf("a store without %s", name)
		}
	}
}
