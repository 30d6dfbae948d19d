package quotes

import "testing"

func TestQuotesThatDoNotEnd(t *testing.T) {
	for text, want := range map[string][2]int{
		"a: \"b":                  {1, 4},
		"a: \"b\nc: 'd'":          {1, 4},
		"a: b\nc: 'd":             {2, 4},
		"ä: \"b":                  {1, 4},
		"a: \"b\n c\"\nd: \"e":    {3, 4},
		"a: \"b\n c\", \"d":       {2, 6},
		"a: 'b\n\n c'\n\nä: 'e":   {5, 4},
		"- \"a":                   {1, 3},
		"? \"a":                   {1, 3},
		"[\"a":                    {1, 2},
		"{'a":                     {1, 2},
		"a: [b, \"c":              {1, 8},
		"a:\t\"b":                 {1, 4},
		"a:\r\n\"b":               {2, 1},
		"a: \r \"b":               {1, 6},
		"a: 'x'#y":                {1, 4},
		"a: \"b\" c":              {1, 4},
		"a: \"\\\"":               {1, 4},
		"a: '''":                  {1, 4},
		"a: b # it's\nc: \"d":     {2, 4},
		"a: b\n# it's \"\n\"c":    {3, 1},
		"a: 'b'\n  # x\n- - 'c":   {3, 5},
		"a: \"b\" # c\n\nd: 'e":   {3, 4},
		"a: [b# , \"c":            {1, 10},
		"a: [\"b\", \"c":          {1, 10},
		"a: b-\n\"c":              {2, 1},
		"a: b\nx y\n  : \"it's\n": {3, 5},
	} {
		if line, column, ok := Unclosed(text); !ok || line != want[0] || column != want[1] {
			t.Errorf("%q: %d:%d, %t, want %d:%d", text, line, column, ok, want[0], want[1])
		}
	}
	for _, text := range []string{
		"a: \"b\"", "a: x\"y", "a: it's", "a-\"b", "a:\"b", "-\"b", "a: b#\"", "#\"", " # \"", "a: 'b' # x'", "a: \"\\\\\"", "a: ''''", "a: '''b'''",
		"a: \"b\":", "a: [\"b\"]", "a: {\"b\": 'c'}", "a: \"b\"\t# 'c", "a: -", "a: b?\"", "a: b \"c", "a: b\n", "a: ['b','c']", "a: #,\"b",
	} {
		if line, column, ok := Unclosed(text); ok {
			t.Errorf("%q: at %d:%d", text, line, column)
		}
	}
}
