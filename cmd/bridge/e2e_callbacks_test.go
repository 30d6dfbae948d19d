package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// oneWindow is a scene without agents whose only due window is of CDRs. The
// next one ends in days.
func oneWindow(faults ...fault.Rule) setup {
	faults = append(faults, extraRows(50))
	return setup{kinds: []schemas.Kind{schemas.KindCDR}, window: 72 * time.Hour, since: 73 * time.Hour, faults: faults, overdue: time.Hour}
}

// everything is all that the bridge has stored, by stream or bucket.
func (r *running) everything() map[string][]string {
	r.s.t.Helper()
	all := map[string][]string{}
	for _, stream := range []schemas.Stream{schemas.StreamEvents, schemas.StreamFiles, schemas.StreamRows, schemas.StreamDeadLetters} {
		for _, m := range r.s.messages(r.bus, stream) {
			all[string(stream)] = append(all[string(stream)], m.Subject+" "+string(m.Body))
		}
	}
	for _, e := range r.ledger.Entries(tenantName, schemas.KindCDR) {
		all["ledger"] = append(all["ledger"], e.Key()+" "+string(e.State)+" "+e.ResponseID+" "+e.FileName)
	}
	return all
}

// caller posts callbacks made by hand.
type caller struct {
	r      *running
	client *http.Client
}

func (r *running) caller() *caller {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(r.s.sim.Settings().CAPEM))
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	r.s.t.Cleanup(transport.CloseIdleConnections)
	return &caller{r, &http.Client{Transport: transport, Timeout: 20 * time.Second}}
}

// post sends a callback about a file, signed with the given secret key, and
// returns the status and the body of the answer.
func (c *caller) post(file truth.File, secretKey string) (status int, answer string) {
	t := c.r.s.t
	body := []byte(`{"request":{"version":"2.0"},"msgBody":{"responseId":"` + file.ResponseID + `","billFileName":"` + file.Name + `","accountId":""}}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.r.cfg.Callbacks.PublicURL.String(), bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	signature, err := c2sign.Sign(c2sign.NewKey(c.r.s.sim.Settings().AccessKey, secretKey), c2sign.Profile{}, c2sign.Request{
		Method: req.Method, Path: req.URL.Path, Body: body, Header: map[string]string{
			"host": req.URL.Host, "content-type": req.Header.Get("Content-Type"), "content-length": strconv.Itoa(len(body)),
		},
	}, time.Now())
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	req.Header.Set("Authorization", signature)
	resp, err := c.client.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// TestCallbackWithWrongSignature: 401, and nothing of it is stored. The same
// callback, well signed, ten times at once is one file.
func TestCallbackWithWrongSignature(t *testing.T) {
	t.Parallel()
	s := newScene(t, oneWindow(once("callback.drop")))
	r := s.run()
	s.until("the window's file is made and its answer noted", func() bool {
		e := r.ledger.Entries(tenantName, schemas.KindCDR)
		return len(s.sim.Truth().Files) == 1 && len(e) > 0 && e[0].ResponseID != ""
	})
	file, c, key := s.sim.Truth().Files[0], r.caller(), s.sim.Settings().SecretKey
	before := r.everything()
	stranger := truth.File{ResponseID: strings.Repeat("0a", 16), Name: "20261101_" + strings.Repeat("0a", 16) + ".zip"}
	for name, f := range map[string]truth.File{"awaited": file, "stranger": stranger} {
		if status, _ := c.post(f, key+"x"); status != http.StatusUnauthorized {
			t.Errorf("a callback for the %s with a wrong signature is answered with %d", name, status)
		}
	}
	if d := cmp.Diff(before, r.everything()); d != "" {
		t.Errorf("a callback with a wrong signature has an effect: %s", d)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if status, answer := c.post(file, key); status != http.StatusOK || answer == "" {
				t.Errorf("a good callback is answered with %d %q", status, answer)
			}
		})
	}
	all.Wait()
	s.until("the rows are there", func() bool { return !r.outstanding() })
	if n := len(s.messages(r.bus, schemas.StreamFiles)); n != 1 {
		t.Errorf("ten callbacks made %d messages, want 1", n)
	}
	if report := r.finish(); report.Files.Accepted != 1 || report.Rows.InStream != 50 {
		t.Errorf("accepted %d files with %d rows", report.Files.Accepted, report.Rows.InStream)
	}
}

// TestCallbackTenTimesAtOnce: the platform itself repeats one at once.
func TestCallbackTenTimesAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, oneWindow(fault.Rule{Fault: "callback.at_once", Next: 1, Count: 10}))
	r := s.run()
	s.until("ten callbacks are answered", func() bool { return len(s.sim.Truth().Callbacks) == 10 })
	for _, c := range s.sim.Truth().Callbacks {
		if c.Status != http.StatusOK || c.BodyBytes == 0 {
			t.Errorf("a callback was answered with %d and %d bytes: %s", c.Status, c.BodyBytes, c.Err)
		}
	}
	s.until("the rows are there", func() bool { return len(s.messages(r.bus, schemas.StreamRows)) == 51 })
	if n := len(s.messages(r.bus, schemas.StreamFiles)); n != 1 {
		t.Errorf("ten callbacks made %d messages, want 1", n)
	}
	r.finish()
}

// TestCallbackBeforeAnswer: the callback overtakes the answer of its own query.
func TestCallbackBeforeAnswer(t *testing.T) {
	t.Parallel()
	s := newScene(t, oneWindow(once("callback.before_answer")))
	r := s.run()
	s.until("the window is complete", func() bool {
		e := r.ledger.Entries(tenantName, schemas.KindCDR)
		return len(e) > 0 && e[0].State == schemas.WindowCompleted
	})
	if n := len(s.messages(r.bus, schemas.StreamFiles)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	report := r.finish()
	if c := callbacksOf(s.sim.Truth(), "callback.before_answer"); len(c) != 1 || c[0].Status != http.StatusOK || report.Files.Made != 1 {
		t.Errorf("callbacks %+v, %d files", c, report.Files.Made)
	}
}
