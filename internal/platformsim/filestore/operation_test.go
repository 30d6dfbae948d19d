package filestore

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/platformsim/fault"
)

// TestValidation goes through the codes in their order.
func TestValidation(t *testing.T) {
	const q, a, d = "queryBillData", "queryAgentOprInfoData", "downloadBillFile"
	const k, kd = "queryAgentSkillInfoData", "downloadAgentSkillInfoFile"
	bill := func(changes string) string {
		return `{"request":{"version":"2.0"},"msgBody":{"beginTime":"2024-05-01 00:00:00","endTime":"2024-05-01 23:59:59",` +
			`"dataType":"call","callBackURL":"https://b.example.com/"` + changes + `}}`
	}
	file := func(name string) string {
		return `{"request":{"version":"2.0"},"msgBody":{"billFileName":` + name + `}}`
	}
	skills := func(name string) string {
		return `{"request":{"version":"2.0"},"msgBody":{"agentSkillInfoFileName":` + name + `}}`
	}
	for name, c := range map[string]struct{ op, body, code, text string }{
		"empty body":         {q, ``, "0300007", ""},
		"null":               {q, `null`, "0300007", ""},
		"empty object":       {q, `{}`, "0300007", ""},
		"no msgBody":         {q, `{"request":{"version":"1.0"}}`, "0300007", ""},
		"null msgBody":       {q, `{"request":{"version":"2.0"},"msgBody":null}`, "0300007", ""},
		"names are exact":    {q, `{"Request":{"version":"2.0"},"MsgBody":{}}`, "0300007", ""},
		"version first":      {q, `{"request":{"version":"1.0"},"msgBody":{}}`, "0300006", ""},
		"no version":         {q, `{"request":{},"msgBody":{}}`, "0300006", ""},
		"nothing given":      {q, `{"request":{"version":"2.0"},"msgBody":{}}`, "0300001", "Parameter beginTime is null."},
		"null begin":         {q, bill(`,"beginTime":null`), "0300001", "Parameter beginTime is null."},
		"misspelt field":     {a, `{"request":{"version":"2.0"},"msgBody":{"beginTime":"2024-05-01 00:00:00","endtime":"2024-05-01 00:00:00"}}`, "0300001", "Parameter endTime is null."},
		"empty end":          {q, bill(`,"endTime":""`), "0300002", "Parameter endTime is empty."},
		"long account":       {q, bill(`,"accountId":"123456789012345678901"`), "0300003", "Parameter accountId is too long."},
		"long call":          {q, bill(`,"callId":"12345678901234567890123456"`), "0300003", "Parameter callId is too long."},
		"long data type":     {q, bill(`,"dataType":"callrecordall"`), "0300003", "Parameter dataType is too long."},
		"unknown data type":  {q, bill(`,"dataType":"calls"`), "0300004", "Parameter dataType has an incorrect format."},
		"other time form":    {q, bill(`,"beginTime":"2024-05-01T00:00:00"`), "0300004", "Parameter beginTime has an incorrect format."},
		"time with fraction": {q, bill(`,"beginTime":"2024-05-01 00:00:00.5"`), "0300004", "Parameter beginTime has an incorrect format."},
		"no such day":        {q, bill(`,"beginTime":"2024-02-30 00:00:00"`), "0300004", "Parameter beginTime has an incorrect format."},
		"object for text":    {q, bill(`,"beginTime":{}`), "0300004", "Parameter beginTime has an incorrect format."},
		"relative url":       {q, bill(`,"callBackURL":"/callback"`), "0300004", "Parameter callBackURL has an incorrect format."},
		"backwards":          {q, bill(`,"beginTime":"2024-05-02 00:00:00"`), "0300013", ""},
		"three days and 1 s": {q, bill(`,"endTime":"2024-05-04 00:00:01"`), "0300004", ""},
		"three days":         {q, bill(`,"endTime":"2024-05-04 00:00:00"`), "0", "success"},
		"one instant":        {q, bill(`,"endTime":"2024-05-01 00:00:00"`), "0", "success"},
		"empty optionals":    {q, bill(`,"accountId":"","agentId":"","callId":"","callerNo":"","calleeNo":""`), "0", "success"},
		"plain http":         {q, bill(`,"callBackURL":"http://b.example.com:8080/x"`), "0", "success"},
		"number for text":    {q, bill(`,"agentId":101`), "0", "success"},
		"unknown field":      {q, bill(`,"colour":"blue"`), "0", "success"},
		"no file name":       {d, file(`null`), "0300001", "Parameter billFileName is null."},
		"empty file name":    {d, file(`""`), "0300002", "Parameter billFileName is empty."},
		"long file name":     {d, file(`"20240502_0123456789abcdef0123456789abcdef01234.zip"`), "0300003", ""},
		"path":               {d, file(`"../20240502_0123.zip"`), "0300004", ""},
		"no zip":             {d, file(`"20240502_0123.csv"`), "0300004", ""},
		"no such date":       {d, file(`"20241302_0123456789abcdef0123456789abcdef.zip"`), "0300010", ""},
		"unknown file":       {d, string(unknownFile), "0300011", ""},

		"skills":                  {k, bill(""), "0", "success"}, // a field that it does not know
		"skills, bare":            {k, `{"beginTime":"2024-05-01 00:00:00"}`, "0300007", ""},
		"skills, version":         {k, `{"request":{"version":"1.0"},"msgBody":{}}`, "0300006", ""},
		"skills, null begin":      {k, bill(`,"beginTime":null`), "0300001", "Parameter beginTime is null."},
		"skills, empty end":       {k, bill(`,"endTime":""`), "0300002", "Parameter endTime is empty."},
		"skills, long account":    {k, bill(`,"accountId":"123456789012345678901"`), "0300003", "Parameter accountId is too long."},
		"skills, other time form": {k, bill(`,"beginTime":"2024-05-01T00:00:00"`), "0300004", "Parameter beginTime has an incorrect format."},
		"skills, four days":       {k, bill(`,"endTime":"2024-05-05 00:00:00"`), "0300004", ""},
		"skills, backwards":       {k, bill(`,"beginTime":"2024-05-02 00:00:00"`), "0300013", ""},
		"skill file, bare":        {kd, `{"agentSkillInfoFileName":"20240502_0123456789abcdef0123456789abcdef.zip"}`, "0300007", ""},
		"skill file, no name":     {kd, skills(`null`), "0300001", "Parameter agentSkillInfoFileName is null."},
		"skill file, empty name":  {kd, skills(`""`), "0300002", "Parameter agentSkillInfoFileName is empty."},
		"skill file, long name":   {kd, skills(`"20240502_0123456789abcdef0123456789abcdef01234.zip"`), "0300003", ""},
		"skill file, path":        {kd, skills(`"../20240502_0123.zip"`), "0300004", ""},
		"skill file, no date":     {kd, skills(`"20241302_0123456789abcdef0123456789abcdef.zip"`), "0300010", ""},
		"skill file, unknown":     {kd, skills(`"20240502_0123456789abcdef0123456789abcdef.zip"`), "0300011", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			w := r.call(c.op, []byte(c.body))
			got := r.decode(w)
			if got.ResultCode != c.code || c.text != "" && got.ResultDesc != c.text {
				t.Errorf("got %s %q, want %s %q", got.ResultCode, got.ResultDesc, c.code, c.text)
			}
			if c.code != "0" && string(got.ResultData) != `""` {
				t.Errorf("resultData %s", got.ResultData)
			}
			if got := w.Header().Get("Content-Type"); got != jsonType {
				t.Errorf("content type %q", got)
			}
		})
	}
}

func TestLegacyResponse(t *testing.T) {
	r := newRig(t, func(o *Options) { o.LegacyResponse = true })
	got := r.decode(r.call("downloadBillFile", unknownFile))
	want := &legacyResponse{Version: "2.0", ResultCode: "0300011", ResultMsg: got.ResultDesc}
	if diff := cmp.Diff(want, got.Response); diff != "" {
		t.Error(diff)
	}
	if r := newRig(t, nil); bytes.Contains(r.call("downloadBillFile", unknownFile).Body.Bytes(), []byte(`"response"`)) {
		t.Error("the legacy object is there without its switch")
	}
}

func TestFailureData(t *testing.T) {
	const rest = `"resultCode":"0300011","resultDesc":"The file does not exist."}`
	for form, want := range map[FailureData]string{
		"": `{"resultData":"",` + rest, EmptyFailureData: `{"resultData":"",` + rest,
		NullFailureData: `{"resultData":null,` + rest, AbsentFailureData: `{` + rest,
	} {
		r := newRig(t, func(o *Options) { o.FailureData = form })
		if got := r.call("downloadBillFile", unknownFile).Body.String(); got != want {
			t.Errorf("%q: %s", form, got)
		}
		if r.create("queryBillData", nil) == "" {
			t.Errorf("%q: no id in a success", form)
		}
	}
}

func TestRefusedWithAnyCode(t *testing.T) {
	r := newRig(t, nil)
	for code, want := range map[string]string{"": "0300005", "0101003": "0101003"} {
		r.set(fault.Rule{Fault: createRefused, Next: 1, Code: code})
		if got := r.ask("queryAgentOprInfoData", r.window()); got.ResultCode != want || string(got.ResultData) != `""` {
			t.Errorf("%q: %+v", code, got)
		}
		if r.create("queryAgentOprInfoData", nil) == "" {
			t.Errorf("%q: refused more than once", code)
		}
	}
	if n := len(r.store.waiting.take()); n != 2 {
		t.Errorf("%d extractions, want those of the two successes", n)
	}
}

func TestForeignAccount(t *testing.T) {
	r := newRig(t, nil)
	msg := r.window()
	msg["dataType"], msg["accountId"] = "call", "4711"
	if w := r.call("queryBillData", envelope(t, msg)); w.Code != 401 {
		t.Errorf("status %d", w.Code)
	}
}

func TestCreationLimit(t *testing.T) {
	bubble(t, func(o *Options) { o.CreationsPerMinute = 0 }, func(r *rig) {
		msg := r.window()
		code := func() string { return r.ask("queryAgentOprInfoData", msg).ResultCode }
		for n := range 5 {
			if got := code(); got != "0" {
				t.Fatalf("creation %d: %s", n+1, got)
			}
		}
		if got := code(); got != "0300009" {
			t.Errorf("sixth creation: %s", got)
		}
		r.pass(time.Minute)
		if got := code(); got != "0" {
			t.Errorf("a minute later: %s", got)
		}
		r.set(fault.Rule{Fault: createFlowControl, Next: 1})
		if got := code(); got != "0300009" {
			t.Errorf("fault: %s", got)
		}
	})
}

// TestFilters asks for one row among others.
func TestFilters(t *testing.T) {
	for name, c := range map[string]struct {
		op    string
		ask   map[string]any
		cells map[string]string // of the one row that fits
		other map[string]string // of one that does not
	}{
		"agent":         {"queryBillData", map[string]any{"agentId": "102"}, map[string]string{"agent_id": "102"}, nil},
		"call":          {"queryBillData", map[string]any{"callId": "7-1"}, map[string]string{"call_id": "7-1"}, nil},
		"caller":        {"queryBillData", map[string]any{"callerNo": "555"}, map[string]string{"caller_no": "555"}, map[string]string{"callee_no": "555"}},
		"callee":        {"queryBillData", map[string]any{"calleeNo": "555"}, map[string]string{"callee_no": "555"}, map[string]string{"caller_no": "555"}},
		"second callee": {"queryBillData", map[string]any{"calleeNo": "1", "calleeNo2": "2"}, map[string]string{"caller_no": "1", "callee_no": "2"}, map[string]string{"callee_no": "1"}},
		"records":       {"queryBillData", map[string]any{"dataType": "record", "callId": "7-1"}, map[string]string{"call_id": "7-1"}, nil},
		"operations":    {"queryAgentOprInfoData", map[string]any{"agentId": "102"}, map[string]string{"agent_id": "102"}, nil},
		"skills":        {"queryAgentSkillInfoData", map[string]any{"agentId": "102"}, map[string]string{"agent_id": "102"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				kind := r.store.operations[c.op].kinds(message{"dataType": {value: "call"}})[0]
				if c.ask["dataType"] == "record" {
					kind = dataKinds["record"][0]
				}
				at := r.start.Add(-30 * time.Minute)
				want := r.book.add(kind, at, at, r.zone, c.cells)
				r.book.add(kind, at, at, r.zone, c.other)
				f := r.made(c.op, c.ask)
				if len(f.Rows) != 1 || !cmp.Equal(f.Rows[0].Cells, want.Cells) {
					t.Errorf("got %v", f.Rows)
				}
			})
		})
	}
}

// TestAccountFilter takes only the rows of the account asked for.
func TestAccountFilter(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		at := r.start.Add(-30 * time.Minute)
		r.book.add("call", at, at, r.zone, map[string]string{"account_id": "another"})
		if f := r.made("queryBillData", nil); len(f.Rows) != 2 {
			t.Errorf("without account: %d rows", len(f.Rows))
		}
		if f := r.made("queryBillData", map[string]any{"accountId": testAccount}); len(f.Rows) != 1 || f.AccountID != testAccount {
			t.Errorf("with account: %+v", f)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{``, `null`, `{}`, `{"request":{"version":"2.0"},"msgBody":{"beginTime":1,"endTime":[],"dataType":null}}`, string(unknownFile)} {
		f.Add([]byte(s))
	}
	ops := table()
	f.Fuzz(func(t *testing.T, body []byte) {
		msg, refused, err := decode(body)
		if err != nil || refused != nil {
			if msg != nil {
				t.Error("a refused request has a message")
			}
			return
		}
		for _, op := range ops {
			if checkFields(op.fields, msg) != nil {
				continue
			}
			for _, field := range op.fields {
				if v := msg[field.name]; field.required && (!v.given || v.value == "") {
					t.Errorf("%s passed without %s", op.name, field.name)
				}
			}
			if op.create && checkWindow(msg) == nil && len(op.kinds(msg)) == 0 {
				t.Errorf("%s extracts nothing", op.name)
			}
			op.filters(msg)
		}
	})
}

// TestTenantSpaces: the centre's rows are shared out among the tenant spaces of the account,
// an agent's all to one; a query without one has them all, one with a stranger's is refused.
func TestTenantSpaces(t *testing.T) {
	bubble(t, func(o *Options) { o.Spaces = []string{"2025", "2026"} }, func(r *rig) {
		at := r.start.Add(-30 * time.Minute)
		for agent := range 40 {
			r.book.add("call", at, at, r.zone, map[string]string{"agent_id": fmt.Sprint(200 + agent%20), "account_id": testAccount})
		}
		all, of := len(r.made("queryBillData", nil).Rows), map[string]string{}
		for _, account := range []string{testAccount, "2025", "2026"} {
			rows := r.made("queryBillData", map[string]any{"accountId": account}).Rows
			for _, row := range rows {
				if before := of[row.AgentID]; before != "" && before != account {
					t.Errorf("agent %s is in %s and in %s", row.AgentID, before, account)
				}
				of[row.AgentID] = account
			}
			if all -= len(rows); len(rows) == 0 {
				t.Errorf("%s has no row", account)
			}
		}
		if all != 0 {
			t.Errorf("%d rows are in no space", all)
		}
		stranger := r.window()
		stranger["dataType"], stranger["accountId"] = "call", "2027"
		if w := r.call("queryBillData", envelope(t, stranger)); w.Code != http.StatusUnauthorized {
			t.Errorf("a stranger's space: status %d", w.Code)
		}
	})
}
