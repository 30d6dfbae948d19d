package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
)

// times are the moments of the callbacks, from the first one on.
func times(list []arrival) []time.Duration {
	var out []time.Duration
	for _, a := range list {
		out = append(out, a.at.Sub(list[0].at))
	}
	return out
}

func TestRepeats(t *testing.T) {
	const m = time.Minute
	for name, c := range map[string]struct {
		change func(*Options)
		answer func(int) (int, string)
		want   []time.Duration
	}{
		"acknowledged":       {nil, func(int) (int, string) { return 200, "x" }, []time.Duration{0}},
		"202 with a body":    {nil, func(int) (int, string) { return 202, "x" }, []time.Duration{0}},
		"200 without a body": {nil, func(int) (int, string) { return 200, "" }, []time.Duration{0, 10 * m, 20 * m, 30 * m, 40 * m, 50 * m, 60 * m}},
		"third time lucky": {nil, func(n int) (int, string) {
			if n < 3 {
				return 503, "x"
			}
			return 200, "x"
		}, []time.Duration{0, 10 * m, 20 * m}},
		"redirect is no success": {func(o *Options) { o.RepeatLimit = 1 }, func(int) (int, string) { return 307, "x" }, []time.Duration{0, 10 * m}},
		"scaled":                 {func(o *Options) { o.RepeatEvery, o.RepeatLimit = time.Second, 2 }, func(int) (int, string) { return 401, "x" }, []time.Duration{0, time.Second, 2 * time.Second}},
		"never repeated":         {func(o *Options) { o.RepeatLimit = -1 }, func(int) (int, string) { return 500, "x" }, []time.Duration{0}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.change, func(r *rig) {
				r.answer = c.answer
				r.create("queryBillData", nil)
				r.pass(2 * time.Hour)
				if diff := cmp.Diff(c.want, times(r.received())); diff != "" {
					t.Error(diff)
				}
				for i, cb := range r.truth.Snapshot().Callbacks {
					if cb.Attempt != i+1 || !cb.At.Equal(r.received()[i].at) {
						t.Errorf("recorded %+v", cb)
					}
				}
			})
		})
	}
}

func TestGenerationTime(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		const n = 40
		for range n {
			r.create("queryBillData", nil)
		}
		r.pass(15 * time.Second)
		files := r.truth.Snapshot().Files
		var waits []time.Duration
		for _, f := range files {
			waits = append(waits, f.MadeAt.Sub(r.start))
		}
		if len(files) != n || slices.Max(waits) > 15*time.Second || slices.Min(waits) > 5*time.Second || slices.Max(waits) < 10*time.Second {
			t.Errorf("%d files after %v", len(files), waits)
		}
	})
	bubble(t, func(o *Options) { o.GenerationMax = -1 }, func(r *rig) {
		r.create("queryBillData", nil)
		synctest.Wait()
		if len(r.received()) != 1 || time.Since(r.start) != 0 {
			t.Error("generation took time")
		}
	})
}

func TestRowsOfTheGeneration(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.book.add("call", r.start.Add(-time.Minute), r.start.Add(time.Nanosecond), r.zone, nil)
		r.book.add("call", r.start.Add(-time.Minute), r.start.Add(time.Hour), r.zone, nil)
		if f := r.made("queryBillData", nil); len(f.Rows) != 2 {
			t.Errorf("%d rows, want 2", len(f.Rows))
		}
	})
}

// TestBeforeRun queues requests until Run begins.
func TestBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.create("queryBillData", nil)
		r.create("queryBillData", nil)
		r.pass(time.Hour)
		if len(r.truth.Snapshot().Files) != 0 {
			t.Error("a file was made without Run")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.store.Run(ctx) }()
		r.pass(15 * time.Second)
		if len(r.received()) != 2 {
			t.Errorf("%d callbacks", len(r.received()))
		}
		r.create("queryBillData", nil) // under way when Run ends
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.serving.Wait()
	})
}

func TestOrderOfAnswerAndCallback(t *testing.T) {
	for name, c := range map[string]struct {
		faults []fault.Rule
		before bool
	}{
		"answer first":   {nil, false},
		"callback first": {[]fault.Rule{{Fault: "callback.before_answer", Next: 1}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(o *Options) { o.GenerationMax = -1 }, func(r *rig) {
				r.set(c.faults...)
				w := httptest.NewRecorder()
				flushed := false
				r.answer = func(int) (int, string) {
					flushed = w.Flushed
					return 200, "x"
				}
				msg := r.window()
				msg["dataType"] = "call"
				r.store.ServeHTTP(w, signed(t, "queryBillData", envelope(t, msg), c2sign.Profile{}))
				n := len(r.received())
				synctest.Wait()
				if c.before != (n == 1) || flushed == c.before || len(r.received()) != 1 {
					t.Errorf("%d callbacks when the create call returned, answer sent before: %v, in the end %d callbacks", n, flushed, len(r.received()))
				}
			})
		})
	}
}

// TestBeforeAnswerRepeats goes on with repeats when that first try failed.
func TestBeforeAnswerRepeats(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.set(fault.Rule{Fault: "callback.before_answer", Next: 1})
		r.answer = func(n int) (int, string) { return 404 - 204*(n/2), "x" } // 404, then 200
		r.create("queryBillData", nil)
		r.pass(time.Hour)
		if diff := cmp.Diff([]time.Duration{0, 10 * time.Minute}, times(r.received())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCallbackFaults(t *testing.T) {
	valid := func(t *testing.T, a arrival) {
		t.Helper()
		if a.err != nil {
			t.Errorf("not verified: %v", a.err)
		}
	}
	named := func(field string) func(*testing.T, []arrival, truth.File) {
		return func(t *testing.T, a []arrival, f truth.File) {
			valid(t, a[0])
			if a[0].body.MsgBody[field] != f.Name || a[0].body.MsgBody["billFileName"] != "" {
				t.Errorf("sent %s", a[0].raw)
			}
		}
	}
	for name, c := range map[string]struct {
		faults []fault.Rule
		count  int
		check  func(*testing.T, []arrival, truth.File)
	}{
		"late": {[]fault.Rule{{Fault: "callback.late", Next: 1}}, 1, func(t *testing.T, a []arrival, f truth.File) {
			if d := a[0].at.Sub(f.MadeAt); d != 20*time.Minute {
				t.Errorf("late by %v", d)
			}
		}},
		"drop":    {[]fault.Rule{{Fault: "callback.drop", Next: 1}}, 0, nil},
		"twice":   {[]fault.Rule{{Fault: "callback.twice", Next: 1}}, 2, nil},
		"at once": {[]fault.Rule{{Fault: "callback.at_once", Next: 1}}, 10, nil},
		"two":     {[]fault.Rule{{Fault: "callback.at_once", Next: 1, Count: 2}}, 2, nil},
		"wrong signature": {[]fault.Rule{{Fault: "callback.wrong_signature", Next: 1}}, 2, func(t *testing.T, a []arrival, _ truth.File) {
			if !errors.Is(a[0].err, c2sign.ErrSignature) {
				t.Errorf("first: %v", a[0].err)
			}
			valid(t, a[1])
		}},
		"old timestamp": {[]fault.Rule{{Fault: "callback.old_timestamp", Next: 1}}, 2, func(t *testing.T, a []arrival, _ truth.File) {
			if !errors.Is(a[0].err, c2sign.ErrSkew) {
				t.Errorf("first: %v", a[0].err)
			}
			valid(t, a[1])
		}},
		"host signed without port": {[]fault.Rule{{Fault: "callback.host_signed_without_port", Next: 1}}, 2, func(t *testing.T, a []arrival, _ truth.File) {
			if !errors.Is(a[0].err, c2sign.ErrSignature) || a[0].host != "bridge.example.com:8443" {
				t.Errorf("host %s: %v", a[0].host, a[0].err)
			}
		}},
		"chunked": {[]fault.Rule{{Fault: "callback.chunked", Next: 1}}, 1, func(t *testing.T, a []arrival, _ truth.File) {
			valid(t, a[0])
			if a[0].length != -1 {
				t.Errorf("length %d", a[0].length)
			}
		}},
		"other field": {[]fault.Rule{{Fault: "callback.other_field", Next: 1}}, 1, named("fileName")},
		"billName":    {[]fault.Rule{{Fault: "callback.other_field", Next: 1, Field: "billName"}}, 1, named("billName")},
		"dashed responseId": {[]fault.Rule{{Fault: "callback.dashed_response_id", Next: 1}}, 1, func(t *testing.T, a []arrival, f truth.File) {
			id := a[0].body.MsgBody["responseId"]
			if len(id) != 36 || strings.ReplaceAll(id, "-", "") != f.ResponseID || strings.Contains(a[0].body.MsgBody["billFileName"], "-") {
				t.Errorf("sent %s", a[0].raw)
			}
		}},
		"path dropped": {[]fault.Rule{{Fault: "callback.path_dropped", Next: 1}}, 1, func(t *testing.T, a []arrival, _ truth.File) {
			valid(t, a[0])
			if a[0].path != "/" {
				t.Errorf("path %s", a[0].path)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				r.set(c.faults...)
				r.answer = func(n int) (int, string) {
					if r.arrivals[n-1].err != nil {
						return 401, "x"
					}
					return 200, "x"
				}
				f := r.made("queryBillData", nil)
				r.pass(2 * time.Hour)
				got := r.received()
				if len(got) != c.count {
					t.Fatalf("%d callbacks, want %d", len(got), c.count)
				}
				if c.check != nil {
					c.check(t, got, f)
				}
				log := r.truth.Snapshot().Callbacks
				if len(log) != c.count || c.count > 0 && log[0].Fault == "" {
					t.Errorf("recorded %+v", log)
				}
			})
		})
	}
}

// TestHostSignedWithPort needs a URL without one.
func TestHostSignedWithPort(t *testing.T) {
	bubble(t, func(o *Options) { o.RepeatLimit = -1 }, func(r *rig) {
		r.set(fault.Rule{Fault: "callback.host_signed_with_port", Next: 1})
		r.made("queryBillData", map[string]any{"callBackURL": "http://bridge.example.com/cb"})
		got := r.received()
		if len(got) != 1 || got[0].host != "bridge.example.com" || !errors.Is(got[0].err, c2sign.ErrSignature) {
			t.Errorf("received %+v", got)
		}
	})
}

// TestAccountInCallback: "" comes back as "" from the CDR extraction only.
func TestAccountInCallback(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		var got []string
		for _, op := range []string{"queryBillData", "queryAgentOprInfoData", "queryAgentSkillInfoData"} {
			for _, ask := range []map[string]any{nil, {"accountId": nil}, {"accountId": ""}, {"accountId": testAccount}} {
				f := r.made(op, ask)
				list := r.received()
				text := strings.ReplaceAll(string(list[len(list)-1].raw), f.ResponseID, "ID")
				_, text, _ = strings.Cut(text, `"msgBody":`)
				got = append(got, strings.ReplaceAll(text, f.Name[:8], "DAY"))
			}
		}
		bill, opr, skill := `{"responseId":"ID","billFileName":"DAY_ID.zip"`, `{"responseId":"ID","agentOprInfoFileName":"DAY_ID.zip"`, `{"responseId":"ID","agentOprSkillFileName":"DAY_ID.zip"`
		with := `,"accountId":"` + testAccount + `"}}`
		want := []string{
			bill + "}}", bill + "}}", bill + `,"accountId":""}}`, bill + with,
			opr + "}}", opr + "}}", opr + "}}", opr + with,
			skill + "}}", skill + "}}", skill + "}}", skill + with,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLostAnswer makes the extraction nevertheless.
func TestLostAnswer(t *testing.T) {
	r := newRig(t, func(o *Options) { o.GenerationMax = -1 })
	r.set(fault.Rule{Fault: createLost, Next: 1})
	done := make(chan struct{}) // the server does not wait for a handler that took its connection
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(done)
		r.store.ServeHTTP(w, req)
	}))
	defer server.Close()
	client := *server.Client()
	client.Transport = c2sign.NewTransport(client.Transport, testKey, c2sign.Profile{}, nil)
	msg := r.window()
	msg["dataType"] = "call"
	resp, err := client.Post(server.URL+base+"queryBillData", jsonType, strings.NewReader(string(envelope(t, msg))))
	if err == nil {
		resp.Body.Close()
		t.Errorf("answered with %d", resp.StatusCode)
	}
	<-done
	if n := len(r.store.waiting.take()); n != 1 {
		t.Errorf("%d extractions", n)
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{AccessKey: "a", SecretKey: "s", Source: &book{}}
	for name, change := range map[string]func(*Options){
		"access key":       func(o *Options) { o.AccessKey = "" },
		"secret key":       func(o *Options) { o.SecretKey = "" },
		"source":           func(o *Options) { o.Source = nil },
		"failure data":     func(o *Options) { o.FailureData = "maybe" },
		"empty query line": func(o *Options) { o.EmptyQueryLine = "maybe" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, base, nil))
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 401 {
		t.Errorf("%v: %s", err, w.Body)
	}
}
