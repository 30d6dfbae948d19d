package ccgateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

var update = flag.Bool("update", false, "rewrite testdata/poll/*.golden")

func bodies(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/poll/*.body")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d recorded bodies: %v", len(files), err)
	}
	return files
}

// golden describes what became of a body, event by event.
func golden(body []byte) string {
	return describe(decodeReply(body, "application/json; charset=UTF-8"))
}

func describe(r reply, err error) string {
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteString("code: " + r.Code + " " + Classify(r.Code).String() + "\nmessage: " + r.Message + "\n")
	for _, item := range r.Bad {
		b.WriteString("bad: " + string(item) + "\n")
	}
	for _, e := range r.Events {
		b.WriteString("event: " + e.Type + " of " + e.WorkNo + "\n")
		if !e.GeneratedAt.IsZero() {
			b.WriteString("  at: " + e.GeneratedAt.Format("2006-01-02T15:04:05.000Z07:00") + "\n")
		}
		if e.Content != nil {
			b.WriteString("  content: " + string(e.Content) + "\n")
		}
	}
	return b.String()
}

func TestRecordedBodies(t *testing.T) {
	for _, file := range bodies(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, path := golden(body), strings.TrimSuffix(file, ".body")+".golden"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCharset(t *testing.T) {
	const sender = "技能队列" // its GBK bytes hold no backslash
	const body = `{"retcode":"0","event":{"eventType":"AgentOther_Note","content":{"sender":"` + sender + `","tricky":"誠"}}}`
	gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(gbk, []byte{0xd5, 0x5c}) {
		t.Fatal("the GBK text should hold a backslash as second byte")
	}
	tests := map[string]struct {
		body        []byte
		contentType string
		fails       bool
	}{
		"UTF-8":             {[]byte(body), "application/json;charset=UTF-8", false},
		"no type":           {[]byte(body), "", false},
		"GBK":               {gbk, "application/json; charset=GBK", false},
		"GB2312 quoted":     {gbk, `text/plain; charset="gb2312"`, false},
		"GBK undeclared":    {gbk, "application/json", false},
		"GBK as UTF-8":      {gbk, "application/json; charset=utf-8", true}, // declared: not guessed over
		"neither":           {append([]byte(body), 0xff), "application/json", true},
		"unknown but UTF-8": {[]byte(body), "application/json; charset=klingon", false},
	}
	for name, test := range tests {
		r, err := decodeReply(test.body, test.contentType)
		if test.fails {
			if !errors.Is(err, ErrUndecodable) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !strings.Contains(string(r.Events[0].Content), sender+`","tricky":"誠"`) {
			t.Errorf("%s: %v %+v", name, err, r)
		}
	}
}

// What is remembered of an idle gateway's answer is used for the same bytes of the same
// kind alone, and nothing with an event is remembered.
func TestRememberedAnswers(t *testing.T) {
	var c Client
	said := func(text string) string { return `{"retcode":"0","message":"` + text + `"}` }
	for round, answer := range []struct{ body, contentType, message string }{
		{said("a"), "", "a"}, {said("a"), "", "a"}, {said("b"), "", "b"}, {said("a"), "", "a"},
		{said("\xb2\xd9"), "text/plain; charset=gbk", "操"}, {said("\xb2\xd9"), "text/plain; charset=gbk", "操"},
		{said("\xb2\xd9"), "text/plain; charset=big5", "紱"}, {said(strings.Repeat("x", maxIdleBytes)), "", strings.Repeat("x", maxIdleBytes)},
	} {
		r, err := c.decode([]byte(answer.body), answer.contentType)
		if err != nil || r.Message != answer.message || r.Code != CodeOK {
			t.Errorf("%d: %+v, %v", round, r, err)
		}
	}
	for range 2 {
		if r, err := c.decode([]byte(readyBody), ""); err != nil || len(r.Events) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for body, remembered := range map[string]bool{
		readyBody: false, `{"retcode":"0","event":7}`: false, `{"retcode":"100-006"}`: false, `{"retcode":"0","result":{}}`: false, "x": false,
		said(strings.Repeat("x", maxIdleBytes)): false, idleBody: true,
		said(strings.Repeat("x", maxIdleBytes-len(said("")))): true,
	} {
		var c Client
		_, _ = c.decode([]byte(body), "")
		if got := c.idle.Load() != nil; got != remembered {
			t.Errorf("%.40s: remembered: %t", body, got)
		}
	}
}

func FuzzDecodeReply(f *testing.F) {
	for _, file := range bodies(f) {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, "application/json")
		f.Add(body, "text/html; charset=GBK")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r, err := decodeReply(body, contentType)
		if err != nil {
			if !errors.Is(err, ErrUndecodable) || len(r.Events) > 0 {
				t.Fatalf("error %v with %d events", err, len(r.Events))
			}
			return
		}
		if r.Code == "" {
			t.Fatal("no code")
		}
		for _, item := range r.Bad {
			if !json.Valid(item) || !utf8.Valid(item) {
				t.Fatalf("bad item %q", item)
			}
		}
		var list []json.RawMessage
		for _, e := range r.Events {
			if e.Type == "" || !json.Valid(e.Raw) || !utf8.Valid(e.Raw) || bytes.IndexByte(e.Raw, 0) >= 0 || e.Content != nil && !json.Valid(e.Content) {
				t.Fatalf("bad event %+v", e)
			}
			list = append(list, e.Raw)
		}
		again, err := json.Marshal(map[string]any{"retcode": r.Code, "event": list})
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeReply(again, "")
		if err != nil || len(second.Events) != len(r.Events) {
			t.Fatalf("%d events became %d: %v", len(r.Events), len(second.Events), err)
		}
		for i, e := range second.Events {
			first := r.Events[i]
			if e.Type != first.Type || e.WorkNo != first.WorkNo || !e.GeneratedAt.Equal(first.GeneratedAt) {
				t.Fatalf("%+v became %+v", first, e)
			}
		}
	})
}

func FuzzParseGUID(f *testing.F) {
	f.Add("JSESSIONID=4f3c1d9e-0a6b.AgentGateway0; Path=/; HttpOnly")
	f.Add("plain")
	f.Add("İJSESSIONID=")
	f.Fuzz(func(t *testing.T, value string) {
		guid := parseGUID(value)
		if len(guid) > maxGUIDBytes || strings.ContainsAny(guid, "; \r\n\x00") || guid != "" && parseGUID(guid) == "" {
			t.Fatalf("%q became %q", value, guid)
		}
	})
}
