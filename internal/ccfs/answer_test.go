package ccfs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/foreign"
	"aiccbridge/internal/retry"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// own is the platform's own error page.
func own(status int) string {
	return fmt.Sprintf(`{"timestamp":1532142010247,"status":%d,"error":"x","message":"No message available","path":"/CCFS/x"}`, status)
}

func TestQueryAnswers(t *testing.T) {
	lock := sample(t, "forbidden.json")
	page := sample(t, "firewall.html")
	tests := []struct {
		name        string
		status      int
		contentType string
		body        string
		class       Class // "" = success
		code        string
		message     string // part of it
	}{
		{"success", 200, asJSON, sample(t, "query_success.json"), "", "", ""},
		{"success with legacy object", 200, asJSON, sample(t, "query_success_legacy.json"), "", "", ""},
		{"legacy object only, dashed id", 200, asJSON, sample(t, "query_success_legacy_only.json"), "", "", ""},
		{"blanks and BOM before it", 200, asJSON, "\r\n \xef\xbb\xbf" + sample(t, "query_success.json"), "", "", ""},
		{"octet stream", 200, asBytes, sample(t, "query_success.json"), "", "", ""},
		{"number as code", 200, asJSON, `{"resultCode":0,"resultData":{"responseId":"` + testID + `"}}`, "", "", ""},
		{"sibling's success code", 200, asJSON, `{"resultCode":"0100000","resultData":{"responseId":"` + testID + `"}}`, "", "", ""},
		{"legacy failure", 200, asJSON, sample(t, "failure_legacy_only.json"), FlowControl, "0300009", "Flow control"},
		{"failure code as number", 200, asJSON, `{"resultCode":300009,"resultDesc":null}`, FlowControl, "300009", "flow control, query"},
		{"null data", 200, asBytes, sample(t, "failure_null_data.json"), Permanent, "010106", "Parameter token is empty."},
		{"success without id", 200, asJSON, `{"resultCode":"0","resultDesc":"success"}`, Broken, "", "without a usable responseId"},
		{"success with odd id", 200, asJSON, `{"resultCode":"0","resultData":{"responseId":"../../x"}}`, Broken, "", "without a usable responseId"},
		{"no code", 200, asJSON, `{"message":"hm"}`, Broken, "", "no resultCode: hm"},
		{"cut JSON", 200, asJSON, `{"resultCode":"0"`, Broken, "", "not valid JSON"},
		{"endless JSON", 200, asJSON, `{"a":"` + strings.Repeat("x", 70<<10), Broken, "", "longer than 65536 bytes"},
		{"empty", 200, asJSON, "", Again, "", "empty"},
		{"blanks", 200, asJSON, " \n", Again, "", "empty"},
		{"page with 200", 200, "text/html", page, Firewall, "", "Blocked Request blocked Event 0a1b2c"},
		{"something else", 200, asJSON, "ok", Broken, "", "neither ZIP, WAV nor JSON"},
		{"ZIP", 200, asBytes, "PK\x03\x04…", Broken, "", "is a file"},
		{"WAV", 200, asBytes, "RIFF\x00\x00\x00\x00WAVE", Broken, "", "is a file"},
		{"unauthorized", 401, asJSON, sample(t, "unauthorized.json"), Auth, "", "No message available"},
		{"unauthorized, no body", 401, asJSON, "", Auth, "", "no reason given"},
		{"unauthorized with a code", 401, asJSON, `{"resultCode":"0300009"}`, Auth, "", ""},
		{"locked", 403, asJSON, lock, Locked, "", "locked our address"},
		{"locked as octet stream", 403, asBytes, lock, Locked, "", ""},
		{"firewall 403", 403, "text/html", page, Firewall, "", "Request blocked"},
		{"firewall 403, no body", 403, "text/html", "", Firewall, "", ""},
		{"firewall 403, JSON", 403, asJSON, `{"error_code":"WAF.1001","error_msg":"request denied"}`, Firewall, "", "WAF.1001"},
		{"firewall 403, half the platform's fields", 403, asJSON, `{"status":403,"error":"Forbidden","message":"denied"}`, Firewall, "", "denied"},
		{"firewall 403, success code", 403, asJSON, `{"resultCode":"0"}`, Firewall, "", ""},
		{"403 for one kind", 403, asJSON, `{"resultCode":"0101003"}`, Permanent, "0101003", "no permission"},
		{"403 for one kind, legacy", 403, asJSON, `{"response":{"resultCode":"0101003"}}`, Permanent, "0101003", "no permission"},
		{"403 with flow control", 403, asJSON, `{"resultCode":"0300009"}`, FlowControl, "0300009", ""},
		{"firewall 418", 418, "text/html", "", Firewall, "", ""},
		{"firewall 429", 429, asJSON, "{}", Firewall, "", ""},
		{"gateway 502 page", 502, "text/html", page, Firewall, "", "Request blocked"},
		{"gateway 502 text", 502, "text/plain", "bad gateway", Firewall, "", "bad gateway"},
		{"gateway 502 JSON", 502, asJSON, `{"message":"upstream"}`, Firewall, "", "upstream"},
		{"502 of the platform", 502, asJSON, own(502), Again, "", "No message available"},
		{"429 of the platform", 429, asJSON, own(429), Again, "", "No message available"},
		{"503 page", 503, "text/html", page, Firewall, "", ""},
		{"500", 500, asJSON, "", Again, "", ""},
		{"500 with a code", 500, asJSON, `{"resultCode":"0300004","resultDesc":"bad"}`, Permanent, "0300004", "bad"},
		{"a proxy's 404", 404, "text/html", page, Firewall, "", "Request blocked"},
		{"a proxy's 404, text", 404, "text/plain", "404 page not found", Firewall, "", "page not found"},
		{"a proxy's 405", 405, "text/html", page, Firewall, "", "check the URL"},
		{"a proxy's 400", 400, "text/html", page, Firewall, "", "Request blocked"},
		{"a proxy's 407", 407, "text/html", page, Firewall, "", "look at proxy_url and proxy_credentials_file"},
		{"a firewall's 418", 418, "text/html", page, Firewall, "", "Request blocked"},
		{"a login page", 302, "text/html", page, Firewall, "", "check the URL"},
		{"sent elsewhere, no page", 302, "", "", Firewall, "", "check the URL"},
		{"404 of the platform", 404, asJSON, own(404), Permanent, "", "No message available"},
		{"404, nothing said", 404, "", "", Permanent, "", "check the URL"},
		{"405", 405, asJSON, "{}", Permanent, "", "check the URL"},
		{"415", 415, asJSON, "{", Permanent, "", "check the URL"},
		{"410", 410, asJSON, "", Permanent, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t, reply(tt.status, tt.contentType, tt.body))
			id, err := p.client().QueryBills(t.Context(), bills())
			if tt.class == "" {
				if err != nil || id != testID {
					t.Fatalf("got %q, %v", id, err)
				}
				return
			}
			e := asError(t, err)
			if id != "" || e.Class != tt.class || e.Code != tt.code || e.Status != tt.status || e.Local || e.Operation != "queryBillData" {
				t.Errorf("got %q, %+v", id, e)
			}
			if !strings.Contains(e.Message, tt.message) || !strings.HasPrefix(err.Error(), "queryBillData") {
				t.Errorf("message %q, error %q", e.Message, err)
			}
			if strings.ContainsAny(err.Error(), "\n<>") || len(err.Error()) > 600 {
				t.Errorf("not fit for a log: %q", err)
			}
		})
	}
}

func TestEveryStatusHasAClass(t *testing.T) {
	for status := 300; status <= 599; status++ {
		for k, content := range map[kind]string{jsonText: "{}", htmlText: "<p>x", empty: "", otherKind: "x"} {
			e := &Error{Status: status}
			judgeStatus(e, k, []byte(content), "")
			if e.Class == "" || (e.Class == Auth) != (status == 401) || e.Class == Locked && status != 403 {
				t.Errorf("status %d, kind %d: %q", status, k, e.Class)
			}
			permanent := (retry.HTTPStatus(status) == retry.Permanent || status == 410) && status >= 400 && status != 407 && k != htmlText && k != otherKind
			if (e.Class == Permanent) != permanent {
				t.Errorf("status %d: %q", status, e.Class)
			}
		}
	}
}

func TestCodes(t *testing.T) {
	permanent := "0300001 0300002 0300003 0300004 0300005 0300006 0300007 0300010 0300013 0300028 010106 0100002 0100003 0101003"
	classes := map[Class]string{
		Permanent: permanent, FlowControl: "0300008 0300009 300008", NotThere: "0300011 0300012 300012",
		Again: "0100001 0100999 0300014 0300099 0399999 whatever",
	}
	total := 0
	for class, list := range classes {
		for code := range strings.FieldsSeq(list) {
			total++
			if v := judge(code); v.class != class || v.text == "" {
				t.Errorf("%s: %+v, want %s", code, v, class)
			}
		}
	}
	if total < len(codes) {
		t.Errorf("%d codes tested, the table has %d", total, len(codes))
	}
	for code, attempts := range map[string]int{"0300014": 2, "0300099": 2, "0400000": 3, "x": 3, "0100001": 3, "0300009": 0} {
		if v := judge(code); v.maxAttempts != attempts {
			t.Errorf("%s: %d attempts, want %d", code, v.maxAttempts, attempts)
		}
	}
	for code, want := range map[string]bool{"0": true, "00": true, "0100000": true, "100000": true, "": false, "1": false, "0300000": false} {
		if succeeded(code) != want {
			t.Errorf("succeeded(%q) = %v", code, !want)
		}
	}
	e := &Error{Class: Again, MaxAttempts: 2}
	if e.Final(1) || !e.Final(2) || (&Error{Class: FlowControl}).Final(1000) || !(&Error{Class: Permanent}).Final(0) {
		t.Error("Final")
	}
}

func TestRetryAfter(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name       string
		status     int
		body, date string
		value      string
		want       time.Duration
	}{
		{"firewall", 429, "slow down", date(0), "", 30 * time.Second},
		{"firewall, short", 429, "slow down", date(0), "1", 30 * time.Second},
		{"firewall, seconds", 429, "slow down", date(0), "120", 2 * time.Minute},
		{"firewall, endless", 429, "slow down", date(0), "999999999999", time.Hour},
		{"firewall, negative", 429, "slow down", date(0), "-5", 30 * time.Second},
		{"firewall, nonsense", 429, "slow down", date(0), "x", 30 * time.Second},
		{"firewall, date", 429, "slow down", date(0), date(5 * time.Minute), 5 * time.Minute},
		{"firewall, date gone by", 429, "slow down", date(0), date(-time.Minute), 30 * time.Second},
		{"platform 429", 429, own(429), date(0), "7", 7 * time.Second},
		{"platform 503", 503, own(503), date(0), "120", 2 * time.Minute},
		{"platform 503, nothing asked", 503, own(503), date(0), "", 0},
		{"platform 503, date", 503, own(503), date(0), date(10 * time.Minute), 10 * time.Minute},
		{"platform 503, date by a clock that is fast", 503, own(503), date(time.Hour), date(70 * time.Minute), 10 * time.Minute},
		{"platform 503, no Date", 503, own(503), "none", date(10 * time.Minute), 10 * time.Minute},
		{"platform 503, next week", 503, own(503), date(0), date(7 * 24 * time.Hour), time.Hour},
		{"flow control", 503, `{"resultCode":"0300009"}`, date(0), "", time.Minute},
		{"flow control, longer", 503, `{"resultCode":"0300009"}`, date(0), "90", 90 * time.Second},
		{"nothing temporary", 404, "", date(0), "90", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", tt.date)
				if tt.date == "none" {
					w.Header()["Date"] = nil // keeps net/http from adding one
				}
				w.Header().Set("Retry-After", tt.value)
				reply(tt.status, asJSON, tt.body)(w, r)
			})
			p.clock.t = at
			if e := asError(t, query(t, p.client())); e.RetryAfter != tt.want {
				t.Errorf("Retry-After %q: %v, want %v", tt.value, e.RetryAfter, tt.want)
			}
		})
	}
	p := newPlatform(t, reply(200, asJSON, `{"resultCode":"0300009"}`))
	if e := asError(t, query(t, p.client())); e.RetryAfter != time.Minute {
		t.Errorf("flow control: %v", e.RetryAfter)
	}
}

func TestErrorsCarryNoCredentialsEvenIfEchoed(t *testing.T) {
	for _, status := range []int{200, 401, 403, 404, 418, 502} {
		for _, format := range []string{"<p>%s %s</p>", `{"resultCode":"%s","resultDesc":"%s"}`, `{"message":"%s %s","error":"x"}`} {
			p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
				reply(status, asJSON, fmt.Sprintf(format, r.Header.Get("Authorization"), testKey.Reveal()))(w, r)
			})
			err := query(t, p.client())
			e := asError(t, err)
			if all := fmt.Sprintf("%v %+v", err, *e); strings.Contains(all, p.last().authorization) || strings.Contains(all, testKey.Reveal()) {
				t.Errorf("status %d: %s", status, all)
			}
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	p := newPlatform(t, nil)
	p.handle = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+testHost+testBase+"other", http.StatusTemporaryRedirect)
	}
	if e := asError(t, query(t, p.client())); e.Class != Firewall || e.Status != 307 {
		t.Errorf("got %+v", e)
	}
	if p.calls() != 1 {
		t.Errorf("%d calls", p.calls())
	}
}

// FuzzAnswer: whatever arrives, reading it gives either an answer or an error with a class,
// a ZIP only if it begins like one, and success only with a code that says so.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"query_success.json", "query_success_legacy_only.json", "failure_null_data.json", "failure_empty_data.json", "unauthorized.json", "firewall.html"} {
		f.Add(200, []byte(sample(f, name)))
		f.Add(403, []byte(sample(f, name)))
	}
	f.Add(200, []byte("PK\x05\x06"))
	f.Add(200, []byte("RIFF\x24\x00\x00\x00WAVE"))
	f.Add(200, []byte(`{"resultCode":{},"response":[],"resultDesc":7}`))
	f.Add(200, bytes.Repeat([]byte(" "), 2000))
	c, err := New(Options{URL: "https://ccfs.example.com/x", Key: testKey, MaxAnswerBytes: 1 << 10})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, content []byte) {
		res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(content))}
		watchdog := time.AfterFunc(time.Hour, func() {})
		defer watchdog.Stop()
		a, err := c.read(context.Background(), "queryBillData", res, watchdog)
		content, _ = foreign.Unpack(content, "", 1<<20) // it may be packed
		switch {
		case err != nil:
			if e := asError(t, err); e.Class == "" || e.Class == Auth && status != 401 {
				t.Fatalf("%d %q: %+v", status, content, e)
			}
		case retry.HTTPStatus(status) != retry.OK:
			t.Fatalf("%d %q accepted", status, content)
		case a.file != nil:
			if k, _, _ := sniff(bufio.NewReader(bytes.NewReader(content))); k != a.kind || k != zipFile && k != wavFile {
				t.Fatalf("%q taken for a file", content)
			}
		case !bytes.Contains(content, []byte("0")):
			t.Fatalf("%q taken for success", content)
		}
	})
}

// TestRefusedCredentialsNameTheKeys: of a signature that was refused the configuration's
// keys are named, of nothing else.
func TestRefusedCredentialsNameTheKeys(t *testing.T) {
	for class, named := range map[Class]bool{Auth: true, Locked: false, FlowControl: false, Firewall: false, Permanent: false, Again: false} {
		for _, local := range []bool{false, true} {
			e := &Error{Operation: "query", Class: class, Message: "the signature was refused", Local: local, RetryAfter: time.Minute}
			if text := e.Error(); strings.Contains(text, "access_key and secret_key_file") != named {
				t.Errorf("%s: %s", class, text)
			}
		}
	}
}
