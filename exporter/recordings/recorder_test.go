package recordings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

const acme = "acme"

func refused(c ccfs.Class, code string) error { return &ccfs.Error{Class: c, Code: code, Status: 200} }

// tone is a WAV of A-law with so many samples.
func tone(samples int) []byte {
	var b bytes.Buffer
	le := func(n int, bytes int) {
		for range bytes {
			b.WriteByte(byte(n))
			n >>= 8
		}
	}
	b.WriteString("RIFF")
	le(36+samples, 4)
	b.WriteString("WAVEfmt ")
	le(16, 4)
	le(6, 2)
	le(1, 2)
	le(8000, 4)
	le(8000, 4)
	le(1, 2)
	le(8, 2)
	b.WriteString("data")
	le(samples, 4)
	b.Write(bytes.Repeat([]byte{0x55}, samples))
	return b.Bytes()
}

// memory is a place.
type memory struct {
	mu      sync.Mutex
	objects map[string]schemas.Object
	content map[string][]byte
	err     error
	full    error // of Put alone
}

func (m *memory) Put(_ context.Context, name string, meta map[string]string, r io.Reader) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, err := io.ReadAll(r)
	if err = errors.Join(err, m.err, m.full); err != nil {
		return "", err
	}
	m.objects[name] = schemas.Object{Name: name, Bytes: int64(len(content)), StoredAt: time.Now(), Meta: meta}
	m.content[name] = content
	return "MEM/" + name, nil
}

func (m *memory) Find(_ context.Context, name string) (schemas.Object, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[name]
	return o, ok, m.err
}

func (m *memory) Each(_ context.Context, prefix string, f func(schemas.Object) error) error {
	for name, o := range m.objects {
		if strings.HasPrefix(name, prefix) {
			if err := f(o); err != nil {
				return err
			}
		}
	}
	return m.err
}

func (m *memory) Delete(_ context.Context, name string) error {
	delete(m.objects, name)
	return m.err
}

func (m *memory) Sweep(context.Context, time.Time) error { return m.err }

// published keeps what was said, by message id as a stream does.
type published struct {
	said []schemas.Recording
	ids  map[string]bool
	err  error
}

func (p *published) Stored(context.Context, schemas.Message, time.Time) (bool, error) {
	return false, nil
}

func (p *published) Publish(_ context.Context, m schemas.Message) error {
	if p.err != nil {
		return p.err
	}
	if p.ids[m.MsgID()] {
		return nil
	}
	p.ids[m.MsgID()] = true
	var r schemas.Recording
	if err := json.Unmarshal(m.Body, &r); err != nil {
		return err
	}
	p.said = append(p.said, r)
	return nil
}

// rig is a recorder of one tenant whose interfaces give what a test says.
type rig struct {
	*Recorder
	budget *ledger.Ledger
	t      *testing.T
	tenant *Tenant
	place  *memory
	pub    *published
	asked  []string
	ends   map[string]func() ([]byte, error) // by source
	stored time.Time                         // of the row
	key    string

	seconds int // of the row's recording; 0: it does not say when that ended
}

func newRig(t *testing.T, change ...func(*Tenant)) *rig {
	t.Helper()
	r := &rig{
		t: t, place: &memory{objects: map[string]schemas.Object{}, content: map[string][]byte{}}, pub: &published{ids: map[string]bool{}},
		ends: map[string]func() ([]byte, error){}, stored: time.Now(), key: strings.Repeat("0a", 16),
	}
	source := func(name string) Source {
		return Source{Name: name, Fetch: func(_ context.Context, _ Row, w io.Writer) error {
			r.asked = append(r.asked, name)
			content, err := r.ends[name]()
			if err == nil {
				_, err = w.Write(content)
			}
			return err
		}}
	}
	r.tenant = &Tenant{
		Sources: []Source{source("one"), source("two")}, Place: r.place, At: "MEM", Back: 30 * 24 * time.Hour,
		RetryAfter: time.Minute, GiveUpAfter: 24 * time.Hour, PerMinute: 6000, MaxBytes: 1 << 20,
	}
	for _, f := range change {
		f(r.tenant)
	}
	r.gives("one", tone(800))
	r.fails("two", refused(ccfs.NotThere, "0300012"))
	names, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	r.budget, err = ledger.New(ledger.Options{Names: names, Bucket: exportertest.NewBucket(), Publisher: r.pub})
	if err != nil {
		t.Fatal(err)
	}
	off := &Tenant{Off: true, Place: r.place}
	r.Recorder, err = New(Options{Names: names, Tenants: map[string]*Tenant{acme: r.tenant, "none": nil, "quiet": off}, Publisher: r.pub, Budget: r.budget})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) gives(source string, content []byte) {
	r.ends[source] = func() ([]byte, error) { return content, nil }
}

func (r *rig) fails(source string, err error) {
	r.ends[source] = func() ([]byte, error) { return nil, err }
}

// delivery is a row as the consumer hands it out.
func (r *rig) delivery(changes ...func(body map[string]any)) schemas.Delivery {
	begin := r.stored.Add(-time.Hour).Truncate(time.Second)
	window := schemas.Window{From: begin.Add(-time.Hour), To: begin.Add(time.Hour)}
	body := map[string]any{
		"tenant": acme, "kind": "recording", "window": window.String(), "agent_id": "101", "call_id": "17-1", "caller_no": "5550100",
		"call_begin": begin.Format(time.RFC3339), "file_name": "/1/1/record/39/1.wav", "original_file_name": `X:\1.V3`,
		"row": map[string]any{"id": "r-1", "ordinal": 1, "file": "f.zip", "revision": 1},
	}
	if r.seconds > 0 {
		body["call_end"] = begin.Add(time.Duration(r.seconds) * time.Second).Format(time.RFC3339)
	}
	for _, f := range changes {
		f(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return schemas.Delivery{Attempt: 1, Message: schemas.Stored{
		Subject: "aicc.v1.acme.row.recording." + window.String(), StoredAt: r.stored, Body: text,
		Header: map[string][]string{"ce-type": {"aicc.v1.row.recording"}, schemas.HeaderRow: {r.key + ".1.x"}},
	}}
}

func (r *rig) handle(changes ...func(body map[string]any)) error {
	r.t.Helper()
	return r.Handle(r.t.Context(), r.delivery(changes...))
}

// settle handles the row until it is over, waiting as long as it is told.
func (r *rig) settle() schemas.Recording {
	r.t.Helper()
	for range 1000 {
		err := r.handle()
		var later *schemas.Later
		switch {
		case err == nil && len(r.pub.said) == 1:
			return r.pub.said[0]
		case !errors.As(err, &later):
			r.t.Fatalf("handled: %v, said %d", err, len(r.pub.said))
		}
		time.Sleep(later.After)
	}
	r.t.Fatal("it never ends")
	return schemas.Recording{}
}

func TestAudioIsKeptAndSaid(t *testing.T) {
	r := newRig(t)
	if err := r.handle(); err != nil {
		t.Fatal(err)
	}
	said := r.pub.said[0]
	name := fmt.Sprintf("acme/101/%s/%s.wav", r.stored.Add(-time.Hour).Format("20060102"), r.key)
	if said.Object != "MEM/"+name || said.Format != "alaw" || said.Milliseconds != 100 || said.Bytes != int64(len(tone(800))) || said.Source != "one" || said.CallID != "17-1" || said.EncryptedBy != "" {
		t.Errorf("said %+v", said)
	}
	if !bytes.Equal(r.place.content[name], tone(800)) {
		t.Error("something else is kept")
	}
	if kept, ok := Kept("MEM", r.place.objects[name]); !ok || kept != said {
		t.Errorf("known of it: %+v", kept)
	}
	for k, v := range r.place.objects[name].Meta {
		if strings.Contains(v, "5550100") {
			t.Errorf("%s holds the caller's number", k)
		}
	}
}

// TestRevisionsAreNothingNew: neither a later revision of the row nor a repeat asks again,
// and all say the same.
func TestRevisionsAreNothingNew(t *testing.T) {
	r := newRig(t)
	for i := range 3 {
		if err := r.handle(func(b map[string]any) { b["row"] = map[string]any{"id": fmt.Sprintf("r-%d", i), "revision": i} }); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.asked) != 1 || len(r.pub.said) != 1 {
		t.Errorf("asked %v, said %d times", r.asked, len(r.pub.said))
	}
	clear(r.pub.ids) // as the stream forgets them after a day
	again := func(b map[string]any) { b["row"] = map[string]any{"id": "r-9", "revision": 9} }
	if err := r.handle(again); err != nil || len(r.asked) != 1 || len(r.pub.said) != 1 {
		t.Errorf("a revision of the next day: %v, asked %v, said %d times", err, r.asked, len(r.pub.said))
	}
}

// TestCrashBetweenKeepingAndSaying: what is kept is said, and not fetched again.
func TestCrashBetweenKeepingAndSaying(t *testing.T) {
	r := newRig(t)
	r.pub.err = errors.New("the hub is away")
	var later *schemas.Later
	if err := r.handle(); !errors.As(err, &later) {
		t.Fatalf("error %v", err)
	}
	r.pub.err = nil
	if err := r.handle(); err != nil || len(r.asked) != 1 || len(r.pub.said) != 1 || r.pub.said[0].Source != "one" {
		t.Errorf("%v, asked %v, said %+v", err, r.asked, r.pub.said)
	}
}

// TestWhatIsNoJob is done with at once, without a request.
func TestWhatIsNoJob(t *testing.T) {
	r := newRig(t, func(t *Tenant) { t.Agents = []string{"101"} })
	marker, foreign, quiet := r.delivery(), r.delivery(), r.delivery()
	marker.Message.Header["ce-type"] = []string{schemas.TypeWindowComplete}
	foreign.Message.Subject = strings.Replace(foreign.Message.Subject, acme, "other", 1)
	quiet.Message.Subject = strings.Replace(quiet.Message.Subject, acme, "quiet", 1)
	odd := r.delivery()
	odd.Message.Body = []byte("[]")
	var later *schemas.Later
	var permanent *schemas.Permanent
	if err := r.Handle(t.Context(), marker); err != nil {
		t.Errorf("a marker: %v", err)
	}
	if err := r.Handle(t.Context(), quiet); err != nil {
		t.Errorf("a tenant without fetching: %v", err)
	}
	if err := errors.Join(r.budget.FetchAudio(t.Context(), "quiet"), r.Handle(t.Context(), quiet)); !errors.As(err, &later) {
		t.Errorf("a tenant that another bridge fetches for: %v", err)
	}
	if err := r.Handle(t.Context(), foreign); !errors.As(err, &later) {
		t.Errorf("another bridge's tenant: %v", err)
	}
	foreign.Message.StoredAt = time.Now().Add(-31 * 24 * time.Hour)
	if err := r.Handle(t.Context(), foreign); !errors.As(err, &later) {
		t.Errorf("another bridge's tenant, whose turn has not come: %v", err)
	}
	foreign.Attempt = 1000
	if err := r.Handle(t.Context(), foreign); err != nil {
		t.Errorf("nobody's tenant: %v", err)
	}
	if err := r.Handle(t.Context(), odd); !errors.As(err, &permanent) {
		t.Errorf("no row: %v", err)
	}
	if err := r.handle(func(b map[string]any) { b["agent_id"] = "102" }); err != nil {
		t.Errorf("another agent: %v", err)
	}
	if err := r.handle(func(b map[string]any) { b["call_begin"] = r.stored.Add(-31 * 24 * time.Hour).Format(time.RFC3339) }); err != nil {
		t.Errorf("long ago: %v", err)
	}
	if len(r.asked)+len(r.pub.said) > 0 {
		t.Errorf("asked %v, said %v", r.asked, r.pub.said)
	}
}

// TestMissing: what becomes of a recording that no interface gives, after how many requests
// and how long.
func TestMissing(t *testing.T) {
	absent, late := refused(ccfs.NotThere, "0300012"), refused(ccfs.NotThere, "0300011")
	bad := tone(800)[:500]
	for name, c := range map[string]struct {
		one, two error
		content  []byte
		reason   schemas.RecordingReason
		most     int // requests
		after    time.Duration
	}{
		"absent":            {one: absent, two: absent, reason: schemas.RecordingAbsent, most: 40, after: 24 * time.Hour},
		"late for ever":     {one: late, two: absent, reason: schemas.RecordingAbsent, most: 40, after: 24 * time.Hour},
		"truncated":         {content: bad, two: absent, reason: schemas.RecordingDamaged, most: 40, after: 24 * time.Hour},
		"JSON for audio":    {content: []byte(`{"resultCode":"0"}`), two: absent, reason: schemas.RecordingDamaged, most: 40, after: 24 * time.Hour},
		"refused":           {one: refused(ccfs.Permanent, "0300010"), two: refused(ccfs.Permanent, "0300004"), reason: schemas.RecordingRefused, most: 2},
		"unnamed":           {one: ErrUnnamed, two: ErrUnnamed, reason: schemas.RecordingUnnamed, most: 2},
		"unnamed, absent":   {one: ErrUnnamed, two: absent, reason: schemas.RecordingAbsent, most: 40, after: 24 * time.Hour},
		"too long":          {content: tone(2 << 20), two: ErrUnnamed, reason: schemas.RecordingTooLong, most: 2},
		"too long, said so": {one: &ccfs.Error{Class: ccfs.Permanent, Status: 200}, two: ErrUnnamed, reason: schemas.RecordingTooLong, most: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				if r.fails("one", c.one); c.one == nil {
					r.gives("one", c.content)
				}
				r.fails("two", c.two)
				begun := time.Now()
				said := r.settle()
				took := time.Since(begun)
				if said.Status != schemas.RecordingMissing || said.Reason != c.reason || len(r.asked) > c.most {
					t.Errorf("said %+v after %d requests", said, len(r.asked))
				}
				if took < c.after || took > c.after+time.Minute {
					t.Errorf("after %v, want %v", took, c.after)
				}
				if len(r.place.objects) > 0 {
					t.Error("something is kept")
				}
			})
		})
	}
}

// TestAudioOfACall: an interface that is asked for what there is of a call may give another of
// its recordings. What has no name is taken only if it is as long as the row says.
func TestAudioOfACall(t *testing.T) {
	const second = 8000 // samples
	mine, other := tone(60*second), tone(30*second)
	both := packed(t, map[string][]byte{"1.wav": mine, "2.wav": other})
	for name, c := range map[string]struct {
		first, later []byte // from the tenth minute
		seconds      int    // of the row; 0: it does not say
		want         []byte // nil: missing
	}{
		"it alone":                     {mine, mine, 60, mine},
		"it alone, cut a little":       {mine, mine, 64, mine},
		"it alone, cut by more":        {mine, mine, 66, nil},
		"it alone, longer by more":     {mine, mine, 54, nil},
		"the other, then both":         {other, both, 60, mine},
		"the other in a ZIP":           {packed(t, map[string][]byte{"2.wav": other}), both, 60, mine},
		"only the other":               {other, other, 60, nil},
		"several without its name":     {packed(t, map[string][]byte{"3.wav": mine, "2.wav": other}), nil, 60, nil},
		"the row says no length":       {mine, mine, 0, nil},
		"the row says none, then both": {mine, both, 0, mine},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(tenant *Tenant) { tenant.Sources, tenant.Sources[0].OfCall = tenant.Sources[:1], true })
				begun := time.Now()
				r.ends["one"] = func() ([]byte, error) {
					if c.later != nil && time.Since(begun) >= 10*time.Minute {
						return c.later, nil
					}
					return c.first, nil
				}
				r.seconds = c.seconds
				said := r.settle()
				switch kept := r.place.content[strings.TrimPrefix(said.Object, "MEM/")]; {
				case c.want == nil && (said.Reason != schemas.RecordingUnclear || time.Since(begun) < 24*time.Hour):
					t.Errorf("said %+v after %v", said, time.Since(begun))
				case c.want != nil && !bytes.Equal(kept, c.want):
					t.Errorf("%d bytes are kept, said %+v", len(kept), said)
				}
			})
		})
	}
}

// TestLateAudio comes within its time, and a broken download is tried again.
func TestLateAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		there := time.Now().Add(3 * time.Hour)
		r.ends["one"] = func() ([]byte, error) {
			switch {
			case time.Now().After(there.Add(time.Hour)):
				return tone(800), nil
			case time.Now().After(there):
				return tone(800)[:100], nil
			}
			return nil, refused(ccfs.NotThere, "0300011")
		}
		if said := r.settle(); said.Status != schemas.RecordingStored || len(r.asked) > 30 {
			t.Errorf("said %+v after %d requests", said, len(r.asked))
		}
	})
}

// TestFailuresThatSayNothing never make a recording missing, and are an alarm while they last.
func TestFailuresThatSayNothing(t *testing.T) {
	for name, err := range map[string]error{
		"no answer":       &ccfs.Error{Class: ccfs.Again},
		"flow control":    refused(ccfs.FlowControl, "0300008"),
		"rights":          &ccfs.Error{Class: ccfs.Auth, Status: 401},
		"locked":          &ccfs.Error{Class: ccfs.Locked, RetryAfter: 30 * time.Minute},
		"wrong address":   &ccfs.Error{Class: ccfs.Permanent, Status: 404},
		"something of us": errors.New("no memory"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.fails("one", err)
				back := time.Now().Add(48 * time.Hour)
				r.ends["one"] = func() ([]byte, error) {
					if time.Now().After(back) {
						return tone(800), nil
					}
					return nil, err
				}
				var later *schemas.Later
				for time.Now().Before(back) {
					if err := r.handle(); !errors.As(err, &later) {
						t.Fatalf("handled: %v", err)
					}
					time.Sleep(later.After)
				}
				if r.Failing(acme, 10*time.Minute) == nil || r.Failing("quiet", 0) != nil {
					t.Error("it is no alarm, or of the wrong tenant")
				}
				if said := r.settle(); said.Status != schemas.RecordingStored || r.Failing(acme, 0) != nil {
					t.Errorf("said %+v, failing: %v", said, r.Failing(acme, 0))
				}
			})
		})
	}
}

// TestFullPlace: nothing is said that is not kept, and it is an alarm, also where only new
// audio is not taken.
func TestFullPlace(t *testing.T) {
	full := errors.New("maximum bytes exceeded")
	t.Run("away", func(t *testing.T) {
		testFullPlace(t, func(m *memory, on bool) { m.err = map[bool]error{true: full}[on] })
	})
	t.Run("full", func(t *testing.T) {
		testFullPlace(t, func(m *memory, on bool) { m.full = map[bool]error{true: full}[on] })
	})
}

func testFullPlace(t *testing.T, set func(m *memory, on bool)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		set(r.place, true)
		var later *schemas.Later
		for range 20 {
			if err := r.handle(); !errors.As(err, &later) {
				t.Fatalf("handled: %v", err)
			}
			time.Sleep(later.After)
		}
		if len(r.pub.said) != 0 || r.Failing(acme, 10*time.Minute) == nil {
			t.Errorf("said %v", r.pub.said)
		}
		set(r.place, false)
		if said := r.settle(); said.Status != schemas.RecordingStored || r.Failing(acme, 0) != nil {
			t.Errorf("said %+v", said)
		}
	})
}

// TestPoison: what can never be said, or kept, is no job for ever.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := func(body map[string]any) { body["agent_id"] = strings.Repeat("7", 5000) }
		var permanent *schemas.Permanent
		r := newRig(t)
		r.pub.err = fmt.Errorf("publish: %w", &schemas.Permanent{Reason: schemas.ReasonOversized, Err: errors.New("too large")})
		if err := r.handle(); !errors.As(err, &permanent) || errors.As(err, new(*schemas.Later)) {
			t.Errorf("handled: %v", err)
		}
		r = newRig(t)
		if err := r.handle(long); !errors.As(err, &permanent) || len(r.asked) != 0 {
			t.Errorf("handled: %v, asked %v", err, r.asked)
		}
		r = newRig(t)
		r.key = ""
		if err := r.handle(); !errors.As(err, &permanent) || len(r.asked) != 0 || len(r.place.objects) != 0 {
			t.Errorf("handled: %v, asked %v, kept %d", err, r.asked, len(r.place.objects))
		}
	})
}

// TestSlowAnswer: while an interface is asked, others are told that work goes on, so that
// none of them asks as well.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.ends["one"] = func() ([]byte, error) {
			time.Sleep(2 * time.Minute)
			return tone(800), nil
		}
		d, last := r.delivery(), time.Now()
		var quiet time.Duration
		var mu sync.Mutex
		d.Progress = func() {
			mu.Lock()
			defer mu.Unlock()
			quiet, last = max(quiet, time.Since(last)), time.Now()
		}
		if err := r.Handle(t.Context(), d); err != nil || quiet == 0 || quiet > 10*time.Second {
			t.Errorf("handled: %v; quiet for %v", err, quiet)
		}
	})
}

// TestCrowd: rows that wait for the budget come back less often the more they wait.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(t *Tenant) { t.PerMinute = 1 })
		if err := r.handle(); err != nil {
			t.Fatal(err)
		}
		r.key = strings.Repeat("0b", 16)
		for attempt, want := range map[int]time.Duration{1: time.Minute, 3: 3 * time.Minute, 50: longestPass} {
			d, later := r.delivery(), &schemas.Later{}
			d.Attempt = attempt
			if err := r.Handle(t.Context(), d); !errors.As(err, &later) || later.After.Round(time.Second) != want {
				t.Errorf("delivery %d: put off by %v: %v", attempt, later.After, err)
			}
		}
	})
}

// TestBudget: no more requests a minute than are allowed, whatever is waiting.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(t *Tenant) { t.PerMinute = 2 })
		begun := time.Now()
		for i := range 6 {
			r.key = fmt.Sprintf("%032x", i)
			for {
				var later *schemas.Later
				if err := r.handle(); err == nil {
					break
				} else if !errors.As(err, &later) {
					t.Fatal(err)
				}
				time.Sleep(later.After)
			}
		}
		if took := time.Since(begun); len(r.asked) != 6 || took < 150*time.Second-time.Millisecond || took > 200*time.Second {
			t.Errorf("%d requests in %v", len(r.asked), took)
		}
	})
}

// TestEncrypted: what is kept opens with the key alone, under its own name; the digest is
// that of the audio.
func TestEncrypted(t *testing.T) {
	k, err := ParseKey(strings.Repeat("7f", 32))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ParseKey(strings.Repeat("80", 32))
	r, plain := newRig(t, func(t *Tenant) { t.Key = k }), newRig(t)
	said, open := r.settle(), plain.settle()
	name := strings.TrimPrefix(said.Object, "MEM/")
	kept := r.place.content[name]
	if bytes.Contains(kept, []byte("RIFF")) || said.EncryptedBy != k.ID() || said.SHA256 != open.SHA256 || said.Bytes != open.Bytes {
		t.Errorf("kept in the clear, or said %+v", said)
	}
	if got, err := k.Open(kept, name); err != nil || !bytes.Equal(got, tone(800)) {
		t.Errorf("opened: %v", err)
	}
	if _, err := k.Open(kept, name+"x"); err == nil {
		t.Error("it opens elsewhere")
	}
	if _, err := other.Open(kept, name); err == nil || other.ID() == k.ID() {
		t.Error("it opens with another key")
	}
	for _, odd := range []string{"", "7f", strings.Repeat("zz", 32)} {
		if _, err := ParseKey(odd); err == nil {
			t.Errorf("%q is a key", odd)
		}
	}
}

func TestOptions(t *testing.T) {
	names, _ := schemas.NewNames("aicc")
	good := func() *Tenant { return newRig(t).tenant }
	if _, err := New(Options{Names: names, Publisher: &published{}, Budget: &ledger.Ledger{}, Tenants: map[string]*Tenant{acme: good()}}); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{Names: names, Budget: &ledger.Ledger{}}); err == nil {
		t.Error("without a publisher")
	}
	if _, err := New(Options{Names: names, Publisher: &published{}}); err == nil {
		t.Error("without a budget")
	}
	for name, spoil := range map[string]func(*Tenant){
		"sources": func(t *Tenant) { t.Sources = nil }, "place": func(t *Tenant) { t.Place = nil }, "back": func(t *Tenant) { t.Back = 0 },
		"times": func(t *Tenant) { t.GiveUpAfter = 0 }, "requests": func(t *Tenant) { t.PerMinute = 0 }, "size": func(t *Tenant) { t.MaxBytes = 0 },
	} {
		bad := good()
		spoil(bad)
		if _, err := New(Options{Names: names, Publisher: &published{}, Budget: &ledger.Ledger{}, Tenants: map[string]*Tenant{acme: bad}}); err == nil {
			t.Errorf("without %s", name)
		}
	}
}
