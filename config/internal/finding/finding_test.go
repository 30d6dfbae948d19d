package finding

import "testing"

func TestText(t *testing.T) {
	all := Errors{
		{File: "b.yaml", Line: 1, Column: 2, Key: "nats.url", Problem: "it is missing", Remedy: "write it"},
		{File: "b.yaml", Line: 3, Column: 1, Problem: "no YAML", Remedy: "mend it"},
	}
	if got, want := all.Error(), "b.yaml:1:2: nats.url: it is missing; write it\nb.yaml:3:1: no YAML; mend it"; got != want {
		t.Errorf("got\n%s", got)
	}
}
