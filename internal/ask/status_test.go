package ask

import (
	"testing"

	"aiccbridge/schemas"
)

// TestLeasesOfAgents: those of tenants whose agents one bridge cares for are not the planner's.
func TestLeasesOfAgents(t *testing.T) {
	for name, want := range map[string]bool{"7": true, "live": true, "proxy": true, "push": true, "all_agents": true, "files": false, "calls": false, "reconcile": false} {
		_, got, ok := leaseOf("acme."+name, schemas.Stored{Body: []byte(`{"instance":"a"}`)})
		if !ok || got != want {
			t.Errorf("%s: %t, %t", name, got, ok)
		}
	}
}
