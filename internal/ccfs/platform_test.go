package ccfs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/c2sign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testHost     = "example.com:28443" // the certificate of httptest is good for example.com
	testBase     = "/CCFS/resource/ccfs/"
	testID       = "9239cb50a8384bb0ab503441bf089446"
	testFile     = "20180702_" + testID + ".zip"
	testCallback = "https://10.57.118.171:8000"
)

var testKey = c2sign.NewKey("testak01", "testsk-0123456789abcdef")

// fakeClock is a clock that tests move by hand.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// received is one request as the platform saw it.
type received struct {
	path, body, authorization string
	header                    http.Header
}

// platform is a file store that checks every request against the documents and then
// answers with handle.
type platform struct {
	t      *testing.T
	server *httptest.Server
	clock  *fakeClock
	handle http.HandlerFunc
	key    c2sign.Key // that is valid

	mu   sync.Mutex
	seen []received
}

func newPlatform(t *testing.T, handle http.HandlerFunc) *platform {
	p := &platform{t: t, handle: handle, key: testKey, clock: &fakeClock{t: time.Now().Truncate(time.Second)}}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = discardLog() // clients that leave are part of the tests
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	if r.Proto != "HTTP/1.1" || r.Method != http.MethodPost || r.Host != testHost || r.TransferEncoding != nil ||
		r.ContentLength != int64(len(body)) || r.Header.Get("Content-Type") != "application/json;charset=UTF-8" ||
		r.URL.RawQuery != "" || r.Header.Get("Accept-Encoding") != "identity" {
		p.t.Errorf("unexpected request %s %s %s: %v %v", r.Proto, r.Method, r.URL, r.Host, r.Header)
	}
	p.mu.Lock()
	key := p.key
	p.mu.Unlock()
	signed, err := c2sign.FromHTTP(r, body)
	if err == nil {
		verifier := c2sign.Verifier{MaxSkew: time.Minute, Keys: func(string) []c2sign.Key { return []c2sign.Key{key} }}
		_, err = verifier.Verify(signed, r.Header.Get("Authorization"), p.clock.now())
	}
	if err != nil {
		p.t.Errorf("signature: %v", err)
	}
	p.mu.Lock()
	p.seen = append(p.seen, received{r.URL.Path, string(body), r.Header.Get("Authorization"), r.Header})
	p.mu.Unlock()
	p.handle(w, r)
}

func (p *platform) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

func (p *platform) last() received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[len(p.seen)-1]
}

// client returns a client that reaches the platform under the name example.com.
func (p *platform) client(edit ...func(*Options)) *Client {
	p.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.server.Certificate())
	o := Options{
		URL: "https://" + testHost + "/CCFS/resource/ccfs/", Key: testKey, RootCAs: roots, Now: p.clock.now,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, p.server.Listener.Addr().String())
		},
	}
	for _, e := range edit {
		e(&o)
	}
	c, err := New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// reply returns a handler that sends one fixed answer.
func reply(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const (
	asJSON  = "application/json;charset=UTF-8"
	asBytes = "Application/Octet-stream;charset=UTF-8"
)

func sample(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func bills() Query {
	return Query{
		DataType: DataTypeCallRecord, CallbackURL: testCallback,
		From: time.Date(2018, 6, 29, 10, 42, 49, 0, time.UTC), To: time.Date(2018, 7, 2, 10, 42, 49, 999, time.UTC),
	}
}

// asError makes sure that err is an *Error without secrets and returns it.
func asError(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	for _, secret := range []string{testKey.Reveal(), "auth-v2/testak01"} {
		if strings.Contains(err.Error()+e.Message, secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
	return e
}

func query(t testing.TB, c *Client) error {
	_, err := c.QueryBills(t.Context(), bills())
	return err
}

func download(t testing.TB, c *Client) ([]byte, error) {
	var b bytes.Buffer
	n, err := c.DownloadBills(t.Context(), testFile, &b)
	if n != int64(b.Len()) {
		t.Errorf("said %d bytes, wrote %d", n, b.Len())
	}
	return b.Bytes(), err
}
