package filestore

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"go.uber.org/goleak"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = c2sign.NewKey("testak01", "testsk-0123456789abcdef")

const (
	testAccount = "202405019999"
	testCall    = "1714525260-1001"
	// The names of the recording that every rig has.
	recordFile   = "/10/1/record/39/19991231/101/82200000.wav"
	originalFile = `Y:\39\0\19991231\101\82200000.V3`
	callbackURL  = "http://bridge.example.com:8443/ccfs/callback"
)

// book is a Source of fixed rows.
type book struct {
	mu   sync.Mutex
	rows []world.Row
}

func (b *book) Rows(kind world.Kind, from, to, now time.Time) []world.Row {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []world.Row
	for _, r := range b.rows {
		if r.Kind == kind && !r.At.Before(from) && !r.At.After(to) && !r.Known.After(now) {
			out = append(out, r)
		}
	}
	return out
}

// add writes a row of a kind: the named cells, everything else "0".
func (b *book) add(kind world.Kind, at, known time.Time, zone *time.Location, cells map[string]string) world.Row {
	r := world.Row{Kind: kind, At: at, Known: known, AgentID: cells["agent_id"]}
	for _, column := range world.Columns[kind] {
		cell, ok := cells[column]
		switch {
		case ok:
		case column == "account_id":
			cell = testAccount
		case strings.HasSuffix(column, "_begin") || strings.HasSuffix(column, "_time"):
			cell = at.In(zone).Format(layout)
		default:
			cell = "0"
		}
		r.Cells = append(r.Cells, cell)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, r)
	return r
}

// arrival is one callback as received.
type arrival struct {
	at     time.Time
	host   string
	path   string
	header http.Header
	length int64
	raw    []byte
	body   struct {
		Request struct{ Version string }
		MsgBody map[string]string
	}
	err error // of the verification as received
}

// rig is a store inside a synctest bubble, with a receiver of callbacks on
// pipes.
type rig struct {
	t     *testing.T
	store *Store
	truth *truth.Log
	book  *book
	start time.Time
	zone  *time.Location

	mu       sync.Mutex
	answer   func(n int) (status int, body string) // to the n-th callback, from 1
	arrivals []arrival
	serving  sync.WaitGroup
}

// bubble runs f with a running store. Ten minutes into the hour before start
// there is one row of each kind.
func bubble(t *testing.T, change func(*Options), f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.store.Run(ctx) }()
		f(r)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.serving.Wait()
	})
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, truth: truth.New(), book: &book{}, start: time.Now(), zone: zone}
	r.answer = func(int) (int, string) { return 200, `{"resultCode":"0"}` }
	o := Options{
		AccessKey: testKey.AccessKey, SecretKey: testKey.Reveal(), AccountID: testAccount,
		Timezone: zone, Source: r.book, Truth: r.truth, Seed: 1, CallbackDial: r.dial,
		CreationsPerMinute: -1,
	}
	if change != nil {
		change(&o)
	}
	r.zone = o.Timezone
	at := r.start.Add(-50 * time.Minute)
	for _, kind := range []world.Kind{world.Call, world.Record, world.Operation, world.SkillGrant} {
		r.book.add(kind, at, at.Add(time.Minute), r.zone, map[string]string{
			"agent_id": "101", "call_id": testCall, "file_name": recordFile, "original_file_name": originalFile,
		})
	}
	if r.store, err = New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	r.serving.Go(func() {
		defer server.Close()
		r.receive(server)
	})
	return client, nil
}

func (r *rig) receive(conn net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return // the store was stopped
	}
	a := arrival{at: time.Now(), host: req.Host, path: req.URL.Path, header: req.Header, length: req.ContentLength}
	a.raw, _ = io.ReadAll(req.Body)
	if err := json.Unmarshal(a.raw, &a.body); err != nil {
		r.t.Error(err)
	}
	signed, err := c2sign.FromHTTP(req, a.raw)
	if err == nil {
		v := c2sign.Verifier{Keys: func(string) []c2sign.Key { return []c2sign.Key{testKey} }, MaxSkew: 15 * time.Minute}
		_, err = v.Verify(signed, req.Header.Get("Authorization"), time.Now())
	}
	a.err = err
	r.mu.Lock()
	r.arrivals = append(r.arrivals, a)
	status, body := r.answer(len(r.arrivals))
	r.mu.Unlock()
	resp := &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Close: true,
	}
	_ = resp.Write(conn) // a store that was stopped does not read it
}

// with gives a store the fault from the start.
func with(t *testing.T, rule fault.Rule) func(*Options) {
	t.Helper()
	book := fault.NewBook(FaultKinds(), 1, time.Now)
	if err := book.Set([]fault.Rule{rule}); err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.Faults = book }
}

// set replaces the rules about faults.
func (r *rig) set(rules ...fault.Rule) {
	r.t.Helper()
	if err := r.store.o.Faults.Set(rules); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) received() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrivals)
}

// window covers the hour before start.
func (r *rig) window() map[string]any {
	return map[string]any{
		"beginTime":   r.start.Add(-time.Hour).In(r.zone).Format(layout),
		"endTime":     r.start.Add(-time.Second).In(r.zone).Format(layout),
		"callBackURL": callbackURL,
	}
}

func envelope(t *testing.T, msgBody any) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"request": map[string]any{"version": "2.0"}, "msgBody": msgBody})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func signed(t *testing.T, op string, body []byte, p c2sign.Profile) *http.Request {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "https://ccfs.example.com:28443"+base+op, bytes.NewReader(body))
	req.Header.Set("Content-Type", jsonType)
	s, err := c2sign.FromHTTP(req, body)
	if err != nil {
		t.Fatal(err)
	}
	authorization, err := c2sign.Sign(testKey, p, s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	return req
}

// reply is a JSON answer.
type reply struct {
	ResultData json.RawMessage
	ResultCode string
	ResultDesc string
	Response   *legacyResponse
}

func (r *rig) call(op string, body []byte) *httptest.ResponseRecorder {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.store.ServeHTTP(w, signed(r.t, op, body, c2sign.Profile{}))
	return w
}

func (r *rig) ask(op string, msgBody any) reply {
	r.t.Helper()
	return r.decode(r.call(op, envelope(r.t, msgBody)))
}

func (r *rig) decode(w *httptest.ResponseRecorder) reply {
	r.t.Helper()
	var out reply
	if w.Code != http.StatusOK {
		r.t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		r.t.Fatalf("%v: %s", err, w.Body)
	}
	return out
}

// create asks for the CDRs of the window and returns the responseId.
func (r *rig) create(op string, extra map[string]any) string {
	r.t.Helper()
	msg := r.window()
	if op == "queryBillData" {
		msg["dataType"] = "call"
	}
	for k, v := range extra {
		msg[k] = v
	}
	out := r.ask(op, msg)
	var data created
	if out.ResultCode != "0" || json.Unmarshal(out.ResultData, &data) != nil || len(data.ResponseID) != 32 {
		r.t.Fatalf("create: %+v", out)
	}
	return data.ResponseID
}

// pass lets virtual time go by.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// made creates, waits for the file and returns its name and truth.
func (r *rig) made(op string, extra map[string]any) truth.File {
	r.t.Helper()
	id := r.create(op, extra)
	r.pass(16 * time.Second) // the longest generation
	files := r.truth.Snapshot().Files
	if len(files) == 0 || files[len(files)-1].ResponseID != id {
		r.t.Fatalf("no file was made for %s", id)
	}
	return files[len(files)-1]
}

func (r *rig) download(name string) *httptest.ResponseRecorder {
	r.t.Helper()
	return r.call("downloadBillFile", envelope(r.t, map[string]any{"billFileName": name}))
}

// member is one CSV as it left the ZIP.
type member struct {
	name string
	raw  string
}

func unzip(t *testing.T, data []byte) []member {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out []member
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		out = append(out, member{f.Name, string(raw)})
	}
	return out
}

func parse(t *testing.T, raw string) [][]string {
	t.Helper()
	c := csv.NewReader(strings.NewReader(raw))
	c.FieldsPerRecord = -1
	out, err := c.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
