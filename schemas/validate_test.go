package schemas

import (
	"strings"
	"testing"
	"time"
)

const someID = "0123456789abcdef0123456789abcdef"

func someWindow() Window {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return Window{From: from, To: from.Add(time.Hour)}
}

func someNotice() FileNotice {
	return FileNotice{
		Tenant: "acme", ResponseID: someID, FileName: "20261101_" + someID + ".zip", ReceivedAt: someWindow().To, Via: ViaCallback,
		Request: &WindowRequest{Kind: KindCDR, Window: someWindow(), At: someWindow().To},
	}
}

// says compares a verdict with part of its text, "" for none.
func says(t *testing.T, name string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

func TestNoticesSayWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*FileNotice)
		want   string
	}{
		"good":            {func(*FileNotice) {}, ""},
		"no request":      {func(n *FileNotice) { n.Request = nil }, ""},
		"no tenant":       {func(n *FileNotice) { n.Tenant = "" }, "tenant is empty"},
		"id":              {func(n *FileNotice) { n.ResponseID = strings.ToUpper(someID) }, "response_id"},
		"no time":         {func(n *FileNotice) { n.ReceivedAt = time.Time{} }, "received_at and via"},
		"no way":          {func(n *FileNotice) { n.Via = "" }, "received_at and via"},
		"file name":       {func(n *FileNotice) { n.FileName = "x.zip" }, "file name"},
		"both":            {func(n *FileNotice) { n.FileName = "x.zip"; n.Request.Kind = "x" }, "file name"},
		"request's kind":  {func(n *FileNotice) { n.Request.Kind = "x" }, "window request"},
		"request's span":  {func(n *FileNotice) { n.Request.Window = Window{} }, "window request"},
		"request's time":  {func(n *FileNotice) { n.Request.At = time.Time{} }, "its time must be set"},
		"request's order": {func(n *FileNotice) { n.Request.Kind, n.Request.At = "x", time.Time{} }, "kind"},
	} {
		n := someNotice()
		tt.change(&n)
		says(t, name, n.Validate(), tt.want)
	}
}

func TestCountsOfAWindow(t *testing.T) {
	for _, tt := range []struct {
		rows, added, revised int
		good                 bool
	}{
		{0, 0, 0, true}, {3, 3, 3, true}, {3, 0, 0, true}, {3, 2, 1, true},
		{2, 3, 0, false}, {3, 1, 2, false}, {-1, -1, -1, false},
	} {
		w := WindowComplete{
			Tenant: "acme", Kind: KindCDR, Window: someWindow(), ResponseID: someID, CompletedAt: someWindow().To,
			Rows: tt.rows, Added: tt.added, Revised: tt.revised,
		}
		want := ""
		if !tt.good {
			want = "revised <= added <= rows"
		}
		says(t, "counts", w.Validate(), want)
	}
}

func TestAReadyWindowHasAFile(t *testing.T) {
	e := WindowEntry{Tenant: "acme", Kind: KindCDR, Window: someWindow(), State: WindowReady, ResponseID: someID, FileName: "20261101_" + someID + ".zip"}
	says(t, "ready", e.Validate(), "")
	for _, change := range []func(*WindowEntry){
		func(e *WindowEntry) { e.ResponseID = "" }, func(e *WindowEntry) { e.FileName = "" }, func(e *WindowEntry) { e.ResponseID, e.FileName = "", "" },
	} {
		broken := e
		change(&broken)
		says(t, "ready without it", broken.Validate(), "needs response_id and file_name")
		broken.State = WindowPlanned
		says(t, "planned without it", broken.Validate(), "")
	}
}

func TestWindowsHaveYearsOfFourDigits(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 1, 2, 0, 0, 0, 0, time.UTC) }
	says(t, "first to last", Window{year(0), year(9999)}.Validate(), "")
	says(t, "before the first", Window{year(-1), year(9999)}.Validate(), "four digits")
	says(t, "after the last", Window{year(0), year(10000)}.Validate(), "four digits")
	half := year(1).Add(time.Millisecond)
	says(t, "half a second at the begin", Window{half, year(2)}.Validate(), "whole seconds")
	says(t, "half a second at the end", Window{year(0), half}.Validate(), "whole seconds")
	says(t, "no begin", Window{To: year(2)}.Validate(), "both ends")
}

func TestMessagesNameAllThatTheyAre(t *testing.T) {
	good := Message{Subject: "aicc.v1.x", ID: "1", Type: "t", Source: "/s", Schema: "urn:x", Time: someWindow().From, Body: []byte("{}")}
	says(t, "good", good.Validate(), "")
	for _, change := range []func(*Message){
		func(m *Message) { m.ID = "" }, func(m *Message) { m.Type = "" }, func(m *Message) { m.Source = "" }, func(m *Message) { m.Schema = "" },
	} {
		m := good
		change(&m)
		says(t, "nameless", m.Validate(), "aicc.v1.x: id, type, source and schema must be set")
	}
}

func TestEventsNameTheirTypeGroupAndName(t *testing.T) {
	good := Event{Tenant: "acme", Agent: "291", Type: "T", Group: "call", Name: "n", Via: WayPoll, ReceivedAt: someWindow().From, Position: Position{1, 1}}
	says(t, "good", good.Validate(), "")
	for _, change := range []func(*Event){
		func(e *Event) { e.Type = "" }, func(e *Event) { e.Group = "" }, func(e *Event) { e.Name = "" },
	} {
		e := good
		change(&e)
		says(t, "nameless", e.Validate(), "type, group and name must be set")
	}
}

func TestCoverageIsOfATime(t *testing.T) {
	good := Coverage{Tenant: "acme", Kind: KindCDR, From: someWindow().From, CompleteTo: someWindow().From, At: someWindow().To}
	says(t, "good", good.Validate(), "")
	for _, change := range []func(*Coverage){
		func(c *Coverage) { c.From = time.Time{} }, func(c *Coverage) { c.At = time.Time{} }, func(c *Coverage) { c.CompleteTo = c.From.Add(-1) },
	} {
		c := good
		change(&c)
		says(t, "timeless", c.Validate(), "must be set and in order")
	}
}

func TestWhatResolvesALetterNamesIt(t *testing.T) {
	good := Resolved{Tenant: "acme", Letter: "1", Reason: ReasonInvalid, Kind: KindCDR, Window: someWindow(), ResponseID: someID, At: someWindow().To}
	says(t, "good", good.Validate(), "")
	for _, tt := range []struct {
		change func(*Resolved)
		want   string
	}{
		{func(r *Resolved) { r.Kind = "x" }, "kind"}, {func(r *Resolved) { r.Window = Window{} }, "window"},
		{func(r *Resolved) { r.Tenant = "" }, "must be set"}, {func(r *Resolved) { r.Letter = "" }, "must be set"},
		{func(r *Resolved) { r.Reason = "" }, "must be set"}, {func(r *Resolved) { r.ResponseID = "x" }, "response_id"},
		{func(r *Resolved) { r.At = time.Time{} }, "at must be set"},
	} {
		r := good
		tt.change(&r)
		says(t, "broken", r.Validate(), tt.want)
	}
}

// TestDroppedLetter: somebody may drop a letter that is about no window.
func TestDroppedLetter(t *testing.T) {
	r := Resolved{Tenant: "acme", Letter: "1", Reason: ReasonInvalid, Dropped: true, At: someWindow().To}
	says(t, "dropped", r.Validate(), "")
	r.Letter = ""
	says(t, "dropped, of nothing", r.Validate(), "must be set")
}

func TestAuditSaysWho(t *testing.T) {
	good := Audit{Tenant: "acme", What: AuditWindowRetry, By: "ann@ops1", Kind: KindCDR, Window: someWindow(), At: someWindow().To}
	says(t, "good", good.Validate(), "")
	n, err := NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	first, err := n.AuditMessage(good)
	if err != nil || first.Subject != "aicc.v1.acme.audit.window_retry" {
		t.Fatalf("%+v %v", first, err)
	}
	for _, tt := range []struct {
		change func(*Audit)
		want   string
	}{
		{func(a *Audit) { a.Tenant = "" }, "tenant, what and by"}, {func(a *Audit) { a.What = "" }, "tenant, what and by"}, {func(a *Audit) { a.By = "" }, "tenant, what and by"},
		{func(a *Audit) { a.Kind = "x" }, "kind"}, {func(a *Audit) { a.Window.To = a.Window.From }, "window"},
		{func(a *Audit) { a.Kind = "" }, "belong together"}, {func(a *Audit) { a.Window = Window{} }, "belong together"},
		{func(a *Audit) { a.At = time.Time{} }, "at must be set"},
		{func(a *Audit) { a.Kind, a.Window, a.Letter = "", Window{}, "1" }, ""},
		{func(a *Audit) { a.At = a.At.Add(1) }, ""},
	} {
		a := good
		tt.change(&a)
		says(t, "audit", a.Validate(), tt.want)
		if m, err := n.AuditMessage(a); err == nil && m.ID == first.ID {
			t.Errorf("%+v has the id of %+v", a, good)
		}
	}
}

func TestDriftNamesItsFile(t *testing.T) {
	good := Drift{
		Tenant: "acme", Kind: KindCDR, What: DriftZone, Window: someWindow(), File: "20261101_" + someID + ".zip",
		Zone: "Asia/Shanghai", Offset: "+00:00", At: someWindow().To,
	}
	says(t, "good", good.Validate(), "")
	for want, change := range map[string]func(*Drift){
		"kind":         func(d *Drift) { d.Kind = "x" },
		"window":       func(d *Drift) { d.Window = Window{} },
		"and file":     func(d *Drift) { d.File = "" },
		"what and":     func(d *Drift) { d.What = "" },
		"tenant, what": func(d *Drift) { d.Tenant = "" },
		"needs zone":   func(d *Drift) { d.Zone = "" },
		"and offset":   func(d *Drift) { d.Offset = "" },
		"at must":      func(d *Drift) { d.At = time.Time{} },
	} {
		broken := good
		change(&broken)
		says(t, want, broken.Validate(), want)
	}
}

// TestOneStatementForAShape: files of one shape say the same, whichever they are.
func TestOneStatementForAShape(t *testing.T) {
	n, err := NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	id := func(change func(*Drift)) string {
		d := Drift{
			Tenant: "acme", Kind: KindCDR, What: DriftColumns, Window: someWindow(), File: "20261101_" + someID + ".zip", Member: "a_call.csv",
			Rows: 3, Columns: []string{"call_id", "x"}, Unknown: []string{"x"}, Cells: 2, Edition: 18, At: someWindow().To,
		}
		change(&d)
		m, err := n.DriftMessage(d)
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	zone := func(offset, zone string) func(*Drift) {
		return func(d *Drift) { d.What, d.Offset, d.Zone = DriftZone, offset, zone }
	}
	cells := func(n int) func(*Drift) { return func(d *Drift) { d.What, d.Cells = DriftCells, n } }
	later := func(d *Drift) { d.File, d.Member, d.Rows, d.At = "later.zip", "b_call.csv", 9, d.At.Add(time.Hour) }
	for name, tt := range map[string]struct {
		a, b func(*Drift)
		same bool
	}{
		"another file":        {func(*Drift) {}, later, true},
		"another header":      {func(*Drift) {}, func(d *Drift) { d.Columns = []string{"x", "call_id"} }, false},
		"another finding":     {func(*Drift) {}, func(d *Drift) { d.What = DriftOrder }, false},
		"another offset":      {zone("+00:00", "Asia/Shanghai"), zone("+09:00", "Asia/Shanghai"), false},
		"another setting":     {zone("+00:00", "Asia/Shanghai"), zone("+00:00", "Europe/Berlin"), true},
		"another width":       {cells(30), cells(31), false},
		"under more columns":  {cells(30), func(d *Drift) { cells(30)(d); d.Columns = append(d.Columns, "y") }, false},
		"another name for it": {cells(30), func(d *Drift) { cells(30)(d); d.Columns = []string{"call_id", "y"} }, true},
	} {
		if got := id(tt.a) == id(tt.b); got != tt.same {
			t.Errorf("%s: one statement: %v, want %v", name, got, tt.same)
		}
	}
}

func TestCallsSayWhetherAudioIsFetched(t *testing.T) {
	for mode, want := range map[AudioMode]string{AudioOff: "", AudioFetch: "", "": "audio", "later": "audio"} {
		c := Call{Tenant: "acme", CallID: "1", Window: someWindow(), Revision: 1}
		c.Legs, c.Rows, c.Sources.Complete, c.Sources.Audio = make([]CallLeg, 1), make([]CallRows, 1), []Kind{}, mode
		says(t, string(mode), c.Validate(), want)
	}
}

// A row header has three parts, and a fourth where ids leave something out.
func TestRowHeaderOfThreeParts(t *testing.T) {
	for value, want := range map[string]RowHeader{
		"k.2.x":     {Key: "k", Revision: 2, Extract: "x"},
		"k.2.x.9-a": {Key: "k", Revision: 2, Extract: "x", Rest: "9-a"},
		"k.2":       {},
		"":          {},
	} {
		if got := ReadRowHeader(map[string][]string{HeaderRow: {value}}); got != want {
			t.Errorf("%q is %+v, want %+v", value, got, want)
		}
	}
	if LeaseTTL.String() != "30s" {
		t.Errorf("leases live for %s; the documents say 30 s", LeaseTTL)
	}
}
