package privacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

var (
	phones = []string{"caller", "called", "partner", "address", "caller_no"}
	lists  = []string{"partner"}
)

// policy makes a policy of an action for phone numbers and of name=action pairs.
func policy(t testing.TB, a Action, fields ...string) *Policy {
	t.Helper()
	o := Options{PhoneNumbers: a, Key: testKey, Phones: phones, Lists: lists, Fields: map[string]Action{}}
	for _, f := range fields {
		name, action, _ := strings.Cut(f, "=")
		o.Fields[name] = Action(action)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hashOf is what stays of a value under HMAC.
func hashOf(value string) string { return (&Policy{key: testKey}).hash(value) }

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string // part of the error
	}{
		"nothing":          {Options{}, ""},
		"keep":             {Options{PhoneNumbers: Keep, Fields: map[string]Action{"message": ""}}, ""},
		"no such action":   {Options{PhoneNumbers: "hide", Phones: phones}, `"hide" is no action; write keep, mask, hmac or drop`},
		"no such field's":  {Options{Fields: map[string]Action{"caller": "MASK"}}, `field caller: "MASK" is no action`},
		"no key":           {Options{PhoneNumbers: HMAC, Phones: phones}, "hmac needs a key of at least 16 random bytes"},
		"short key":        {Options{Fields: map[string]Action{"a": HMAC}, Key: []byte("secret-canary")}, "field a: hmac needs a key"},
		"shortest key":     {Options{Fields: map[string]Action{"a": HMAC}, Key: []byte("sixteen bytes ok")}, ""},
		"no phones":        {Options{PhoneNumbers: Mask}, "no field is named"},
		"nameless":         {Options{Fields: map[string]Action{" _": Mask}}, "write the name of a JSON key or a column"},
		"twice":            {Options{Fields: map[string]Action{"caller_no": Mask, "CallerNo": Drop}}, "fields CallerNo and caller_no are one field"},
		"lists no one has": {Options{PhoneNumbers: Mask, Phones: phones, Lists: []string{"other"}}, ""},
	} {
		_, err := New(c.o)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

func TestHashIsKnown(t *testing.T) {
	// echo -n 5550123 | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
	if got, _ := policy(t, HMAC).Cell("caller", "5550123"); got != "hmac:f45b03f7f5c0d483460a754abe73d51a" {
		t.Errorf("the hash is %s", got)
	}
}

func TestCell(t *testing.T) {
	hashed := policy(t, HMAC, "op_object=drop", "called=keep", "message=mask")
	for _, c := range []struct {
		p                     *Policy
		column, value, wanted string
		gone                  bool
	}{
		{p: nil, column: "caller", value: "5550123", wanted: "5550123"},
		{p: policy(t, Keep), column: "caller", value: " 5550123 ", wanted: " 5550123 "},
		{p: policy(t, Mask), column: "caller", value: "5550123", wanted: "555**23"},
		{p: policy(t, Mask), column: "CALLER_NO", value: "5550123\x00", wanted: "555**23"},
		{p: policy(t, Mask), column: "callerNo", value: "555012", wanted: "555*12"},
		{p: policy(t, Mask), column: "caller", value: "70092", wanted: "*****"},
		{p: policy(t, Mask), column: "caller", value: "日本語日本語日本", wanted: "日本語***日本"},
		{p: policy(t, Mask), column: "call_id", value: "1456401416-3", wanted: "1456401416-3"},
		{p: policy(t, Mask), column: "partner", value: "49997,70093，5550123 1234567", wanted: "*****,*****，555**23 123**67"},
		{p: policy(t, Mask), column: "caller", value: "49997,70093", wanted: "499******93"},
		{p: policy(t, Drop), column: "caller", value: "5550123", gone: true},
		{p: policy(t, Drop), column: "caller", value: "", gone: true},
		{p: hashed, column: "caller", value: "5550123", wanted: hashOf("5550123")},
		{p: hashed, column: "caller", value: " 5550123\t", wanted: hashOf("5550123")},
		{p: hashed, column: "caller", value: hashOf("5550123"), wanted: hashOf("5550123")},
		{p: hashed, column: "caller", value: "  ", wanted: "  "},
		{p: hashed, column: "partner", value: "49997, 5550123", wanted: hashOf("49997") + ", " + hashOf("5550123")},
		{p: policy(t, "", "zone_az=mask"), column: "ZoneAZ", value: "5550123", wanted: "555**23"},
		{p: hashed, column: "called", value: "5550123", wanted: "5550123"},
		{p: hashed, column: "OP_OBJECT", value: "101", gone: true},
		{p: hashed, column: "Message", value: "call me back", wanted: "cal*******ck"},
	} {
		got, ok := c.p.Cell(c.column, c.value)
		if got != c.wanted || ok == c.gone {
			t.Errorf("%s %q becomes %q, %t, want %q", c.column, c.value, got, ok, c.wanted)
		}
	}
}

func TestJSON(t *testing.T) {
	masked, dropped, hashed := policy(t, Mask), policy(t, Drop), policy(t, HMAC, "deep=drop", "message=hmac")
	for _, c := range []struct {
		name     string
		p        *Policy
		in, want string // want "": as it was
	}{
		{"nil policy", nil, `{"caller":"5550123"}`, ""},
		{"nothing", masked, ``, ""},
		{"null", masked, `null`, ""},
		{"bare call id", masked, `"1456401416-3"`, ""},
		{"no such field", masked, `{"callid" : "1456401416-3", "a":[1,{"b":null}]}`, ""},
		{"string", masked, `{"caller":"5550123", "x":1}`, `{"caller":"555**23", "x":1}`},
		{"number", masked, ` { "Caller" : 5550123 } `, ` { "Caller" : "555**23" } `},
		{"number and string hash alike", hashed, `[{"caller":5550123},{"called":"5550123"}]`,
			`[{"caller":"` + hashOf("5550123") + `"},{"called":"` + hashOf("5550123") + `"}]`},
		{"blank under hmac", hashed, `{"caller":"","called":" \u0000","partner":["\ufeff",true]}`, ""},
		{"huge number", masked, `{"caller":123456789012345678901234567890,"x":1e400}`, `{"caller":"123*************************90","x":1e400}`},
		{"key that is no UTF-8", masked, "{\"caller\xff\":\"5550123\",\"caller\":\"5550123\"}", "{\"caller\xff\":\"5550123\",\"caller\":\"555**23\"}"},
		{"half a surrogate", masked, `{"caller":"\ud800550123","x":"\ud800"}`, `{"caller":"�55**23","x":"\ud800"}`},
		{"null, boolean, empty", masked, `{"caller":null,"called":true,"address":"","partner":" "}`, ""},
		{"odd key", masked, `{"CALL\u0045R":"5550123"," called\u0000":"5550123"}`, `{"CALL\u0045R":"555**23"," called\u0000":"555**23"}`},
		{"object in the field", masked, `{"caller":{"address":"5550123","kind":6,"x":["5550199",true]}}`,
			`{"caller":{"address":"555**23","kind":"*","x":["555**99",true]}}`},
		{"list in the field", masked, `{"called":["5550123",5550199]}`, `{"called":["555**23","555**99"]}`},
		{"deep", masked, `{"a":{"b":[[{"caller":"5550123"}]]}}`, `{"a":{"b":[[{"caller":"555**23"}]]}}`},
		{"twice the key", masked, `{"caller":"5550123","caller":"5550199"}`, `{"caller":"555**23","caller":"555**99"}`},
		{"escapes in the value", masked, `{"caller":"555\u003012\/3"}`, `{"caller":"555***/3"}`},
		{"several", hashed, `{"partner":"49997,5550123"}`, `{"partner":"` + hashOf("49997") + `,` + hashOf("5550123") + `"}`},
		{"drop the only one", dropped, `{ "caller" : "5550123" }`, `{ }`},
		{"drop the first", dropped, `{"caller":{"a":[1,"}"]},"x":1}`, `{"x":1}`},
		{"drop the last", dropped, `{"x":1,"caller":"\"5550123"}`, `{"x":1}`},
		{"drop the middle", dropped, `{"x":1, "caller":-1.5e3 ,"y":[]}`, `{"x":1 ,"y":[]}`},
		{"drop two at the end", dropped, `{"x":"a","caller":"1","called":"2"}`, `{"x":"a"}`},
		{"drop two at the begin", dropped, `{"caller":null,"called":false,"x":{}}`, `{"x":{}}`},
		{"drop all", dropped, `{"caller":"1","called":"2","address":"3"}`, `{}`},
		{"drop around others", dropped, `{"caller":"1","x":{"called":"2"},"address":3,"y":[{"called":[]}],"partner":""}`, `{"x":{},"y":[{}]}`},
		{"drop an object", hashed, `{"deep":{"caller":"5550123"},"x":1}`, `{"x":1}`},
		{"JSON in a string", masked, `{"data":" {\"caller\":\"5550123\"}\u0000"}`, `{"data":" {\"caller\":\"555**23\"}\u0000"}`},
		{"JSON in a string in a string", masked, `"\"{\\\"caller\\\":5550123}\""`, `"\"{\\\"caller\\\":\\\"555**23\\\"}\""`},
		{"JSON in a string after a byte order mark", masked, "{\"data\":\"\ufeff[{\\\"caller\\\":5550123}]\"}", "{\"data\":\"\ufeff[{\\\"caller\\\":\\\"555**23\\\"}]\"}"},
		{"JSON in a string between dropped ones", dropped, `{"caller":1,"data":"\t{\"called\":1 , \"x\":2}","called":2 }`, `{"data":"\t{ \"x\":2}" }`},
		{"JSON in a string, nothing in it", masked, `{"data":"{\"x\":\"\\u0041\"}","s":"\ttext"}`, ""},
		{"half of JSON in a string", masked, `{"data":"{\"caller\":\"5550123\","}`, `{"data":"{\"caller\":\"555**23\","}`},
		{"text that only begins with an escape", masked, `{"data":"\tcall 5550123"}`, ""},
		{"text", masked, `{"message":"call 5550123"}`, ""},
		{"text by its own name", hashed, `{"message":"call 5550123"}`, `{"message":"` + hashOf("call 5550123") + `"}`},
		{"own name inside a field", policy(t, Mask, "kind=keep"), `{"caller":{"kind":6,"n":"5550123"}}`, `{"caller":{"kind":6,"n":"555**23"}}`},
		{"no JSON", masked, `{"caller":"5550123",`, `{"caller":"555**23",`},
		{"no JSON, written with signs", masked, `caller=+1 (555) 012-3456&b=70092`, `caller=+1 (55*) ***-**56&b=70092`},
		{"no JSON, UTF-16", masked, "\x005\x005\x005\x000\x001\x002\x003", "\x005\x005\x005\x00*\x00*\x002\x003"},
		{"no JSON, first and last digits", masked, `caller=9090909090`, `caller=909*****90`},
		{"no JSON, a hash in it", hashed, "x " + hashOf("5550123") + " 5550123", "x " + hashOf("5550123") + " 555**23"},
	} {
		before := c.in
		got := string(c.p.JSON(json.RawMessage(c.in)))
		want := c.want
		if want == "" {
			want = c.in
		}
		if got != want || before != c.in {
			t.Errorf("%s: %s becomes\n%s, want\n%s", c.name, c.in, got, want)
		}
		if again := string(c.p.JSON(json.RawMessage(got))); again != got {
			t.Errorf("%s: twice it becomes %s", c.name, again)
		}
	}
}

func TestTextKeepsWhatNoPolicyForbids(t *testing.T) {
	for _, p := range []*Policy{nil, policy(t, Keep), policy(t, "", "caller=keep")} {
		if got := string(p.Text([]byte("5550123"))); got != "5550123" || p.Active() {
			t.Errorf("5550123 becomes %s, active %t", got, p.Active())
		}
	}
	in := []byte("5550123")
	if got := string(policy(t, "", "message=drop").Text(in)); got != "555**23" || string(in) != "5550123" {
		t.Errorf("5550123 becomes %s", got)
	}
}

// number is the phone number that the properties look for.
const number = "4915550123456"

// document draws a JSON text in which the number stands in fields that hold phone
// numbers, deep down and in strings that hold JSON, and nowhere else.
func document(t *rapid.T, depth int) string {
	quoted := func(s string) string { return string(quote(s)) }
	plain := rapid.SampledFrom([]string{`"text"`, `-1.5e3`, `null`, `true`, `"a\"b\\"`, `[]`, `{}`, `"\u0000"`})
	if depth == 0 {
		return plain.Draw(t, "plain")
	}
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		return plain.Draw(t, "plain")
	case 1:
		return quoted(document(t, depth-1))
	case 2:
		return "[" + document(t, depth-1) + " , " + document(t, depth-1) + "]"
	}
	var members []string
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		key, value := rapid.SampledFrom([]string{"x", "y z", `q"`}).Draw(t, "key"), ""
		if rapid.Bool().Draw(t, "phone") {
			key = rapid.SampledFrom([]string{"caller", "CALLED", "Partner", "callerNo", "caller_no"}).Draw(t, "name")
			value = rapid.SampledFrom([]string{`"` + number + `"`, number, `" ` + number + `\u0000"`, `["` + number + `",1]`, `{"n":` + number + `}`}).Draw(t, "number")
		} else {
			value = document(t, depth-1)
		}
		members = append(members, quoted(key)+": "+value)
	}
	return "{" + strings.Join(members, ",") + " }"
}

func TestNoNumberSurvives(t *testing.T) {
	for _, a := range []Action{Mask, HMAC, Drop} {
		p, kept := policy(t, a), policy(t, Keep)
		rapid.Check(t, func(t *rapid.T) {
			in := document(t, 4)
			if !json.Valid([]byte(in)) {
				t.Fatalf("the test made %s", in)
			}
			out := p.JSON(json.RawMessage(in))
			switch {
			case !json.Valid(out):
				t.Fatalf("%s: %s becomes %s", a, in, out)
			case strings.Contains(string(out), number):
				t.Fatalf("%s: %s becomes %s", a, in, out)
			case string(p.JSON(out)) != string(out):
				t.Fatalf("%s: %s becomes %s, and then %s", a, in, out, p.JSON(out))
			}
			if string(kept.JSON(json.RawMessage(in))) != in {
				t.Fatalf("a policy that keeps everything alters %s", in)
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"caller":"5550123","x":[{"called":5550123}]}`, "5550123")
	f.Add(`{"data":"{\"caller\":\"5550123\"}"}`, "5550123")
	f.Add(`"\"{\\\"caller\\\":1}\""`, "+49 155 50123456")
	f.Add(`{"caller":`, "1")
	f.Add("\xff\x00{[\"", "\xff")
	f.Add(`{"a":"{`, "日本語日本語")
	policies := []*Policy{policy(f, Mask), policy(f, HMAC), policy(f, Drop), policy(f, Keep, "x=drop")}
	f.Fuzz(func(t *testing.T, text, secret string) {
		for _, p := range policies {
			out := p.JSON(json.RawMessage(text))
			if json.Valid([]byte(text)) && !json.Valid(out) {
				t.Errorf("%q becomes %q", text, out)
			}
			_ = p.Text([]byte(text))
		}
		secret = trim(strings.ToValidUTF8(secret, ""))
		if len([]rune(secret)) < 7 || isHash(secret) || strings.ContainsFunc(secret, separates) {
			return
		}
		if strings.Contains(masked(secret), secret) { // of stars
			return
		}
		for _, p := range policies[:3] {
			in := fmt.Sprintf(`{"a":%s,"caller":%s,"x":{"called":[%[2]s]}}`, quote("v"), quote(secret))
			if out := p.JSON(json.RawMessage(in)); strings.Contains(string(out), string(quote(secret))) {
				t.Errorf("%s becomes %s", in, out)
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	content := json.RawMessage(`{"caller":"5550123","transfer":"no","callid":"1456401416-3","transfrom":"","called":"49999","type":"main","mediaType":"5","mediaAbility":"1","feature":"0"}`)
	for _, a := range []Action{Keep, Mask, HMAC, Drop} {
		p := policy(b, a)
		b.Run(string(a), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.JSON(content)
			}
		})
	}
}

// TestMark: policies that differ, be it in their key alone, have other marks; the same have
// the same.
func TestMark(t *testing.T) {
	seen := map[string]int{}
	for i, o := range []Options{
		{}, {Fields: map[string]Action{"a": Mask}}, {Fields: map[string]Action{"b": Mask}}, {Fields: map[string]Action{"a": Drop}},
		{Fields: map[string]Action{"a": Mask}, Lists: []string{"a"}},
		{Fields: map[string]Action{"a": HMAC}, Key: bytes.Repeat([]byte("k"), MinKeyBytes)},
		{Fields: map[string]Action{"a": HMAC}, Key: bytes.Repeat([]byte("l"), MinKeyBytes)},
	} {
		var marks []string
		for range 2 {
			p, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			marks = append(marks, p.Mark())
		}
		if before, there := seen[marks[0]]; there || marks[0] != marks[1] || len(marks[0]) != 32 {
			t.Errorf("policy %d has the marks %q; so has policy %d", i, marks, before)
		}
		seen[marks[0]] = i
	}
	var none *Policy
	if seen[none.Mark()] != 0 {
		t.Error("no policy has another mark than an empty one")
	}
}
