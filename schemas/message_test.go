package schemas

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"
)

// decodeHeader undoes the percent-encoding of a header value.
func decodeHeader(t testing.TB, h map[string][]string, name string) string {
	t.Helper()
	v := Stored{Header: h}.Get(name)
	s, err := url.PathUnescape(v)
	if err != nil {
		t.Fatalf("%s: %q: %v", name, v, err)
	}
	return s
}

// cloudEvent builds a CloudEvent from headers and body with the reference SDK.
func cloudEvent(t testing.TB, m Message) event.Event {
	t.Helper()
	h := m.Headers()
	e := event.New(decodeHeader(t, h, "ce-specversion"))
	e.SetID(decodeHeader(t, h, "ce-id"))
	e.SetType(decodeHeader(t, h, "ce-type"))
	e.SetSource(decodeHeader(t, h, "ce-source"))
	e.SetDataSchema(decodeHeader(t, h, "ce-dataschema"))
	at, err := time.Parse(time.RFC3339, decodeHeader(t, h, "ce-time"))
	if err != nil {
		t.Fatal(err)
	}
	e.SetTime(at)
	if err := e.SetData(decodeHeader(t, h, "content-type"), json.RawMessage(m.Body)); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMessagesAreCloudEvents(t *testing.T) {
	for typ, m := range testMessages(t) {
		e := cloudEvent(t, m)
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
		if e.ID() != m.ID || e.Source() != m.Source || e.Type() != typ || !e.Time().Equal(m.Time) || e.DataSchema() != m.Schema {
			t.Errorf("%s came back as %v", typ, e)
		}
		_, hasID := m.Headers()[HeaderMsgID]
		if window := strings.Contains(m.Subject, ".row."); hasID == window {
			t.Errorf("%s on %s: %s present: %t", typ, m.Subject, HeaderMsgID, hasID)
		}
	}
	m := testRow(t, KindCDR)
	m.Source = "" // the oracle must bite
	if e := cloudEvent(t, m); e.Validate() == nil {
		t.Error("a CloudEvent without a source is accepted")
	}
}

// TestHeadersAreASCII checks that header values hold no foreign bytes and can
// be read back.
func TestHeadersAreASCII(t *testing.T) {
	n := testNames(t)
	rapid.Check(t, func(rt *rapid.T) {
		tenant := rapid.StringN(1, 8, -1).Draw(rt, "tenant")
		agent := rapid.StringN(1, 8, -1).Draw(rt, "agent")
		g := Gap{Tenant: tenant, Agent: agent, From: at(0), To: at(1), Cause: GapUnclean, Position: Position{1, 2}}
		m, err := n.GapMessage(g)
		if err != nil {
			rt.Fatal(err)
		}
		m.Header = map[string]string{HeaderExtract: tenant}
		h := m.Headers()
		for name, values := range h {
			if strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
				rt.Fatalf("%s: %q", name, values[0])
			}
		}
		if decodeHeader(t, h, HeaderExtract) != tenant {
			rt.Fatalf("%q came back as %q", tenant, decodeHeader(t, h, HeaderExtract))
		}
		if e := cloudEvent(t, m); e.Validate() != nil {
			rt.Fatal(e.Validate())
		}
	})
}

// TestIDsAreUnique checks that no two messages of one agent share an id, a
// heartbeat that repeats the position of the last event included.
func TestIDsAreUnique(t *testing.T) {
	n := testNames(t)
	ids := map[string]bool{}
	add := func(m Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if ids[m.MsgID()] {
			t.Errorf("%s comes twice", m.MsgID())
		}
		ids[m.MsgID()] = true
	}
	for _, tenant := range []string{"a", "b"} {
		add(n.EventMessage(Event{Tenant: tenant, Agent: "1", Type: "t", Group: GroupOther, Name: "t", ReceivedAt: at(0), Position: Position{1, 1}}))
		add(n.GapMessage(Gap{Tenant: tenant, Agent: "1", From: at(0), To: at(0), Cause: GapUnclean, Position: Position{1, 2}}))
		for minute := range 2 {
			add(n.HeartbeatMessage(Heartbeat{Tenant: tenant, Agent: "1", State: StateReady, At: at(minute), Position: Position{1, 2}}))
		}
		add(n.EventMessage(Event{Tenant: tenant, Agent: "1", Type: "t", Group: GroupOther, Name: "t", ReceivedAt: at(0), Position: Position{2, 1}}))
	}
}

// TestCoverageIDs: sent again it is the same message; whatever it says else, and
// whenever it says so again, it is another.
func TestCoverageIDs(t *testing.T) {
	n := testNames(t)
	statement := Coverage{Tenant: "a", Kind: KindCDR, From: at(0), CompleteTo: at(1), At: at(2)}
	id := func(change func(*Coverage)) string {
		t.Helper()
		c := statement
		change(&c)
		m, err := n.CoverageMessage(c)
		if err != nil || !m.Dedupe {
			t.Fatal(m, err)
		}
		return m.MsgID()
	}
	same := id(func(*Coverage) {})
	if same != id(func(*Coverage) {}) {
		t.Error("a statement sent again is another message")
	}
	for i, change := range []func(*Coverage){
		func(c *Coverage) { c.Tenant = "b" }, func(c *Coverage) { c.Kind = KindSkill }, func(c *Coverage) { c.From = at(-1) },
		func(c *Coverage) { c.CompleteTo = at(2) }, func(c *Coverage) { c.At = at(3) },
		func(c *Coverage) { c.Holes = []Hole{{Window{at(1), at(2)}, "failed", ""}} },
	} {
		if id(change) == same {
			t.Errorf("statement %d shares the id of another", i)
		}
	}
}

// TestConstructorsValidate breaks each valid value in one way.
func TestConstructorsValidate(t *testing.T) {
	n, window := testNames(t), Window{at(0), at(1)}
	event := Event{Tenant: "a", Agent: "1", Type: "t", Group: GroupOther, Name: "t", ReceivedAt: at(0), Position: Position{1, 1}}
	gap := Gap{Tenant: "a", Agent: "1", From: at(0), To: at(1), Cause: GapUnclean, Position: Position{1, 1}}
	beat := Heartbeat{Tenant: "a", Agent: "1", State: StateReady, At: at(0), Position: Position{1, 1}}
	done := WindowComplete{Tenant: "a", Kind: KindCDR, Window: window, ResponseID: testResponseID, Rows: 1, Added: 1, CompletedAt: at(2)}
	cover := Coverage{Tenant: "a", Kind: KindCDR, From: at(0), CompleteTo: at(1), At: at(2)}
	dead := DeadLetter{Tenant: "a", Reason: ReasonInvalid, Attempts: 1, FirstAt: at(0), LastAt: at(0)}
	entry := WindowEntry{Tenant: "a", Kind: KindCDR, Window: window, State: WindowPlanned}
	build := func(change any) error {
		e, g, b, f, w, c, d, l := event, gap, beat, testFile(KindCDR), done, cover, dead, entry
		var err error
		switch change := change.(type) {
		case func(*Event):
			change(&e)
			_, err = n.EventMessage(e)
		case func(*Gap):
			change(&g)
			_, err = n.GapMessage(g)
		case func(*Heartbeat):
			change(&b)
			_, err = n.HeartbeatMessage(b)
		case func(*FileReady):
			change(&f)
			_, err = n.FileReadyMessage(f)
		case func(*WindowComplete):
			change(&w)
			_, err = n.WindowCompleteMessage(w)
		case func(*Coverage):
			change(&c)
			_, err = n.CoverageMessage(c)
		case func(*DeadLetter):
			change(&d)
			_, err = n.DeadLetterMessage(d, "1")
		case func(*WindowEntry):
			change(&l)
			err = l.Validate()
		}
		return err
	}
	for _, same := range []any{
		func(*Event) {}, func(*Gap) {}, func(*Heartbeat) {}, func(*FileReady) {}, func(*WindowComplete) {},
		func(*Coverage) {}, func(*DeadLetter) {}, func(*WindowEntry) {},
	} {
		if err := build(same); err != nil {
			t.Errorf("%T: %v", same, err)
		}
	}
	for i, broken := range []any{
		func(e *Event) { e.Tenant = "" }, func(e *Event) { e.Agent = "" }, func(e *Event) { e.Seq = 0 }, func(e *Event) { e.Epoch = 0 },
		func(e *Event) { e.Name = "" }, func(e *Event) { e.Group = GroupGap }, func(e *Event) { e.ReceivedAt = time.Time{} }, func(e *Event) { e.Content = []byte("{") },
		func(g *Gap) { g.Cause = "" }, func(g *Gap) { g.To = at(-1) }, func(g *Gap) { g.From = time.Time{} }, func(g *Gap) { g.Agent = "" },
		func(b *Heartbeat) { b.State = "" }, func(b *Heartbeat) { b.At = time.Time{} }, func(b *Heartbeat) { b.Tenant = "" },
		func(f *FileReady) { f.Tenant = "" }, func(f *FileReady) { f.Kind = "x" }, func(f *FileReady) { f.Window = Window{} },
		func(f *FileReady) { f.ResponseID = strings.ToUpper(f.ResponseID) }, func(f *FileReady) { f.FileName = "../20261101_1.zip" },
		func(f *FileReady) { f.FileName = "20261301_1.zip" }, func(f *FileReady) { f.Via = "" }, func(f *FileReady) { f.ReceivedAt = time.Time{} },
		func(w *WindowComplete) { w.Added = 2 }, func(w *WindowComplete) { w.Revised = 2 }, func(w *WindowComplete) { w.Tenant = "" },
		func(w *WindowComplete) { w.ResponseID = "x" }, func(w *WindowComplete) { w.CompletedAt = time.Time{} }, func(w *WindowComplete) { w.Kind = "" },
		func(c *Coverage) { c.Tenant = "" }, func(c *Coverage) { c.CompleteTo = at(-1) }, func(c *Coverage) { c.Kind = "" },
		func(d *DeadLetter) { d.Tenant = "" }, func(d *DeadLetter) { d.Reason = "" }, func(d *DeadLetter) { d.Attempts = 0 }, func(d *DeadLetter) { d.LastAt = at(-1) },
		func(l *WindowEntry) { l.Tenant = "" }, func(l *WindowEntry) { l.State = "" }, func(l *WindowEntry) { l.State = WindowReady }, func(l *WindowEntry) { l.Kind = "" },
	} {
		if build(broken) == nil {
			t.Errorf("case %d (%T) is accepted", i, broken)
		}
	}
}

func TestMessageValidate(t *testing.T) {
	good := testRow(t, KindCDR)
	for name, change := range map[string]func(*Message){
		"wildcard": func(m *Message) { m.Subject = "a.*" }, "empty token": func(m *Message) { m.Subject = "a..b" }, "no subject": func(m *Message) { m.Subject = "" },
		"no id": func(m *Message) { m.ID = "" }, "no time": func(m *Message) { m.Time = time.Time{} }, "no JSON": func(m *Message) { m.Body = nil },
	} {
		m := good
		m.Header = maps.Clone(m.Header)
		change(&m)
		if m.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestNormaliseResponseID(t *testing.T) {
	for in, want := range map[string]string{
		" 01234567-89AB-CDEF-0123-456789ABCDEF ": testResponseID, testResponseID: testResponseID, "": "", "0123": "", testResponseID + "0": "",
	} {
		if got, err := NormaliseResponseID(in); got != want || (err == nil) != (want != "") {
			t.Errorf("NormaliseResponseID(%q) = %q, %v", in, got, err)
		}
	}
}

func TestPermanent(t *testing.T) {
	err := error(&Permanent{Reason: ReasonDamagedZip, Err: ErrConflict})
	if !errors.Is(err, ErrConflict) || err.Error() != "damaged_zip: "+ErrConflict.Error() {
		t.Error(err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, "x": `"x"`, "": `""`, "\"\xff\"": `"\"\ufffd\""`} {
		if got := Quote([]byte(in)); string(got) != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}
