package ccgateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// codesOf expands "100-001…003 010" into single codes.
func codesOf(t *testing.T, list string) []string {
	t.Helper()
	var codes []string
	family := ""
	for _, word := range strings.Fields(list) {
		if f, rest, ok := strings.Cut(word, "-"); ok {
			family, word = f, rest
		}
		var from, to int
		if n, _ := fmt.Sscanf(word, "%d…%d", &from, &to); n == 1 {
			to = from
		} else if n != 2 {
			t.Fatalf("bad code list %q", list)
		}
		for i := from; i <= to; i++ {
			codes = append(codes, fmt.Sprintf("%s-%03d", family, i))
		}
	}
	return codes
}

func TestEveryCode(t *testing.T) {
	lists := map[Class]string{
		ClassAgain:  "000-000 4 7 100-003 7 10 21 105-002…3",
		ClassGone:   "100-006 8 105-001 4…7",
		ClassAuth:   "000-003 100-004 17 20 110-000…22 110-999",
		ClassConfig: "000-001 999-001",
		ClassCaller: "000-002 5…6 100-001…2 5 9 11…16 18…19 101-001…7 104-001…10 12 106-001…4 107-001…50 " +
			"200-001…18 300-001…4 400-001…3 500-001…9 600-001…5 700-014 16 17 23 24 100 800-001 900-001…5",
	}
	total := 0
	for class, list := range lists {
		for _, code := range codesOf(t, list) {
			total++
			if got := Classify(code); got != class || CodeText(code) == "" {
				t.Errorf("%s: %s (%q), want %s", code, got, CodeText(code), class)
			}
		}
	}
	if Classify("0") != ClassOK {
		t.Error("0 is not OK")
	}
	for code, class := range map[string]Class{
		"100-022": ClassAgain, "104-011": ClassAgain, "199-999": ClassAgain,
		"850-001": ClassCaller, "-1": ClassCaller, "": ClassCaller,
		"1": ClassCaller, "100-0060": ClassCaller, "700-015": ClassCaller, "106-1": ClassCaller,
	} {
		if got := Classify(code); got != class || CodeText(code) != "" {
			t.Errorf("unlisted %q: %s (%q), want %s", code, got, CodeText(code), class)
		}
	}
}

// The three of cec_07_1274 and all of class Gone end a session, no other does.
func TestCodesThatEndASession(t *testing.T) {
	var ends []string
	for _, row := range codeTable {
		if endsSession(row.first) {
			ends = append(ends, row.first)
		}
	}
	want := "000-001 000-003 100-006 100-008 105-001 105-004 105-005 105-006 105-007"
	if got := strings.Join(ends, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnlistedSessionCodes(t *testing.T) {
	bodies := []string{"100-099", "100-099", "0", "100-099", "100-098", "850-001", "100-099", "100-099", "100-099", "100-099"}
	want := "refused refused empty refused refused refused refused refused session-ended refused"
	next := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"retcode":"`+bodies[next]+`"}`)
		next++
	})
	a := newAgent(t, Options{URL: url})
	var got []string
	for range bodies {
		p := a.Poll(t.Context())
		got = append(got, p.Outcome.String())
		if p.Outcome == OutcomeSessionEnded && (p.Class != ClassGone || p.Code != "100-099") {
			t.Errorf("class %s, code %s", p.Class, p.Code)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

func TestNames(t *testing.T) {
	var names []string
	for c := ClassOK - 1; c <= ClassConfig+1; c++ {
		names = append(names, c.String())
	}
	for o := OutcomeUnknown - 1; o <= OutcomeRefused+1; o++ {
		names = append(names, o.String())
	}
	want := "invalid ok again gone auth caller config invalid invalid unknown event empty not-sent session-ended http-error refused invalid"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s", got)
	}
}
