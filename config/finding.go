package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing the user should look at in the file.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`    // from 1
	Column  int    `json:"column"`  // from 1, in characters
	Key     string `json:"key"`     // for example tenants[0].gateway.url; empty: the file as a whole
	Problem string `json:"problem"` // what is wrong
	Remedy  string `json:"remedy"`  // what to do about it
}

// String is "file:line:column: key: problem; remedy".
func (f Finding) String() string {
	key := f.Key
	if key != "" {
		key += ": "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s; %s", f.File, f.Line, f.Column, key, f.Problem, f.Remedy)
}

// Finding is one about a key, for whoever finds out more than the file shows. It stands
// where the value does or, if the file has none, where the section does.
func (c *Config) Finding(key, problem, remedy string) Finding {
	return c.decoder.finding(key, c.decoder.where(key), &fault{problem, remedy})
}

// Errors is every fault of a file, in the order of their positions.
// Load and Parse return it (find it with errors.As), never empty.
type Errors []Finding

// Error prints one fault per line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func byPosition(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
}

func sorted(f []Finding) []Finding {
	slices.SortStableFunc(f, byPosition)
	return f
}

// fault is a problem and its remedy before the position is known.
type fault struct{ problem, remedy string }

func faultf(remedy, problem string, args ...any) *fault {
	return &fault{problem: fmt.Sprintf(problem, args...), remedy: remedy}
}

// nearest returns the candidate with the fewest edits from word.
func nearest(word string, candidates []string) (best string, edits int) {
	edits = -1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); edits < 0 || d < edits {
			best, edits = c, d
		}
	}
	return best, edits
}

// probable is nearest, and whether it is near enough to be what was meant.
// password means password_file.
func probable(word string, candidates []string) (best string, near bool) {
	if slices.Contains(candidates, word+"_file") {
		return word + "_file", true
	}
	best, edits := nearest(word, candidates)
	return best, edits >= 0 && edits <= max(2, len(best)/3)
}

// didYouMean asks for the nearest candidate when it is near enough to be
// meant, and lists all of them otherwise.
func didYouMean(word string, candidates []string) string {
	best, near := probable(word, candidates)
	if near {
		return "did you mean " + best + "?"
	}
	return "nearest is " + best + "; known here: " + strings.Join(candidates, ", ")
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 64 || len(t) > 64 {
		return max(len(s), len(t)) // nobody means such a word
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(s)][len(t)]
}
