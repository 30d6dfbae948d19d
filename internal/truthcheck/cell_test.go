package truthcheck

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// The simulator and the contract wrote the platform's columns down on their own;
// where they differ, every row would be foreign.
func TestColumnsAgree(t *testing.T) {
	for worlds, k := range kindOf {
		var names []string
		for _, c := range rows.Columns(k) {
			names = append(names, c.Name)
		}
		if diff := cmp.Diff(world.Columns[worlds], names); diff != "" {
			t.Errorf("%s (-simulator +contract):\n%s", k, diff)
		}
		if rows.FilePart(k) != string(worlds) {
			t.Errorf("%s: the simulator calls it %s, the contract %s", k, worlds, rows.FilePart(k))
		}
	}
	if len(kindOf) != len(schemas.Kinds()) {
		t.Errorf("%d kinds of the simulator for %d of the contract", len(kindOf), len(schemas.Kinds()))
	}
}
