package partition

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAssign: whatever bridges there are, each has its share, and one that comes or goes
// moves little more than its own.
func TestAssign(t *testing.T) {
	most := 0
	rapid.Check(t, func(t *rapid.T) {
		bridges := rapid.SliceOfNDistinct(rapid.StringN(1, 36, -1), 1, 2*Partitions, rapid.ID[string]).Draw(t, "bridges")
		owners := assign(bridges)
		if shuffled := rapid.Permutation(bridges).Draw(t, "shuffled"); !slices.Equal(owners, assign(shuffled)) {
			t.Fatal("the order in which they are seen counts")
		}
		has := map[string]int{}
		for _, o := range owners {
			has[o]++
		}
		for _, b := range bridges {
			if share := Partitions / len(bridges); has[b] < share || has[b] > share+1 {
				t.Fatalf("%q of %d has %d partitions", b, len(bridges), has[b])
			}
		}
		if len(owners) != Partitions || len(bridges) == 1 {
			return
		}
		moved := 0
		for p, now := range assign(bridges[1:]) {
			if now != owners[p] {
				moved++
			}
		}
		most = max(most, moved-has[bridges[0]])
		if extra := moved - has[bridges[0]]; extra > Partitions/3 {
			t.Fatalf("%d partitions move that were not those of the bridge that goes, with %d bridges", extra, len(bridges))
		}
	})
	t.Logf("at most %d more than the partitions of the bridge that goes", most)
	if assign(nil) != nil {
		t.Error("nobody has partitions")
	}
}

// TestAgentsAreSpread: neighbouring ids do not share a partition more than others.
func TestAgentsAreSpread(t *testing.T) {
	var agents [Partitions]int
	const each = 100
	for i := range each * Partitions {
		agents[Of(fmt.Sprint(1000+i))]++
	}
	if least, most := slices.Min(agents[:]), slices.Max(agents[:]); least < each/2 || most > each*2 {
		t.Errorf("%d to %d agents in a partition, %d on average", least, most, each)
	}
}
