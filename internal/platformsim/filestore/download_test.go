package filestore

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
)

func TestExpiry(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		id := r.create("queryBillData", nil)
		name := fileNameFor(time.Now().In(r.zone), id)
		if got := r.decode(r.download(name)).ResultCode; got != codeNoFile {
			t.Errorf("before its generation: %s", got)
		}
		r.pass(24 * time.Hour)
		f := r.truth.Snapshot().Files[0]
		left := 24*time.Hour - time.Since(f.MadeAt)
		r.pass(left - time.Second)
		if w := r.download(name); !bytes.HasPrefix(w.Body.Bytes(), []byte("PK")) {
			t.Errorf("before its expiry: %s", w.Body)
		}
		r.pass(time.Second)
		if got := r.decode(r.download(name)).ResultCode; got != codeNoFile {
			t.Errorf("after its expiry: %s", got)
		}
		var results []string
		for _, d := range r.truth.Snapshot().Downloads {
			results = append(results, d.Result)
		}
		if diff := cmp.Diff([]string{codeNoFile, "ok", codeNoFile}, results); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDownloadFaults(t *testing.T) {
	for name, c := range map[string]struct {
		faults []fault.Rule
		result string
		check  func(t *testing.T, w *httptest.ResponseRecorder, whole []byte)
	}{
		downloadFlipped: {[]fault.Rule{{Fault: "download.flipped", Next: 1}}, downloadFlipped, func(t *testing.T, w *httptest.ResponseRecorder, whole []byte) {
			if len(whole) != w.Body.Len() || !errors.Is(readAll(t, w.Body.Bytes()), zip.ErrChecksum) {
				t.Errorf("%v", readAll(t, w.Body.Bytes()))
			}
		}},
		downloadTruncated: {[]fault.Rule{{Fault: "download.truncated", Next: 1}}, downloadTruncated, func(t *testing.T, w *httptest.ResponseRecorder, whole []byte) {
			if !bytes.Equal(w.Body.Bytes(), whole[:len(whole)/2]) || w.Header().Get("Content-Length") != strconv.Itoa(len(whole)/2) {
				t.Errorf("%d bytes of %d", w.Body.Len(), len(whole))
			}
		}},
		downloadStatus: {[]fault.Rule{{Fault: "download.status", Next: 1}}, downloadStatus, func(t *testing.T, w *httptest.ResponseRecorder, _ []byte) {
			if w.Code != 502 || !strings.HasPrefix(w.Body.String(), "<html>") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}},
		downloadSlowDrip: {[]fault.Rule{{Fault: "download.slow_drip", Next: 1, Rate: 10}}, downloadSlowDrip, func(t *testing.T, w *httptest.ResponseRecorder, whole []byte) {
			if !bytes.Equal(w.Body.Bytes(), whole) {
				t.Error("another file")
			}
		}},
		downloadJSONAsOctetStream: {[]fault.Rule{{Fault: "download.json_as_octet_stream", Next: 1}}, downloadJSONAsOctetStream, func(t *testing.T, w *httptest.ResponseRecorder, _ []byte) {
			if w.Header().Get("Content-Type") != octetType || !strings.Contains(w.Body.String(), `"resultCode":"0300011"`) {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}},
		downloadFlowControl: {[]fault.Rule{{Fault: "download.flow_control", Next: 1}}, codeDownloads, func(t *testing.T, w *httptest.ResponseRecorder, _ []byte) {
			if w.Header().Get("Content-Type") != jsonType || !strings.Contains(w.Body.String(), `"resultCode":"0300008"`) {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}},
		downloadNotThere: {[]fault.Rule{{Fault: "download.not_there", Next: 1}}, codeNoFile, func(t *testing.T, w *httptest.ResponseRecorder, _ []byte) {
			if !strings.Contains(w.Body.String(), `"resultCode":"0300011"`) {
				t.Errorf("%s", w.Body)
			}
		}},
		downloadCut: {[]fault.Rule{{Fault: "download.cut", Next: 1, Percent: 30}}, downloadCut, func(t *testing.T, w *httptest.ResponseRecorder, whole []byte) {
			if w.Header().Get("Content-Length") != strconv.Itoa(len(whole)) || w.Body.Len() != len(whole)*30/100 {
				t.Errorf("%d of %d bytes", w.Body.Len(), len(whole))
			}
		}},
		downloadNoLength: {[]fault.Rule{{Fault: "download.no_length", Next: 1}}, downloadNoLength, func(t *testing.T, w *httptest.ResponseRecorder, whole []byte) {
			if w.Header().Get("Content-Length") != "" || !bytes.Equal(w.Body.Bytes(), whole) {
				t.Errorf("%v", w.Header())
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				f := r.made("queryBillData", nil)
				whole := r.download(f.Name).Body.Bytes()
				r.set(c.faults...)
				started := time.Now()
				c.check(t, r.download(f.Name), whole)
				if took := time.Since(started); name == downloadSlowDrip && took < time.Duration(len(whole)/10)*time.Second {
					t.Errorf("%d bytes took %v", len(whole), took)
				}
				if after := r.download(f.Name).Body.Bytes(); !bytes.Equal(after, whole) {
					t.Error("the stored file was damaged")
				}
				log := r.truth.Snapshot().Downloads
				if len(log) != 3 || log[1].Result != c.result || log[0].Result != "ok" || log[0].Bytes != int64(len(whole)) {
					t.Errorf("recorded %+v", log)
				}
			})
		})
	}
}

func readAll(t *testing.T, data []byte) error {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, err = io.ReadAll(in)
	return err
}

func TestStoredDamage(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.set(fault.Rule{Fault: "file.flipped", Next: 1})
		f := r.made("queryBillData", nil)
		first, second := r.download(f.Name), r.download(f.Name)
		if f.Damaged != "file.flipped" || !bytes.Equal(first.Body.Bytes(), second.Body.Bytes()) ||
			!errors.Is(readAll(t, first.Body.Bytes()), zip.ErrChecksum) {
			t.Errorf("recorded as %q: %v", f.Damaged, readAll(t, first.Body.Bytes()))
		}
		if f := r.made("queryBillData", nil); f.Damaged != "" || readAll(t, r.download(f.Name).Body.Bytes()) != nil {
			t.Error("the next file is damaged too")
		}
	})
}

func TestParallelDownloads(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.set(fault.Rule{Fault: downloadSlowDrip, Next: 5})
		f := r.made("queryBillData", nil)
		var slow sync.WaitGroup
		for range 5 {
			slow.Go(func() { r.download(f.Name) })
		}
		synctest.Wait()
		if got := r.decode(r.download(f.Name)).ResultCode; got != codeDownloads {
			t.Errorf("sixth download: %s", got)
		}
		slow.Wait()
		if w := r.download(f.Name); !bytes.HasPrefix(w.Body.Bytes(), []byte("PK")) {
			t.Errorf("afterwards: %s", w.Body)
		}
	})
}

// TestCutOverTheWire shows what a client sees of a cut answer and of one
// without a length.
func TestCutOverTheWire(t *testing.T) {
	r := newRig(t, func(o *Options) { o.GenerationMax = -1 })
	r.set(
		fault.Rule{Fault: "callback.drop", Next: 1},
		fault.Rule{Fault: downloadCut, Next: 1}, fault.Rule{Fault: downloadNoLength, Next: 1},
	)
	r.create("queryBillData", nil)
	for _, x := range r.store.waiting.take() {
		r.store.carryOut(context.Background(), x)
	}
	server := httptest.NewServer(r.store)
	defer server.Close()
	client := *server.Client()
	client.Transport = c2sign.NewTransport(client.Transport, testKey, c2sign.Profile{}, nil)
	body := string(envelope(t, map[string]any{"billFileName": r.truth.Snapshot().Files[0].Name}))
	read := func() (*http.Response, error) {
		resp, err := client.Post(server.URL+base+"downloadBillFile", jsonType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp, err
	}
	if resp, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) || resp.ContentLength <= 0 {
		t.Errorf("cut: %v, length %d", err, resp.ContentLength)
	}
	if resp, err := read(); err != nil || resp.ContentLength != -1 {
		t.Errorf("no length: %v, length %d", err, resp.ContentLength)
	}
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	bubble(t, func(o *Options) { o.ParallelDownloads = -1 }, func(r *rig) {
		f := r.made("queryBillData", nil)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				r.create("queryBillData", nil)
				r.download(f.Name)
				r.set(fault.Rule{Fault: "rows.extra", Next: 1, Count: i}, fault.Rule{Fault: "callback.at_once", Share: 0.5})
				r.store.o.Faults.Rules()
			})
		}
		all.Wait()
		r.pass(time.Minute)
		s := r.truth.Snapshot()
		acknowledged := map[string]bool{}
		for _, c := range s.Callbacks {
			acknowledged[c.ResponseID] = acknowledged[c.ResponseID] || c.Status == 200
		}
		if len(s.Files) != 21 || len(acknowledged) != 21 || len(s.Downloads) != 20 {
			t.Errorf("%d files, %d acknowledged, %d downloads", len(s.Files), len(acknowledged), len(s.Downloads))
		}
	})
}
