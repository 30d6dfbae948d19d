package foreign

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestObject(t *testing.T) {
	for _, test := range []struct{ text, all, one, said string }{
		{`{}`, `[]`, ``, ``},
		{`{"a":1}`, `[1]`, `1`, `1`},
		{` {"b":2, "a" : "x" } ` + "\n", `["x"]`, `"x"`, `x`},
		{`{"a":{"x":1},"a":null}`, `[{"x":1} null]`, `{"x":1}`, `{"x":1}`},
		{`{"a":null,"A":{"x":1}}`, `[null {"x":1}]`, `{"x":1}`, `{"x":1}`},
		{`{"a":1,"A":1}`, `[1 1]`, `1`, `1`},
		{`{"a":1,"A":2}`, `[1 2]`, `two`, `two`},
		{`{"a":1,"a":2,"a":1}`, `[1 2 1]`, `two`, `two`},
		{`{"a":0,"a":"0"}`, `[0 "0"]`, `two`, `0`},
		{`{"a":"","a":"x"}`, `["" "x"]`, `two`, `x`},
		{`{"a":null,"a":null}`, `[null null]`, ``, ``},
		{`{"\u0061":1}`, `[1]`, `1`, `1`},
	} {
		o, err := ParseObject([]byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		var all []string
		for _, v := range o.All("a") {
			all = append(all, string(v))
		}
		if got := fmt.Sprint(all); got != test.all {
			t.Errorf("%s: all %s", test.text, got)
		}
		one, agreed := o.One("A")
		if got := string(one); agreed == (test.one == "two") || agreed && got != test.one {
			t.Errorf("%s: one %q, %v", test.text, got, agreed)
		}
		said, agreed := o.Text("A")
		if got := said.Literal(); agreed == (test.said == "two") || agreed && got != test.said || o.Maybe("a") != said {
			t.Errorf("%s: text %q, %v", test.text, got, agreed)
		}
	}
	for _, bad := range []string{``, `[]`, `null`, `"a"`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a":1}}`, `{"a":1}{}`, `{"a":[}`, `{a:1}`} {
		if o, err := ParseObject([]byte(bad)); err == nil {
			t.Errorf("%s: %v", bad, o)
		}
	}
}

func TestObjectNames(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                   "false true",
		`{"jsonKey":1}`:        "false true",
		`{"a":1,"b":2}`:        "false false",
		`{"a":1,"A":2}`:        "true false",
		`{"JsonKey":1,"x":{}}`: "false false",
	} {
		o, err := ParseObject([]byte(text))
		if got := fmt.Sprint(o.Repeated(), o.Only("jsonkey")); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

// What encoding/json sees in an object is a part of what we see in it.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"a":1,"A":[2],"b":{"c":null}}`, `{"a":1,"a":2}`, `{}`, `{"a":1}x`, `{"\ud800":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := ParseObject(text)
		var reference map[string]json.RawMessage
		valid := json.Unmarshal(text, &reference) == nil && reference != nil
		if (err == nil) != valid {
			t.Fatalf("%q: %v, encoding/json: %v", text, err, valid)
		}
		if len(o.Values()) < len(reference) {
			t.Fatalf("%q: %d members of %d", text, len(o.Values()), len(reference))
		}
		for name, value := range reference {
			found := false
			for _, v := range o.All(name) {
				found = found || strings.TrimSpace(string(v)) == strings.TrimSpace(string(value))
			}
			if !found {
				t.Fatalf("%q: %q is missing", text, name)
			}
		}
	})
}
