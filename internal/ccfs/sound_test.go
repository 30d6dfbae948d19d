package ccfs

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// What every studio has: a call with one recording, one with two.
const (
	oneCall, twoCall = "1714525260-1001", "1714525260-1002"
	oneFile          = "/10/1/record/39/20240501/101/32460000.wav"
	oneOriginal      = `Y:\39\0\20240501\101\32460000.V3`
)

// studio is the simulator's file store, and a client of it.
type studio struct {
	*Client
	t     *testing.T
	truth *truth.Log
	book  *fault.Book
	rows  []world.Row
	now   func() time.Time
}

// Rows is a recording index.
func (s *studio) Rows(kind world.Kind, from, to, now time.Time) (out []world.Row) {
	for _, r := range s.rows {
		if r.Kind == kind && !r.Known.After(now) {
			out = append(out, r)
		}
	}
	return out
}

func newStudio(t *testing.T, change func(*filestore.Options), edit ...func(*Options)) *studio {
	t.Helper()
	clock := &fakeClock{t: time.Date(2024, 5, 2, 9, 0, 0, 0, time.UTC)}
	s := &studio{t: t, truth: truth.New(), now: clock.now}
	s.book = fault.NewBook(filestore.FaultKinds(), 1, clock.now)
	for _, r := range [][]string{
		{oneCall, oneFile, oneOriginal, "2024-05-01 09:01:00"},
		{twoCall, "/10/1/record/39/20240501/101/40000000.wav", `Y:\39\0\20240501\101\40000000.V3`, "2024-05-01 11:06:40"},
		{twoCall, "/10/1/record/39/20240501/102/40060000.wav", `Y:\39\0\20240501\102\40060000.V3`, "2024-05-01 11:07:40"},
	} {
		cells := make([]string, len(world.Columns[world.Record]))
		cells[4], cells[7], cells[8], cells[9], cells[12] = r[0], r[3], r[3], r[1], r[2]
		at, err := time.Parse(world.TimeLayout, r[3])
		if err != nil {
			t.Fatal(err)
		}
		s.rows = append(s.rows, world.Row{Kind: world.Record, At: at, Cells: cells, Known: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)})
	}
	o := filestore.Options{
		AccessKey: testKey.AccessKey, SecretKey: testKey.Reveal(), Source: s, Truth: s.truth, Faults: s.book, Now: clock.now,
	}
	if change != nil {
		change(&o)
	}
	store, err := filestore.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, nil)
	p.server.Config.Handler = store
	s.Client = p.client(append([]func(*Options){func(o *Options) {
		o.URL = p.server.URL + "/CCFS/resource/ccfs" // the addresses of the object store lead there
		o.DialContext, o.Now = nil, clock.now
	}}, edit...)...)
	return s
}

// said is the truth about a recording.
func (s *studio) said(name string) truth.Recording {
	s.t.Helper()
	for _, r := range s.truth.Snapshot().Recordings {
		if r.FileName == name {
			return r
		}
	}
	s.t.Fatalf("the truth log has no %s", name)
	return truth.Recording{}
}

// way is one way to the sound of the call with one recording.
type way struct {
	operation string
	fetch     func(ctx context.Context, s *studio, w io.Writer) (Sound, error)
}

func ways() []way {
	return []way{
		{"downloadRecordFile", func(ctx context.Context, s *studio, w io.Writer) (Sound, error) {
			return s.DownloadRecording(ctx, oneFile, w)
		}},
		{"downloadRecord", func(ctx context.Context, s *studio, w io.Writer) (Sound, error) {
			return s.DownloadOriginal(ctx, Original{FileName: oneOriginal}, w)
		}},
		{"downloadRecord", func(ctx context.Context, s *studio, w io.Writer) (Sound, error) {
			return s.DownloadOriginal(ctx, Original{CallID: oneCall, CCID: "1"}, w)
		}},
		{playVoice, func(ctx context.Context, s *studio, w io.Writer) (Sound, error) {
			a, err := s.RequestPlay(ctx, oneOriginal)
			if err != nil {
				return Sound{}, err
			}
			return s.Open(ctx, a, w)
		}},
		{"object", func(ctx context.Context, s *studio, w io.Writer) (Sound, error) {
			all, err := s.RequestStored(ctx, dayOf(oneCall))
			if err != nil {
				return Sound{}, err
			}
			return s.Open(ctx, all[0], w)
		}},
	}
}

func dayOf(call string) Stored {
	return Stored{CallID: call, From: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 5, 1, 23, 59, 59, 0, time.UTC)}
}

// TestRecordings fetches the same bytes in every way: those of the truth log.
func TestRecordings(t *testing.T) {
	s := newStudio(t, nil)
	for _, way := range ways() {
		var b bytes.Buffer
		got, err := way.fetch(t.Context(), s, &b)
		sum := sha256.Sum256(b.Bytes())
		if err != nil || got != (Sound{Bytes: int64(b.Len())}) || hex.EncodeToString(sum[:]) != s.said(oneFile).SHA256 {
			t.Errorf("%s: %+v, %d bytes, %v", way.operation, got, b.Len(), err)
		}
	}
	var b bytes.Buffer
	got, err := s.DownloadOriginal(t.Context(), Original{CallID: twoCall}, &b)
	z, bad := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || bad != nil || !got.ZIP || len(z.File) != 2 {
		t.Errorf("a call with two: %+v, %v, %v", got, err, bad)
	}
	if all, err := s.RequestStored(t.Context(), dayOf(twoCall)); err != nil || len(all) != 2 || all[0].Reveal() == all[1].Reveal() {
		t.Errorf("a call with two: %v, %v", all, err)
	}
}

// TestFlowRecordings are asked for at their node.
func TestFlowRecordings(t *testing.T) {
	s := newStudio(t, nil)
	const flow, oiap = `Y:\39\record\20240430\10233946082696733.wav`, "Y:/39/transferrecord/20240430/1.wav"
	for _, location := range []string{"", "256"} {
		var a, b bytes.Buffer
		if got, err := s.DownloadFlowRecording(t.Context(), flow, location, &a); err != nil || got.Bytes == 0 || !bytes.Equal(a.Bytes(), voice.Tone(slashes(flow), time.Second/5)) {
			t.Errorf("IVR: %+v, %v", got, err)
		}
		if got, err := s.DownloadOIAPRecording(t.Context(), oiap, location, &b); err != nil || got.Bytes == 0 || !bytes.Equal(b.Bytes(), voice.Tone(oiap, time.Second/5)) {
			t.Errorf("OIAP: %+v, %v", got, err)
		}
	}
	if _, err := s.DownloadFlowRecording(t.Context(), flow, "7", io.Discard); want(t, err, NotThere) != nil {
		t.Error("a node without recordings")
	}
}

// TestPrompts uploads a voice file for the IVR, fetches it in both ways and deletes it.
func TestPrompts(t *testing.T) {
	s, wav := newStudio(t, nil), voice.Tone("welcome", time.Second)
	p, err := s.UploadPrompt(t.Context(), 53, wav)
	if err != nil || !strings.HasPrefix(p.FileName, "Y:/3rdfile/53/thirdvoicebotfile/") || strings.Join(p.Locations, " ") != "0 256" {
		t.Fatalf("%+v, %v", p, err)
	}
	for path, only := range map[string]bool{p.FileName: false, "Y:/3rdfile/53/thirdvoicebotfile": true} {
		var b bytes.Buffer
		if got, err := s.DownloadPrompt(t.Context(), path, only, &b); err != nil || got.ZIP || !bytes.Equal(b.Bytes(), wav) {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	if err := s.DeletePrompt(t.Context(), p.FileName, "0"); err != nil {
		t.Error(err)
	}
	if err := s.DeletePrompt(t.Context(), p.FileName, ""); want(t, err, NotThere) != nil {
		t.Error("deleted twice")
	}
	if _, err := s.DownloadPrompt(t.Context(), p.FileName, false, io.Discard); want(t, err, NotThere) != nil {
		t.Error("it is still there")
	}
	if _, err := s.UploadPrompt(t.Context(), 53, []byte("RIFF, but no WAV of the IVR's kind")); want(t, err, Permanent) != nil {
		t.Error("no WAV was taken")
	}
}

// TestSoundRefusals: what the documents say can be answered, by every way to it.
func TestSoundRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*filestore.Options)
		fault  *fault.Rule
		code   string
		class  Class
	}{
		"absent":                     {func(o *filestore.Options) { o.Audio.Absent = 1 }, nil, "0300012", NotThere},
		"late":                       {func(o *filestore.Options) { o.Audio.Late, o.Audio.LateBy = 1, 48*time.Hour }, nil, "0300011", NotThere},
		"fault absent":               {nil, &fault.Rule{Fault: "audio.absent"}, "0300012", NotThere},
		"fault late":                 {nil, &fault.Rule{Fault: "audio.late"}, "0300011", NotThere},
		"flow control":               {nil, &fault.Rule{Fault: "audio.flow_control"}, "0300008", FlowControl},
		"JSON labelled as audio":     {nil, &fault.Rule{Fault: "audio.json_as_octet_stream"}, "0300011", NotThere},
		"an unknown code":            {nil, &fault.Rule{Fault: "audio.json_as_octet_stream", Code: "0300099"}, "0300099", Again},
		"a page of a proxy":          {nil, &fault.Rule{Fault: "audio.status"}, "", Firewall},
		"a firewall before anything": {nil, &fault.Rule{Fault: "request.firewall"}, "", Firewall},
		"401":                        {nil, &fault.Rule{Fault: "request.unauthorized"}, "", Auth},
		"403":                        {nil, &fault.Rule{Fault: "request.locked"}, "", Locked},
	} {
		for _, way := range ways() {
			s := newStudio(t, c.change)
			if c.fault != nil {
				rule := *c.fault
				rule.Share = 1
				if err := s.book.Set([]fault.Rule{rule}); err != nil {
					t.Fatal(err)
				}
			}
			var b bytes.Buffer
			_, err := way.fetch(t.Context(), s, &b)
			if e := asError(t, err); e.Class != c.class || e.Code != c.code || b.Len() != 0 {
				t.Errorf("%s by %s: %+v", name, way.operation, e)
			}
		}
	}
}

// TestDamagedSound: what is cut is said to be, and nothing hangs. A half that is complete as
// an answer is for those who know WAV.
func TestDamagedSound(t *testing.T) {
	for _, way := range ways() {
		s := newStudio(t, nil)
		for name, class := range map[string]Class{"audio.cut": Broken, "audio.truncated": "", "audio.no_length": "", "audio.slow_drip": ""} {
			if err := s.book.Set([]fault.Rule{{Fault: name, Share: 1}}); err != nil {
				t.Fatal(err)
			}
			if name == "audio.slow_drip" {
				_ = s.book.Set([]fault.Rule{{Fault: name, Share: 1, Rate: 100_000}})
			}
			var b bytes.Buffer
			_, err := way.fetch(t.Context(), s, &b)
			if class == "" && err != nil || class != "" && want(t, err, class) != nil {
				t.Errorf("%s by %s: %v", name, way.operation, err)
			}
		}
	}
}

// TestSoundLimit: neither a declared nor an undeclared length passes it.
func TestSoundLimit(t *testing.T) {
	for _, way := range ways() {
		s := newStudio(t, nil, func(o *Options) { o.MaxSoundBytes = 1000 })
		for _, rules := range [][]fault.Rule{nil, {{Fault: "audio.no_length", Share: 1}}} {
			if err := s.book.Set(rules); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			_, err := way.fetch(t.Context(), s, &b)
			if e := asError(t, err); e.Class != Permanent || b.Len() > 1000 {
				t.Errorf("%s: %d bytes, %v", way.operation, b.Len(), err)
			}
		}
	}
}

// TestInvalidSoundIsNotAskedFor sends nothing.
func TestInvalidSoundIsNotAskedFor(t *testing.T) {
	s := newStudio(t, nil)
	long, ctx := strings.Repeat("a", 1025), t.Context()
	late := dayOf(oneCall)
	late.From = late.From.Add(-72 * time.Hour)
	sound := func(_ Sound, err error) error { return err }
	only := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"no name":             sound(s.DownloadRecording(ctx, "", io.Discard)),
		"long name":           sound(s.DownloadRecording(ctx, long[:226], io.Discard)),
		"neither":             sound(s.DownloadOriginal(ctx, Original{}, io.Discard)),
		"long call":           sound(s.DownloadOriginal(ctx, Original{CallID: long[:26]}, io.Discard)),
		"long centre":         sound(s.DownloadOriginal(ctx, Original{CallID: "1", CCID: long[:65]}, io.Discard)),
		"long original":       sound(s.DownloadOriginal(ctx, Original{FileName: long[:226]}, io.Discard)),
		"long flow":           sound(s.DownloadFlowRecording(ctx, long[:226], "", io.Discard)),
		"long OIAP":           sound(s.DownloadOIAPRecording(ctx, long[:128], "", io.Discard)),
		"play nothing":        only(s.RequestPlay(ctx, "")),
		"no call":             only(s.RequestStored(ctx, Stored{})),
		"no window":           only(s.RequestStored(ctx, Stored{CallID: "1"})),
		"over 3 days":         only(s.RequestStored(ctx, late)),
		"open nothing":        sound(s.Open(ctx, Address{}, io.Discard)),
		"upload for none":     only(s.UploadPrompt(ctx, 0, []byte("RIFF"))),
		"upload nothing":      only(s.UploadPrompt(ctx, 1, nil)),
		"download no prompt":  sound(s.DownloadPrompt(ctx, "", false, io.Discard)),
		"delete a long name":  s.DeletePrompt(ctx, long, ""),
		"delete without name": s.DeletePrompt(ctx, "", ""),
	} {
		if e := asError(t, err); e.Class != Permanent || !e.Local {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if asked := s.truth.Snapshot().Requests; len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// heard keeps what a server was asked.
type heard struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func newHeard(t *testing.T, handle http.HandlerFunc) *heard {
	h := &heard{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.seen = append(h.seen, r)
		h.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}
