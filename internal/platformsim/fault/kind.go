package fault

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kind is a fault that can be wished for.
type Kind struct {
	// Name is "<operation>.<what goes wrong>".
	Name string `json:"fault"`
	// What happens, in one line of a help text.
	What string `json:"what"`
	// Takes holds the default of every setting that the fault takes; a setting
	// without one is refused. Its name, scope and counts are not used.
	Takes Rule `json:"takes,omitzero"`
	// Scope says by what a rule may be restricted.
	Scope Scope `json:"scope,omitzero"`
}

// Scope is by what a fault may be restricted. The zero value: by nothing.
type Scope struct {
	Agent bool `json:"agent,omitempty"`
	Path  bool `json:"path,omitempty"`
	// Operations and Kinds list the values that there are.
	Operations []string `json:"operations,omitempty"`
	Kinds      []string `json:"kinds,omitempty"`
}

// operation is the first half of a fault's name.
func operation(name string) string {
	before, _, _ := strings.Cut(name, ".")
	return before
}

// find returns the kind of a name, or an error that names the nearest.
func find(kinds []Kind, name string) (Kind, error) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i >= 0 {
		return kinds[i], nil
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	near := cmp.Or(suggestion(name, names), "; GET / and bridge simulate faults list all")
	return Kind{}, fmt.Errorf("fault %q is not known%s", name, near)
}

// suggestion is the end of a message about an unknown word: what may have been
// meant. A word without operation is taken for the second half of a name.
func suggestion(word string, known []string) string {
	best, least := []string(nil), 1+len(word)/2
	for _, k := range known {
		d := distance(word, k)
		if _, what, ok := strings.Cut(k, "."); ok && !strings.Contains(word, ".") {
			d = min(d, distance(word, what))
		}
		if d < least {
			best, least = nil, d
		}
		if d == least {
			best = append(best, k)
		}
	}
	if len(best) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(best, " or ") + "?"
}

// distance is how many letters have to be put in, left out or replaced to make
// one word the other.
func distance(a, b string) int {
	costs := make([]int, len(b)+1)
	for j := range costs {
		costs[j] = j
	}
	for i := range len(a) {
		diagonal := costs[0]
		costs[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = costs[j+1]
			costs[j+1] = min(replaced, costs[j]+1, diagonal+1)
		}
	}
	return costs[len(b)]
}
