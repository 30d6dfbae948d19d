package scalar

import (
	"slices"
	"strings"
)

// Nearest returns the candidate with the fewest edits from word.
func Nearest(word string, candidates []string) (best string, edits int) {
	edits = -1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); edits < 0 || d < edits {
			best, edits = c, d
		}
	}
	return best, edits
}

// Probable is Nearest, and whether it is near enough to be what was meant.
// password means password_file, and proxy proxy_url.
func Probable(word string, candidates []string) (best string, near bool) {
	for _, end := range []string{"_file", "_url"} {
		if slices.Contains(candidates, word+end) {
			return word + end, true
		}
	}
	best, edits := Nearest(word, candidates)
	return best, edits >= 0 && edits <= max(2, len(best)/3)
}

// DidYouMean asks for the nearest candidate when it is near enough to be
// meant, and lists all of them otherwise.
func DidYouMean(word string, candidates []string) string {
	best, near := Probable(word, candidates)
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
