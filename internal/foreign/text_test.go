package foreign

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for _, test := range []struct {
		raw, text, literal string
		number             int // -1: none
		truth              bool
		moment             string
	}{
		{raw: ``, number: -1},
		{raw: `null`, number: -1},
		{raw: `""`, number: -1},
		{raw: `" \t"`, number: -1},
		{raw: `0`, text: "0", literal: "0"},
		{raw: `"0"`, text: "0", literal: "0"},
		{raw: `" 0 "`, text: "0", literal: "0"},
		{raw: `"null"`, text: "null", literal: "null", number: -1},
		{raw: `1`, text: "1", literal: "1", number: 1, truth: true},
		{raw: `-7`, text: "-7", literal: "-7", number: -7},
		{raw: `007`, number: -1}, // no JSON
		{raw: `"007"`, text: "007", literal: "007", number: 7},
		{raw: `1700000000000`, text: "1700000000000", literal: "1700000000000", number: 1_700_000_000_000, moment: "2023-11-14T22:13:20Z"},
		{raw: `1.7e12`, text: "1.7e12", literal: "1.7e12", number: -1, moment: "2023-11-14T22:13:20Z"},
		{raw: `1e400`, text: "1e400", literal: "1e400", number: -1},
		{raw: `253402300799999`, text: "253402300799999", literal: "253402300799999", number: 253_402_300_799_999},
		{raw: `253402300800000`, text: "253402300800000", literal: "253402300800000", number: 253_402_300_800_000},
		{raw: `123456789012345678901234567890`, text: "123456789012345678901234567890", literal: "123456789012345678901234567890", number: -1},
		{raw: `"NaN"`, text: "NaN", literal: "NaN", number: -1},
		{raw: `true`, literal: "true", number: -1, truth: true},
		{raw: `"TRUE"`, text: "TRUE", literal: "TRUE", number: -1, truth: true},
		{raw: `false`, literal: "false", number: -1},
		{raw: `"yes"`, text: "yes", literal: "yes", number: -1},
		{raw: ` {"a": 1} `, literal: `{"a": 1}`, number: -1},
		{raw: `["0"]`, literal: `["0"]`, number: -1},
		{raw: `"Caf\u00e9 \ud800"`, text: "Café \ufffd", literal: "Café \ufffd", number: -1},
		{raw: `{"a":`, number: -1},
		{raw: `"open`, number: -1},
	} {
		v := Of(json.RawMessage(test.raw))
		if v.String() != test.text || v.Literal() != test.literal {
			t.Errorf("%s: text %q, literal %q", test.raw, v.String(), v.Literal())
		}
		if n := v.Int(-1); n != test.number {
			t.Errorf("%s: number %d", test.raw, n)
		}
		if b := v.Bool(); b != test.truth {
			t.Errorf("%s: truth %v", test.raw, b)
		}
		moment := ""
		if m := v.Moment(); !m.IsZero() {
			moment = m.Format(time.RFC3339Nano)
		}
		if moment != test.moment {
			t.Errorf("%s: moment %q", test.raw, moment)
		}
	}
}

func TestTextAsField(t *testing.T) {
	var v struct {
		A, B Text
		C, D *Text
	}
	v.B = Of(json.RawMessage(`"before"`))
	if err := json.Unmarshal([]byte(`{"a":"x","B":null,"c":null,"d":{}}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.A.String() != "x" || v.B != (Text{}) || v.C != nil || v.D == nil || v.D.Literal() != "{}" {
		t.Errorf("%+v", v)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{`"a"`, ` 1 `, `-0.5e3`, `true`, `null`, `{"a":[1,"\u0000"]}`, `"\ud800"`, `[`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v := Of(raw)
		var field struct{ V Text }
		err := json.Unmarshal(append(append([]byte(`{"V":`), raw...), '}'), &field)
		switch {
		case (err == nil) != json.Valid(raw):
			t.Fatalf("%q: %v", raw, err)
		case err == nil && field.V != v:
			t.Fatalf("%q: %+v as a field, %+v alone", raw, field.V, v)
		case err != nil && v != Text{}:
			t.Fatalf("%q: %+v", raw, v)
		}
		if s := v.String(); s != "" && s != v.Literal() || strings.TrimSpace(v.Literal()) != v.Literal() {
			t.Fatalf("%q: %q, %q", raw, s, v.Literal())
		}
		if m := v.Moment(); !m.IsZero() && !within(m) {
			t.Fatalf("%q: %v", raw, m)
		}
		quoted, err := json.Marshal(v.String())
		if err != nil || Of(quoted).String() != v.String() {
			t.Fatalf("%q: %q does not come back: %v", raw, v.String(), err)
		}
	})
}
