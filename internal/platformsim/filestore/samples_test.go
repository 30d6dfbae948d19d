package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/truth"
)

// sampleID is the responseId of the samples on pages cec_07_0814 and 0818.
const sampleID = "9239cb50a8384bb0ab503441bf089446"

func sample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// asSample compares JSON texts by value and order, with id in place of the
// sample's.
func asSample(t *testing.T, name, id string, got []byte) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, bytes.ReplaceAll(sample(t, name), []byte(sampleID), []byte(id))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// TestSamples goes the whole way over TLS with the bodies of the platform's
// pages, at the time of the sample: 2018-07-02 10:42:49 at UTC+8.
func TestSamples(t *testing.T) {
	now := time.Date(2018, 7, 2, 2, 42, 49, 0, time.UTC)
	for _, c := range []struct{ query, request, callback, download, field string }{
		{"queryBillData", "query_bill_data", "callback_bill_data", "downloadBillFile", "billFileName"},
		{"queryAgentOprInfoData", "query_agent_opr_info", "callback_agent_opr_info", "downloadAgentOprInfoFile", "agentOprInfoFileName"},
	} {
		t.Run(c.query, func(t *testing.T) {
			calls := make(chan arrival, 1)
			receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a := arrival{host: r.Host, path: r.URL.Path, header: r.Header, length: r.ContentLength}
				a.raw, a.err = io.ReadAll(r.Body)
				if a.err == nil {
					a.err = verifyAt(r, a.raw, now)
				}
				calls <- a
				_, _ = io.WriteString(w, "{}") // the test sees a missing acknowledgement in the truth
			}))
			defer receiver.Close()
			store := sampleStore(t, now, receiver.Listener.Addr().String())
			server := httptest.NewTLSServer(store)
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- store.Run(ctx) }()
			defer func() { cancel(); <-done }()

			client := *server.Client()
			client.Transport = c2sign.NewTransport(client.Transport, testKey, c2sign.Profile{}, func() time.Time { return now })
			header, answer := post(t, &client, server.URL+base+c.query, sample(t, c.request))
			id := responseID(t, answer)
			asSample(t, "answer", id, answer)
			if got := header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
				t.Errorf("content type %q", got)
			}
			if got := header.Get("Date"); got != "Mon, 02 Jul 2018 02:42:49 GMT" {
				t.Errorf("date %q", got)
			}
			a := <-calls
			checkCallback(t, c.callback, id, a)
			name := "20180702_" + id + ".zip"
			request := envelope(t, map[string]string{c.field: name})
			if c.download == "downloadAgentOprInfoFile" {
				request = bytes.ReplaceAll(sample(t, "download_agent_opr_info"), []byte(sampleID), []byte(id))
			}
			header, data := post(t, &client, server.URL+base+c.download, request)
			if got := header.Get("Content-Type"); got != "Application/Octet-stream;charset=UTF-8" {
				t.Errorf("content type %q", got)
			}
			if len(unzip(t, data)) == 0 {
				t.Error("no members")
			}
		})
	}
}

func checkCallback(t *testing.T, want, id string, a arrival) {
	t.Helper()
	if a.err != nil {
		t.Errorf("callback: %v", a.err)
	}
	asSample(t, want, id, a.raw)
	if a.host != "10.57.118.171:8000" || a.path != "/" || a.length != int64(len(a.raw)) {
		t.Errorf("called %s%s with length %d", a.host, a.path, a.length)
	}
	if !strings.HasPrefix(a.header.Get("Authorization"), "auth-v2/testak01/2018-07-02T02:42:49Z/content-length;content-type;host/") {
		t.Errorf("authorization has another form")
	}
	a.header.Del("Authorization")
	wantHeader := http.Header{"Accept": {"*/*"}, "Content-Type": {jsonType}, "Content-Length": a.header["Content-Length"],
		"Accept-Encoding": {"identity"}, "Connection": {"close"}}
	if diff := cmp.Diff(wantHeader, a.header); diff != "" {
		t.Error(diff)
	}
}

// sampleStore sends its callbacks to the receiver, whatever their URL says.
func sampleStore(t *testing.T, now time.Time, receiver string) *Store {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	store, err := New(Options{
		AccessKey: testKey.AccessKey, SecretKey: testKey.Reveal(), AccountID: testAccount,
		Timezone: zone, Now: func() time.Time { return now }, Source: &book{}, Truth: truth.New(),
		GenerationMax: -1, CallbackTrustAll: true,
		CallbackDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, receiver)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func verifyAt(r *http.Request, body []byte, now time.Time) error {
	signed, err := c2sign.FromHTTP(r, body)
	if err != nil {
		return err
	}
	v := c2sign.Verifier{Keys: func(string) []c2sign.Key { return []c2sign.Key{testKey} }, MaxSkew: time.Minute}
	m, err := v.Verify(signed, r.Header.Get("Authorization"), now)
	if err == nil && m.QueryLine != c2sign.VariantOmitted {
		return errVariant
	}
	return err
}

func post(t *testing.T, client *http.Client, url string, body []byte) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", jsonType)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", resp.StatusCode, err, data)
	}
	return resp.Header, data
}

func responseID(t *testing.T, answer []byte) string {
	t.Helper()
	var r struct{ ResultData created }
	if err := json.Unmarshal(answer, &r); err != nil || len(r.ResultData.ResponseID) != 32 {
		t.Fatalf("%v: %s", err, answer)
	}
	return r.ResultData.ResponseID
}

// TestCallbackTrust refuses a receiver whose certificate is not in the
// truststore, and takes it when it is.
func TestCallbackTrust(t *testing.T) {
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	}))
	receiver.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake
	receiver.StartTLS()
	defer receiver.Close()
	for name, trusted := range map[string]bool{"unknown": false, "imported": true} {
		t.Run(name, func(t *testing.T) {
			tried := truth.New()
			o := Options{AccessKey: "ak", SecretKey: "sk", Source: &book{}, Truth: tried}
			if trusted {
				o.CallbackRoots = receiver.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			store, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			x, err := store.extraction(1, store.operations["queryBillData"], message{
				"callBackURL": {given: true, value: receiver.URL}, "dataType": {given: true, value: "call"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := x.delivery.Now(t.Context()); got != trusted {
				t.Errorf("acknowledged %v: %+v", got, tried.Snapshot().Callbacks)
			}
			if got := tried.Snapshot().Callbacks[0]; !trusted && (got.Status != 0 || got.Err == "" || strings.Contains(got.Err, receiver.URL)) {
				t.Errorf("recorded %+v", got)
			}
		})
	}
}
