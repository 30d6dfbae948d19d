package members

import (
	"encoding/json"
	"testing"
)

type known struct {
	A int    `json:"a"`
	B string `json:"b,omitempty"`
	inner
	D *nested  `json:"d,omitempty"`
	E []nested `json:"e,omitempty"`
}

type nested struct {
	X int `json:"x"`
}

type inner struct {
	C []int `json:"c,omitempty"`
}

// TestFurtherMembers: whatever an object has besides is there again when it is written.
func TestFurtherMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:                              `{"a":2}`,
		`{"a":1,"c":[3]}`:                      `{"a":2,"c":[3]}`,
		`{"z":{"y":[1,2]},"a":1,"b":"x"}`:      `{"a":2,"b":"x","z":{"y":[1,2]}}`,
		`{"ü \"":null,"a":1,"n":1.50,"A2":""}`: `{"a":2,"A2":"","n":1.50,"ü \"":null}`,
		`{}`:                                   `{"a":2}`,
		`{"a":1,"d":{"x":1,"y":2}}`:            `{"a":2,"d":{"x":1}}`,
		`{"z":1,"e":[{"x":1,"y":2}],"a":1}`:    `{"a":2,"e":[{"x":1}],"z":1}`,
	} {
		var v known
		more, err := Decode([]byte(text), &v)
		if err != nil {
			t.Fatal(err)
		}
		v.A = 2
		if got, err := Encode(v, more); err != nil || string(got) != want {
			t.Errorf("%s is written as %s, want %s, %v", text, got, want, err)
		}
	}
	if got, err := Encode(struct{}{}, Further{"x": json.RawMessage("1")}); err != nil || string(got) != `{"x":1}` {
		t.Errorf("%s, %v", got, err)
	}
	for _, text := range []string{``, `[]`, `{"a":"x"}`, `{"z":1,"a":"x"}`} {
		if more, err := Decode([]byte(text), new(known)); err == nil {
			t.Errorf("%q is %v", text, more)
		}
	}
}

func FuzzFurther(f *testing.F) {
	f.Add(`{"z":{"y":[1,2]},"a":1,"b":"x"}`)
	f.Add(`{"z":1,"d":{"x":1,"y":2},"e":[{"x":1,"y":2}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v, again known
		more, err := Decode([]byte(text), &v)
		if err != nil {
			return
		}
		v.D, v.E = &nested{X: 7}, nil
		data, err := Encode(v, more)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := Decode(data, &again); err != nil || len(same) != len(more) || again.A != v.A || again.B != v.B || again.D == nil || *again.D != *v.D || again.E != nil {
			t.Errorf("%s became %s: %v", text, data, err)
		}
	})
}
