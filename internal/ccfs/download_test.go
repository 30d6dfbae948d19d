package ccfs

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// aZIP returns an archive whose only member has that many incompressible-ish bytes.
func aZIP(t testing.TB, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "20180702104303123001_call.csv", Method: zip.Store})
	if err == nil {
		_, err = w.Write(bytes.Repeat([]byte("0123456789abcdef"), size/16))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDownload(t *testing.T) {
	big := aZIP(t, 3<<20)
	var none bytes.Buffer
	if err := zip.NewWriter(&none).Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		contentType string
		body        []byte
		chunked     bool
	}{
		{"with length", asBytes, big, false},
		{"chunked", asBytes, big, true},
		{"archive without members", asBytes, none.Bytes(), false},
		{"labelled as JSON", asJSON, aZIP(t, 16), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				if !tt.chunked {
					w.Header().Set("Content-Length", strconv.Itoa(len(tt.body)))
				}
				_, _ = w.Write(tt.body)
			})
			got, err := download(t, p.client())
			if err != nil || !bytes.Equal(got, tt.body) {
				t.Errorf("got %d bytes of %d, %v", len(got), len(tt.body), err)
			}
		})
	}
}

func TestDownloadFailures(t *testing.T) {
	tests := []struct {
		name, contentType, body string
		class                   Class
		code                    string
	}{
		{"JSON under octet-stream", asBytes, sample(t, "failure_empty_data.json"), NotThere, "0300011"},
		{"no data", asBytes, `{"resultCode":"0300012","resultDesc":"no data","resultData":""}`, NotThere, "0300012"},
		{"flow control", asBytes, `{"resultCode":"0300008"}`, FlowControl, "0300008"},
		{"legacy", asBytes, sample(t, "failure_legacy_only.json"), FlowControl, "0300009"},
		{"page", asBytes, sample(t, "firewall.html"), Firewall, ""},
		{"nothing", asBytes, "", Again, ""},
		{"sound", asBytes, "RIFF....WAVE", Broken, ""},
		{"other PK", asBytes, "PK\x07\x08", Broken, ""},
		{"success without file", asJSON, `{"resultCode":"0"}`, Broken, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t, reply(200, tt.contentType, tt.body))
			got, err := download(t, p.client())
			if e := asError(t, err); e.Class != tt.class || e.Code != tt.code || len(got) != 0 {
				t.Errorf("%d bytes, %+v", len(got), e)
			}
		})
	}
}

// cutter sends a header that promises the whole file, then only part of it.
func cutter(t *testing.T, body []byte, part int, chunked bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		header := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
		if chunked {
			header = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(body))
		}
		_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: " + asBytes + "\r\n" + header)
		_, _ = out.Write(body[:part])
		_ = out.Flush()
	}
}

func TestTruncatedDownloadIsBroken(t *testing.T) {
	body := aZIP(t, 160<<10)
	for tenth := 1; tenth < 10; tenth++ {
		for _, chunked := range []bool{false, true} {
			part := len(body) * tenth / 10
			p := newPlatform(t, cutter(t, body, part, chunked))
			got, err := download(t, p.client())
			e := asError(t, err)
			if e.Class != Broken || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, body[:part]) {
				t.Errorf("cut at %d0%%, chunked %v: %d of %d bytes, %+v", tenth, chunked, len(got), part, e)
			}
		}
	}
}

func TestDownloadLimit(t *testing.T) {
	body := aZIP(t, 64<<10)
	for _, chunked := range []bool{false, true} {
		p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) {
			if !chunked {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			_, _ = w.Write(body)
		})
		limit := func(n int) func(*Options) { return func(o *Options) { o.MaxFileBytes = int64(n) } }
		if got, err := download(t, p.client(limit(len(body)))); err != nil || len(got) != len(body) {
			t.Errorf("exactly the limit: %d bytes, %v", len(got), err)
		}
		got, err := download(t, p.client(limit(len(body)-1)))
		if e := asError(t, err); e.Class != Permanent || len(got) >= len(body) || !strings.Contains(e.Message, "larger than the limit") {
			t.Errorf("one over: %d bytes, %+v", len(got), e)
		}
	}
}

type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestFailureOfTheWriterIsNotThePlatforms(t *testing.T) {
	p := newPlatform(t, reply(200, asBytes, string(aZIP(t, 1<<20))))
	n, err := p.client().DownloadAgentOperations(t.Context(), testFile, &fullDisk{room: 100_000})
	var e *Error
	if n != 100_000 || !errors.Is(err, errFull) || errors.As(err, &e) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// TestDownloadsRunSideBySide: the slot is for waiting answers, not for files arriving.
func TestDownloadsRunSideBySide(t *testing.T) {
	body := aZIP(t, 32<<10)
	const parallel = 4
	all := make(chan struct{}, parallel)
	started := make(chan struct{})
	p := newPlatform(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body[:100])
		_ = http.NewResponseController(w).Flush()
		if all <- struct{}{}; len(all) == parallel {
			close(started)
		}
		<-started // nobody gets more before all have begun
		_, _ = w.Write(body[100:])
	})
	c := p.client()
	var group errgroup.Group
	for range parallel {
		group.Go(func() error {
			var b bytes.Buffer
			if _, err := c.DownloadBills(t.Context(), testFile, &b); err != nil {
				return err
			}
			if !bytes.Equal(b.Bytes(), body) {
				return errors.New("wrong bytes")
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestConnectionIsReused(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, sample(t, "query_success.json")))
	var opened int
	c := p.client(func(o *Options) {
		dial := o.DialContext
		o.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			opened++
			return dial(ctx, network, address)
		}
	})
	for range 5 {
		if err := query(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("%d connections for 5 calls", opened)
	}
}
