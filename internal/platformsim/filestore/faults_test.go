package filestore

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/platformsim/fault"
)

// conversation plays what a client does under a rule, and returns all that he
// sees: two extracts of the same rows, one without rows and one of the day of a
// clock change, with their callbacks and downloads.
func conversation(t *testing.T, rules ...fault.Rule) string {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	bubble(t, func(o *Options) { o.Timezone = berlin }, func(r *rig) {
		r.set(rules...)
		r.answer = func(n int) (int, string) {
			if r.arrivals[n-1].err != nil {
				return 401, "x"
			}
			return 200, "x"
		}
		note := func(op string, body map[string]any) {
			begin := time.Now()
			w := r.call(op, envelope(t, body))
			fmt.Fprintln(&seen, op, w.Code, w.Header(), w.Body, time.Since(begin), len(r.received()))
		}
		for i, window := range [][2]string{{}, {}, {"1999-06-01 00:00:00", "1999-06-01 23:59:59"}, {"1999-10-31 00:00:00", "1999-10-31 23:59:59"}} {
			msg := r.window()
			msg["dataType"] = "call"
			if i == 1 {
				msg["callBackURL"] = "http://bridge.example.com/cb" // without a port
				msg["accountId"] = testAccount
			}
			if window[0] != "" {
				msg["beginTime"], msg["endTime"] = window[0], window[1]
			}
			note("queryBillData", msg)
			r.pass(2 * time.Hour)
			if files := r.truth.Snapshot().Files; len(files) > i {
				note("downloadBillFile", map[string]any{"billFileName": files[i].Name})
			}
		}
		r.listen(&seen, note)
		for _, a := range r.received() {
			fmt.Fprintln(&seen, a.at, a.host, a.path, a.header, a.length, string(a.raw), a.err)
		}
	})
	return seen.String()
}

func TestEveryFaultHasAnEffect(t *testing.T) {
	polite := conversation(t)
	if again := conversation(t); again != polite {
		t.Fatalf("two polite conversations differ:\n%q\n%q", polite, again)
	}
	for _, k := range FaultKinds() {
		if k.Name == "rows.one_call" { // of synthetic rows alone; TestSeveralOfOneCall sees its effect
			continue
		}
		if conversation(t, fault.Rule{Fault: k.Name, Share: 1}) == polite {
			t.Errorf("%s has no effect", k.Name)
		}
		if k.What == "" {
			t.Errorf("%s is not explained", k.Name)
		}
	}
}

// TestScope lets the rule about one kind of file, one operation or one path pass
// by all others.
func TestScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.set(
			fault.Rule{Fault: createRefused, Kind: "skill", Code: "1", Next: 1},
			fault.Rule{Fault: createRefused, Operation: "queryAgentOprInfoData", Code: "2", Next: 1},
			fault.Rule{Fault: requestLocked, Path: base + "download*", Next: 1},
		)
		r.create("queryBillData", map[string]any{"dataType": "call_record"})
		for op, want := range map[string]string{"queryAgentSkillInfoData": "1", "queryAgentOprInfoData": "2"} {
			if got := r.ask(op, r.window()); got.ResultCode != want {
				t.Errorf("%s: %s", op, got.ResultCode)
			}
		}
		if w := r.download("20240502_0123456789abcdef0123456789abcdef.zip"); w.Code != 403 {
			t.Errorf("download: %d", w.Code)
		}
	})
}
