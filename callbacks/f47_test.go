package callbacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const otherFile = "20180702_0239cb50a8384bb0ab503441bf089446.zip"

// oddCallbacks are bodies that name a file, or two, in odd ways. What is not taken is a
// dead letter: the file is fetched by its predicted name then.
var oddCallbacks = []struct {
	what, body string
	taken      bool
}{
	{"as documented", sample, true},
	{"a mark", "\ufeff" + sample, true},
	{"two marks", "\ufeff\ufeff" + sample, true},
	{"a NUL behind", sample + "\x00", true},
	{"NULs and blanks behind", sample + "\r\n\x00\x00", true},
	{"padded with escaped NULs", strings.Replace(sample, id, id+`\u0000\u0000`, 1), true},
	{"UTF-16", utf16(sample), true},
	{"names in lower case", strings.NewReplacer("msgBody", "msgbody", "responseId", "responseid", "billFileName", "billfilename").Replace(sample), true},
	{"names in upper case", strings.NewReplacer("msgBody", "MSGBODY", "responseId", "RESPONSEID", "billFileName", "BILLFILENAME").Replace(sample), true},
	{"names as Go writes them", strings.NewReplacer("msgBody", "MsgBody", "responseId", "ResponseId", "billFileName", "BillFileName").Replace(sample), true},
	{"a cut character beside", strings.Replace(sample, `"accountId":""`, "\"note\":\"\xe6\xb5\"", 1), true},
	{"two fields, one file", strings.Replace(sample, `"accountId":""`, `"fileName":"`+file+`"`, 1), true},
	{"a field with another kind of name", strings.Replace(sample, `"accountId":""`, `"fileName":"call.csv"`, 1), true},

	{"the name twice", strings.Replace(sample, `"accountId":""`, `"billFileName":"`+file+`"`, 1), false},
	{"the name twice, in two cases", strings.Replace(sample, `"accountId":""`, `"BillFileName":"`+otherFile+`"`, 1), false},
	{"the message twice", strings.Replace(sample, `"request":{"version":"2.0"}`, `"msgbody":null`, 1), false},
	{"two fields, two files", strings.Replace(sample, `"accountId":""`, `"fileName":"`+otherFile+`"`, 1), false},
	{"two files in unknown fields", `{"a":"` + file + `","b":"` + otherFile + `"}`, false},
	{"another file beside the message", strings.Replace(sample, `"request":{"version":"2.0"}`, `"fileName":"`+otherFile+`"`, 1), false},
	{"two callbacks in one", sample + sample, false},
	{"no JSON", "<html>" + sample, false},
}

// utf16 is an ASCII text in UTF-16 with a mark.
func utf16(text string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(text) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

func TestF47OddCallbacks(t *testing.T) {
	good, lost := 0, 0
	for _, odd := range oddCallbacks {
		store := &memory{}
		h := newHandler(t, store, nil)
		w := serve(h, signed(t, "/ccfs/callback", odd.body, time.Now()))
		n, known := store.notices[id]
		switch {
		case odd.taken && (w.Code != http.StatusOK || !known || n.FileName != file || len(store.dead) > 0),
			!odd.taken && (w.Code != http.StatusBadRequest || store.calls > 0 || len(store.dead) != 1):
			t.Errorf("%s: answered %d, stored %v, %d dead letters", odd.what, w.Code, store.notices, len(store.dead))
			lost++
		default:
			good++
		}
	}
	// A proof in upper case is none: the platform never writes one (facts of its signature).
	r := signed(t, "/ccfs/callback", sample, time.Now())
	text := r.Header.Get("Authorization")
	cut := strings.LastIndex(text, "/")
	r.Header.Set("Authorization", text[:cut]+strings.ToUpper(text[cut:]))
	store := &memory{}
	if w := serve(newHandler(t, store, nil), r); w.Code != http.StatusUnauthorized || store.calls > 0 {
		t.Errorf("a signature in upper case: answered %d", w.Code)
	}
	t.Attr("figure", fmt.Sprintf("%d/%d taken, or a dead letter", good, len(oddCallbacks)))
	t.Attr("lost", fmt.Sprint(lost))
}
