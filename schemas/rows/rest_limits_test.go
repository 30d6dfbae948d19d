package rows

import (
	"strconv"
	"strings"
	"testing"

	"aiccbridge/schemas"
)

// Behind a header line of another order, cells of unknown columns and cells behind the last
// name count, wherever they stand.
func TestRestBehindATurnedHeader(t *testing.T) {
	e := testEncoder(t, schemas.KindCDR, nil)
	if err := e.Header([]string{"call_id", "developer", "new b", "new a"}); err != nil {
		t.Fatal(err)
	}
	documented := len(Columns(schemas.KindCDR))
	whole := []string{"17-1", "d", "b", "a"}
	seen := map[string]string{}
	for name, tt := range map[string]struct {
		record []string
		width  int
	}{
		"whole":           {whole, documented + 2},
		"shorter":         {whole[:3], documented + 2},
		"other b":         {[]string{"17-1", "d", "c", "a"}, documented + 2},
		"other a":         {[]string{"17-1", "d", "b", "c"}, documented + 2},
		"longer":          {append(whole[:4:4], "more"), documented + 3},
		"longer, other":   {append(whole[:4:4], "else"), documented + 3},
		"longer by two":   {append(whole[:4:4], "more", "x"), documented + 4},
		"by two, another": {append(whole[:4:4], "more", "y"), documented + 4},
	} {
		rest := e.Rest(tt.record)
		if width, _, _ := strings.Cut(rest, "-"); width != strconv.Itoa(tt.width) {
			t.Errorf("%s: %s, want a width of %d", name, rest, tt.width)
		}
		if other := seen[rest]; other != "" {
			t.Errorf("%s and %s have the same rest", name, other)
		}
		seen[rest] = name
	}
}

func TestIntegersHaveASign(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, "-5": -5, "0": 0, "-999999999999999": -999_999_999_999_999} {
		if got, ok := canonicalInteger(text); !ok || got != want {
			t.Errorf("%s: %d, %t", text, got, ok)
		}
	}
}

func TestCodes(t *testing.T) {
	if got := Codes(schemas.KindCDR, "call_type")[0]; got != "inbound" {
		t.Errorf("call type 0 is %q", got)
	}
	for _, column := range []string{"developer", "no such column"} {
		if got := Codes(schemas.KindCDR, column); got != nil {
			t.Errorf("codes of %s: %v", column, got)
		}
	}
	named := map[string]bool{}
	for _, c := range Columns(schemas.KindOperation) {
		named[c.Name] = c.Named()
	}
	if !named["op_type"] || !named["op_cause"] || named["id"] {
		t.Errorf("named: %v", named)
	}
}
