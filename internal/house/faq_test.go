package house

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// saying is a sentence of the program in a page: behind the mark, as code.
var saying = regexp.MustCompile("▸ `([^`]+)`")

// unsaid are the sentences of a page that no file has as they are.
func unsaid(page string, files []sourceFile) (missing []string, all int) {
	for _, m := range saying.FindAllStringSubmatch(page, -1) {
		all++
		if !slices.ContainsFunc(files, func(f sourceFile) bool { return strings.Contains(string(f.text), m[1]) }) {
			missing = append(missing, m[1])
		}
	}
	return missing, all
}

// TestFAQQuotes: what the FAQ has the bridge say, it says.
func TestFAQQuotes(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/faq.md")
	if err != nil {
		t.Fatal(err)
	}
	files := readSource(t).files
	missing, all := unsaid(string(page), files)
	for _, m := range missing {
		t.Errorf("docs/faq.md quotes %q, which nothing in the program says", m)
	}
	if all < 8 {
		t.Errorf("only %d sentences were looked for", all)
	}
	if missing, _ := unsaid("▸ `no bridge is as talkative as this`", files); len(missing) != 1 {
		t.Error("anything would do")
	}
}
