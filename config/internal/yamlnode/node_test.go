package yamlnode

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// values are the nodes of a mapping's values.
func values(t *testing.T, text string) (all []ast.Node) {
	t.Helper()
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range file.Docs[0].Body.(*ast.MappingNode).Values {
		all = append(all, e.Value)
	}
	return all
}

func TestNodes(t *testing.T) {
	all := values(t, "a: 00701\nb: x y\nc:\n  d: 1\ne: [1]\nf: |\n  line\n")
	for i, want := range []string{"00701", "x y", "", "", "line"} {
		got, f := Text(all[i])
		if got != want || (f == nil) != (want != "") {
			t.Errorf("value %d: %q, %v; want %q", i, got, f, want)
		}
	}
	if _, f := Text(all[3]); !strings.Contains(f.Problem, "not a list") {
		t.Errorf("a list for a value: %s", f.Problem)
	}
	if at := PlaceOf(all[1]); at != (Place{2, 4}) {
		t.Errorf("the second value is at %+v", at)
	}
	if at := PlaceOf(all[2]); at.Line != 4 {
		t.Errorf("the mapping is at %+v", at)
	}
}

func TestUnknownKeys(t *testing.T) {
	for key, want := range map[string]string{
		"<<": "write the keys out", "password": "secrets_file", "password_command": "secrets_file", "hpone": "did you mean phone?",
	} {
		if f := Unknown("tenants[0].gateway.agents[3]", key, []string{"id", "phone"}); !strings.Contains(f.Remedy, want) {
			t.Errorf("%s: %s", key, f.Remedy)
		}
	}
}
