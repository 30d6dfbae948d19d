package jsonwalk

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// edit drops members named "drop", puts X in the place of the value of "set", and writes
// down the other strings and numbers, with the names that they stand in.
func edit(seen *[]string) Edit[string] {
	return Edit[string]{
		Member: func(key, around string) (string, Fate) {
			switch key {
			case "drop":
				return "", Fate{Drop: true}
			case "set":
				return "", Fate{Instead: []byte("X")}
			}
			return around + "/" + key, Fate{}
		},
		Value: func(value any, inside string) []byte {
			*seen = append(*seen, fmt.Sprintf("%s=%T:%v", inside, value, value))
			if value == "old" || value == json.Number("12345678901234567890") {
				return []byte(`"new"`)
			}
			return nil
		},
	}
}

func TestRewrite(t *testing.T) {
	for _, test := range []struct{ in, want, seen string }{
		{in: `null`}, {in: ` true `}, {in: `{}`}, {in: `[ ]`}, {in: "[[],{},[{ }\t]]"},
		{in: ` "old" `, want: ` "new" `, seen: "=string:old"},
		{in: `"\u006fld"`, want: `"new"`, seen: "=string:old"},
		{in: `12345678901234567890`, want: `"new"`, seen: "=json.Number:12345678901234567890"},
		{in: `[1.50, -0, 1e400]`, seen: "=json.Number:1.50 =json.Number:-0 =json.Number:1e400"},
		{in: `["old" , 1,"old"]`, want: `["new" , 1,"new"]`, seen: "=string:old =json.Number:1 =string:old"},
		{in: `{"a" : "old" ,"b":[{"c":"x"}]}`, want: `{"a" : "new" ,"b":[{"c":"x"}]}`, seen: "/a=string:old /b/c=string:x"},
		{in: `{"a":1,"a":"old","a":null}`, want: `{"a":1,"a":"new","a":null}`, seen: "/a=json.Number:1 /a=string:old"},
		{in: `{"set":{"a":["old",{"drop":1}]},"b" : false}`, want: `{"set":X,"b" : false}`},
		{in: `{ "set" : "old" , "set" :[ ] }`, want: `{ "set" : X , "set" :X }`},
		{in: `{"\u0073et":1}`, want: `{"\u0073et":X}`},
		{in: `{ "drop" : 1 }`, want: `{ }`},
		{in: `{"drop":{"a":[1,"}"]},"x":1}`, want: `{"x":1}`, seen: "/x=json.Number:1"},
		{in: `{ "drop":1 , "x":1}`, want: `{  "x":1}`, seen: "/x=json.Number:1"},
		{in: `{"x":1,"drop":"\","}`, want: `{"x":1}`, seen: "/x=json.Number:1"},
		{in: `{"x":1, "drop":-1.5e3 ,"y":[]}`, want: `{"x":1 ,"y":[]}`, seen: "/x=json.Number:1"},
		{in: `{"x":1 ,"drop":1, "drop":2 }`, want: `{"x":1  }`, seen: "/x=json.Number:1"},
		{in: `{"drop":null,"drop":false,"x":{}}`, want: `{"x":{}}`},
		{in: `{"drop":1,"drop":[],"drop":{}}`, want: `{}`},
		{in: `{"drop":1,"x":{"drop":2},"drop":3,"y":[{"drop":[]}],"drop":""}`, want: `{"x":{},"y":[{}]}`},
		{in: `{"set":1,"drop":2,"a":"old","drop":3}`, want: `{"set":X,"a":"new"}`, seen: "/a=string:old"},
		{in: `{"":{"a":{"":"old"}}}`, want: `{"":{"a":{"":"new"}}}`, seen: "//a/=string:old"},
	} {
		var seen []string
		out, valid := Rewrite([]byte(test.in), "", edit(&seen))
		want := test.want
		if want == "" {
			want = test.in
		}
		if !valid || string(out) != want || strings.Join(seen, " ") != test.seen {
			t.Errorf("%s becomes\n%s, %t, want\n%s\nseen %q, want %q", test.in, out, valid, want, seen, test.seen)
		}
	}
}

func TestWhatIsNoJSON(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, in := range []string{``, ` `, `{`, `{"a":1,}`, `{a:1}`, `[1 2]`, `{"drop":1}x`, `01`, `"open`, deep} {
		var seen []string
		if out, valid := Rewrite([]byte(in), "", edit(&seen)); valid || out != nil || seen != nil {
			t.Errorf("%.20q becomes %q, %t, seen %q", in, out, valid, seen)
		}
	}
}

func TestTheTextIsNotWrittenTo(t *testing.T) {
	in := []byte(`{"set":1,"a":["old"],"drop":1}`)
	before := string(in)
	var seen []string
	if out, _ := Rewrite(in, "", edit(&seen)); string(in) != before || string(out) == before {
		t.Errorf("%s is now %s, and becomes %s", before, in, out)
	}
	same := []byte(`{"a":1}`)
	if out, _ := Rewrite(same, "", edit(&seen)); &out[0] != &same[0] {
		t.Error("copied though nothing changes")
	}
}

func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		`{"drop":1,"x":{"set":[2,{}]},"drop":3,"y":[{"drop":[]}],"set":"old"}`, ` { "a" : [ "old" , 1e400 , null ] , "dr\u006fp" : "\ud800" } `,
		"\"\xff\"", `[[[[[{"set":{"drop":1}}]]]]]`, `{"drop":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		keep := Edit[int]{
			Member: func(string, int) (int, Fate) { return 0, Fate{} },
			Value:  func(any, int) []byte { return nil },
		}
		out, valid := Rewrite(in, 0, keep)
		if valid != json.Valid(in) || valid && string(out) != string(in) {
			t.Fatalf("%q becomes %q, %t", in, out, valid)
		}
		alter := Edit[int]{
			Member: func(key string, _ int) (int, Fate) {
				if key == "set" {
					return 0, Fate{Instead: []byte("0")}
				}
				return 0, Fate{Drop: key == "drop"}
			},
			Value: func(any, int) []byte { return []byte("0") },
		}
		if out, _ = Rewrite(in, 0, alter); valid && !json.Valid(out) {
			t.Fatalf("%q becomes %q", in, out)
		}
		if again, _ := Rewrite(out, 0, alter); string(again) != string(out) {
			t.Fatalf("%q becomes %q, then %q", in, out, again)
		}
	})
}
