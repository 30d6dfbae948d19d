package schemas_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

// decodeHeader undoes the percent-encoding of a header value.
func decodeHeader(t testing.TB, h map[string][]string, name string) string {
	t.Helper()
	v := schemas.Stored{Header: h}.Get(name)
	s, err := url.PathUnescape(v)
	if err != nil {
		t.Fatalf("%s: %q: %v", name, v, err)
	}
	return s
}

// cloudEvent builds a CloudEvent from headers and body with the reference SDK.
func cloudEvent(t testing.TB, m schemas.Message) event.Event {
	t.Helper()
	h := m.Headers()
	e := event.New(decodeHeader(t, h, "ce-specversion"))
	e.SetID(decodeHeader(t, h, "ce-id"))
	e.SetType(decodeHeader(t, h, "ce-type"))
	e.SetSource(decodeHeader(t, h, "ce-source"))
	if m.Row != "" { // without what CloudEvents does not ask for
		if err := e.SetData(event.ApplicationJSON, json.RawMessage(m.Body)); err != nil {
			t.Fatal(err)
		}
		return e
	}
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
		_, hasID := m.Headers()[schemas.HeaderMsgID]
		fenced := strings.Contains(m.Subject, ".row.") || strings.Contains(m.Subject, ".acme.call.")
		if hasID == fenced {
			t.Errorf("%s on %s: %s present: %t", typ, m.Subject, schemas.HeaderMsgID, hasID)
		}
	}
	m := testRow(t, schemas.KindCDR)
	m.Source = "" // the oracle must bite
	if e := cloudEvent(t, m); e.Validate() == nil {
		t.Error("a CloudEvent without a source is accepted")
	}
}

// TestHeadersAreASCII checks that header values hold no foreign bytes and can
// be read back.
func TestHeadersAreASCII(t *testing.T) {
	n := schematest.Names(t)
	rapid.Check(t, func(rt *rapid.T) {
		tenant := rapid.StringN(1, 8, -1).Draw(rt, "tenant")
		agent := rapid.StringN(1, 8, -1).Draw(rt, "agent")
		g := schemas.Gap{Tenant: tenant, Agent: agent, From: schematest.At(0), To: schematest.At(1), Cause: schemas.GapUnclean, Position: schemas.Position{1, 2}}
		m, err := n.GapMessage(g)
		if err != nil {
			rt.Fatal(err)
		}
		m.Header = map[string]string{schemas.HeaderExtract: tenant}
		h := m.Headers()
		for name, values := range h {
			if strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' }) {
				rt.Fatalf("%s: %q", name, values[0])
			}
		}
		if decodeHeader(t, h, schemas.HeaderExtract) != tenant {
			rt.Fatalf("%q came back as %q", tenant, decodeHeader(t, h, schemas.HeaderExtract))
		}
		if e := cloudEvent(t, m); e.Validate() != nil {
			rt.Fatal(e.Validate())
		}
	})
}

// TestIDsAreUnique checks that no two messages of one agent share an id, a
// heartbeat that repeats the position of the last event included.
func TestIDsAreUnique(t *testing.T) {
	n := schematest.Names(t)
	ids := map[string]bool{}
	add := func(m schemas.Message, err error) {
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
		add(n.EventMessage(schemas.Event{Via: schemas.WayPoll, Tenant: tenant, Agent: "1", Type: "t", Group: schemas.GroupOther, Name: "t", ReceivedAt: schematest.At(0), Position: schemas.Position{1, 1}}))
		add(n.GapMessage(schemas.Gap{Tenant: tenant, Agent: "1", From: schematest.At(0), To: schematest.At(0), Cause: schemas.GapUnclean, Position: schemas.Position{1, 2}}))
		for minute := range 2 {
			add(n.HeartbeatMessage(schemas.Heartbeat{Tenant: tenant, Agent: "1", State: schemas.StateReady, At: schematest.At(minute), Position: schemas.Position{1, 2}}))
		}
		add(n.EventMessage(schemas.Event{Via: schemas.WayPoll, Tenant: tenant, Agent: "1", Type: "t", Group: schemas.GroupOther, Name: "t", ReceivedAt: schematest.At(0), Position: schemas.Position{2, 1}}))
	}
}

// TestCoverageIDs: sent again it is the same message; whatever it says else, and
// whenever it says so again, it is another.
func TestCoverageIDs(t *testing.T) {
	n := schematest.Names(t)
	statement := schemas.Coverage{Tenant: "a", Kind: schemas.KindCDR, From: schematest.At(0), CompleteTo: schematest.At(1), At: schematest.At(2)}
	id := func(change func(*schemas.Coverage)) string {
		t.Helper()
		c := statement
		change(&c)
		m, err := n.CoverageMessage(c)
		if err != nil || !m.Dedupe {
			t.Fatal(m, err)
		}
		return m.MsgID()
	}
	same := id(func(*schemas.Coverage) {})
	if same != id(func(*schemas.Coverage) {}) {
		t.Error("a statement sent again is another message")
	}
	for i, change := range []func(*schemas.Coverage){
		func(c *schemas.Coverage) { c.Tenant = "b" }, func(c *schemas.Coverage) { c.Kind = schemas.KindSkill }, func(c *schemas.Coverage) { c.From = schematest.At(-1) },
		func(c *schemas.Coverage) { c.CompleteTo = schematest.At(2) }, func(c *schemas.Coverage) { c.At = schematest.At(3) },
		func(c *schemas.Coverage) {
			c.Holes = []schemas.Hole{{schemas.Window{schematest.At(1), schematest.At(2)}, "failed", ""}}
		},
	} {
		if id(change) == same {
			t.Errorf("statement %d shares the id of another", i)
		}
	}
}

// TestConstructorsValidate breaks each valid value in one way.
func TestConstructorsValidate(t *testing.T) {
	n, window := schematest.Names(t), schemas.Window{schematest.At(0), schematest.At(1)}
	event := schemas.Event{Via: schemas.WayPoll, Tenant: "a", Agent: "1", Type: "t", Group: schemas.GroupOther, Name: "t", ReceivedAt: schematest.At(0), Position: schemas.Position{1, 1}}
	gap := schemas.Gap{Tenant: "a", Agent: "1", From: schematest.At(0), To: schematest.At(1), Cause: schemas.GapUnclean, Position: schemas.Position{1, 1}}
	beat := schemas.Heartbeat{Tenant: "a", Agent: "1", State: schemas.StateReady, At: schematest.At(0), Position: schemas.Position{1, 1}}
	done := schemas.WindowComplete{Tenant: "a", Kind: schemas.KindCDR, Window: window, ResponseID: schematest.ResponseID, Rows: 1, Added: 1, CompletedAt: schematest.At(2)}
	cover := schemas.Coverage{Tenant: "a", Kind: schemas.KindCDR, From: schematest.At(0), CompleteTo: schematest.At(1), At: schematest.At(2)}
	dead := schemas.DeadLetter{Tenant: "a", Reason: schemas.ReasonInvalid, Attempts: 1, FirstAt: schematest.At(0), LastAt: schematest.At(0)}
	entry := schemas.WindowEntry{Tenant: "a", Kind: schemas.KindCDR, Window: window, State: schemas.WindowPlanned}
	build := func(change any) error {
		e, g, b, f, w, c, d, l := event, gap, beat, schematest.File(schemas.KindCDR), done, cover, dead, entry
		var err error
		switch change := change.(type) {
		case func(*schemas.Event):
			change(&e)
			_, err = n.EventMessage(e)
		case func(*schemas.Gap):
			change(&g)
			_, err = n.GapMessage(g)
		case func(*schemas.Heartbeat):
			change(&b)
			_, err = n.HeartbeatMessage(b)
		case func(*schemas.FileReady):
			change(&f)
			_, err = n.FileReadyMessage(f)
		case func(*schemas.WindowComplete):
			change(&w)
			_, err = n.WindowCompleteMessage(w)
		case func(*schemas.Coverage):
			change(&c)
			_, err = n.CoverageMessage(c)
		case func(*schemas.DeadLetter):
			change(&d)
			_, err = n.DeadLetterMessage(d, "1")
		case func(*schemas.WindowEntry):
			change(&l)
			err = l.Validate()
		}
		return err
	}
	for _, same := range []any{
		func(*schemas.Event) {}, func(*schemas.Gap) {}, func(*schemas.Heartbeat) {}, func(*schemas.FileReady) {}, func(*schemas.WindowComplete) {},
		func(*schemas.Coverage) {}, func(*schemas.DeadLetter) {}, func(*schemas.WindowEntry) {},
	} {
		if err := build(same); err != nil {
			t.Errorf("%T: %v", same, err)
		}
	}
	for i, broken := range []any{
		func(e *schemas.Event) { e.Tenant = "" }, func(e *schemas.Event) { e.Agent = "" }, func(e *schemas.Event) { e.Seq = 0 }, func(e *schemas.Event) { e.Epoch = 0 },
		func(e *schemas.Event) { e.Name = "" }, func(e *schemas.Event) { e.Group = schemas.GroupGap }, func(e *schemas.Event) { e.ReceivedAt = time.Time{} }, func(e *schemas.Event) { e.Content = []byte("{") },
		func(g *schemas.Gap) { g.Cause = "" }, func(g *schemas.Gap) { g.To = schematest.At(-1) }, func(g *schemas.Gap) { g.From = time.Time{} }, func(g *schemas.Gap) { g.Agent = "" },
		func(b *schemas.Heartbeat) { b.State = "" }, func(b *schemas.Heartbeat) { b.At = time.Time{} }, func(b *schemas.Heartbeat) { b.Tenant = "" },
		func(f *schemas.FileReady) { f.Tenant = "" }, func(f *schemas.FileReady) { f.Kind = "x" }, func(f *schemas.FileReady) { f.Window = schemas.Window{} },
		func(f *schemas.FileReady) { f.ResponseID = strings.ToUpper(f.ResponseID) }, func(f *schemas.FileReady) { f.FileName = "../20261101_1.zip" },
		func(f *schemas.FileReady) { f.FileName = "20261301_1.zip" }, func(f *schemas.FileReady) { f.Via = "" }, func(f *schemas.FileReady) { f.ReceivedAt = time.Time{} },
		func(w *schemas.WindowComplete) { w.Added = 2 }, func(w *schemas.WindowComplete) { w.Revised = 2 }, func(w *schemas.WindowComplete) { w.Tenant = "" },
		func(w *schemas.WindowComplete) { w.ResponseID = "x" }, func(w *schemas.WindowComplete) { w.CompletedAt = time.Time{} }, func(w *schemas.WindowComplete) { w.Kind = "" },
		func(c *schemas.Coverage) { c.Tenant = "" }, func(c *schemas.Coverage) { c.CompleteTo = schematest.At(-1) }, func(c *schemas.Coverage) { c.Kind = "" },
		func(d *schemas.DeadLetter) { d.Tenant = "" }, func(d *schemas.DeadLetter) { d.Reason = "" }, func(d *schemas.DeadLetter) { d.Attempts = 0 }, func(d *schemas.DeadLetter) { d.LastAt = schematest.At(-1) },
		func(l *schemas.WindowEntry) { l.Tenant = "" }, func(l *schemas.WindowEntry) { l.State = "" }, func(l *schemas.WindowEntry) { l.State = schemas.WindowReady }, func(l *schemas.WindowEntry) { l.Kind = "" },
	} {
		if build(broken) == nil {
			t.Errorf("case %d (%T) is accepted", i, broken)
		}
	}
}

func TestMessageValidate(t *testing.T) {
	good := testRow(t, schemas.KindCDR)
	for name, change := range map[string]func(*schemas.Message){
		"wildcard": func(m *schemas.Message) { m.Subject = "a.*" }, "empty token": func(m *schemas.Message) { m.Subject = "a..b" }, "no subject": func(m *schemas.Message) { m.Subject = "" },
		"no id": func(m *schemas.Message) { m.ID = "" }, "no JSON": func(m *schemas.Message) { m.Body = nil },
		"neither row nor schema": func(m *schemas.Message) { m.Row, m.Time = "", schematest.At(0) },
		"neither row nor time":   func(m *schemas.Message) { m.Row, m.Schema = "", "urn:x" },
	} {
		m := good
		change(&m)
		if m.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestHeaderOfAMarker(t *testing.T) {
	if h := schemas.ReadRowHeader(testMessages(t)[schemas.TypeWindowComplete].Headers()); h.Type != schemas.TypeWindowComplete || h.Revision != 0 || h.Extract != schematest.ResponseID {
		t.Errorf("marker: %+v", h)
	}
}

func TestNormaliseResponseID(t *testing.T) {
	for in, want := range map[string]string{
		" 01234567-89AB-CDEF-0123-456789ABCDEF ": schematest.ResponseID, schematest.ResponseID: schematest.ResponseID, "": "", "0123": "", schematest.ResponseID + "0": "",
	} {
		if got, err := schemas.NormaliseResponseID(in); got != want || (err == nil) != (want != "") {
			t.Errorf("NormaliseResponseID(%q) = %q, %v", in, got, err)
		}
	}
}

func TestPermanent(t *testing.T) {
	err := error(&schemas.Permanent{Reason: schemas.ReasonDamagedZip, Err: schemas.ErrConflict})
	if !errors.Is(err, schemas.ErrConflict) || err.Error() != "damaged_zip: "+schemas.ErrConflict.Error() {
		t.Error(err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, "x": `"x"`, "": `""`, "\"\xff\"": `"\"\ufffd\""`} {
		if got := schemas.Quote([]byte(in)); string(got) != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}
