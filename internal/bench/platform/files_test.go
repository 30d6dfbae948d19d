package platform

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a platform in this process, and a client that trusts it.
type running struct {
	ready  Ready
	ask    func(q Question) Answer
	client *http.Client
	dir    string
}

func start(t *testing.T, o Options) *running {
	t.Helper()
	o.Dir = t.TempDir()
	in, questions := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), o, in, out) }()
	decoder := json.NewDecoder(answers)
	r := &running{dir: o.Dir}
	if err := decoder.Decode(&r.ready); err != nil {
		t.Fatal(err)
	}
	r.ask = func(q Question) (a Answer) {
		if err := json.NewEncoder(questions).Encode(q); err != nil {
			t.Fatal(err)
		}
		if err := decoder.Decode(&a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	pem, err := os.ReadFile(filepath.Join(o.Dir, CertificateFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	r.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = questions.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *running) post(t *testing.T, operation, body string) []byte {
	t.Helper()
	res, err := r.client.Post(r.ready.FilesURL+"/"+operation, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestExtractions: each is called back, signed, and has its file; from the last on it is
// always the last.
func TestExtractions(t *testing.T) {
	dir := t.TempDir()
	var zips []string
	for _, name := range []string{"first", "second"} {
		zips = append(zips, filepath.Join(dir, name))
		if err := os.WriteFile(zips[len(zips)-1], []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, Options{Zips: zips})
	called := make(chan *http.Request, 9)
	bodies := make(chan []byte, 9)
	// The bridge's listener has the platform's own certificate.
	pair, err := tls.LoadX509KeyPair(filepath.Join(r.dir, CertificateFile), filepath.Join(r.dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	bridge := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		bodies <- body
		called <- q
		_, _ = io.WriteString(w, "ok")
	}))
	bridge.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	bridge.StartTLS()
	defer bridge.Close()
	for i, want := range []string{"first", "second", "second"} {
		before := time.Now()
		r.post(t, "queryBillData", `{"msgBody":{"callBackURL":"`+bridge.URL+`/x"}}`)
		var notice struct {
			Body struct{ BillFileName string } `json:"msgBody"`
		}
		if err := json.Unmarshal(<-bodies, &notice); err != nil {
			t.Fatal(err)
		}
		if q := <-called; !strings.HasPrefix(q.Header.Get("Authorization"), "auth-v2/"+AccessKey) {
			t.Error("the callback is not signed")
		}
		if got := r.post(t, "downloadBillFile", `{"msgBody":{"billFileName":"`+notice.Body.BillFileName+`"}}`); string(got) != want {
			t.Errorf("file %d: %s, want %s", i, got, want)
		}
		if a := r.ask(Question{Download: i + 1}); a.At.Before(before) || a.At.After(time.Now()) {
			t.Errorf("download %d was at %v", i, a.At)
		}
	}
	if got := r.post(t, "downloadBillFile", `{"msgBody":{"billFileName":"none"}}`); !bytes.Contains(got, []byte("0300011")) {
		t.Errorf("a file that nobody made: %s", got)
	}
	if got := r.post(t, "other", `{}`); !bytes.Contains(got, []byte("404")) {
		t.Errorf("an operation that is none: %s", got)
	}
	if got := r.post(t, "queryBillData", `{`); !bytes.Contains(got, []byte("no request")) {
		t.Errorf("no JSON: %s", got)
	}
}
