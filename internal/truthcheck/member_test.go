package truthcheck

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzMembers holds members against encoding/json.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 , "b\n" : "x\"y" , "c" : [ { "}" : "]" } , null ] , "d" : { "e" : -1.5e3 } } `, `[]`, `1`, `{`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := map[string]string{}
		err := members(body, func(name string, value json.RawMessage) {
			got[string([]rune(name))] = string(value) // as encoding/json mends what is no UTF-8
		})
		var raw map[string]json.RawMessage
		if json.Unmarshal(body, &raw) != nil || raw == nil {
			if err == nil {
				t.Fatalf("%q went through", body)
			}
			return
		}
		want := map[string]string{}
		for name, value := range raw {
			want[name] = string(value)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{
		`"a"`: "a", `"a\"\u0041"`: `a"A`, `""`: "", `-12`: "-12", `1.50`: "1.50", `null`: "", `true`: "", `[1]`: "", `{"a":1}`: "",
	} {
		if got := text(json.RawMessage(value)); got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}
