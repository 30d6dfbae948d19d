package house

import (
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// unproved are the rows of the table of threats that name no package, or no test.
func unproved(page string) (rows []string) {
	_, table, _ := strings.Cut(page, "## Threats")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 3 || strings.HasPrefix(line, "| threat") || strings.HasPrefix(line, "|---") {
			continue
		}
		if len(cells) != 3 || !namedTest.MatchString(cells[2]) {
			rows = append(rows, strings.TrimSpace(cells[0]))
		}
	}
	return rows
}

// hasTest reports whether a package, named by its path or the end of it, has a test.
func hasTest(all map[string][]string) func(pkg, test string) bool {
	return func(pkg, test string) bool {
		for dir, tests := range all {
			if strings.HasSuffix("/"+dir, "/"+pkg) && slices.Contains(tests, test) {
				return true
			}
		}
		return false
	}
}

// TestSecurityPage: docs/security.md names, for each threat, a package and a test that exist.
func TestSecurityPage(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	page, all := string(text), testsOf(t)
	wrong, named := wrongTests(page, hasTest(all))
	for _, w := range wrong {
		t.Errorf("docs/security.md names %s, which does not exist", w)
	}
	for _, row := range unproved(page) {
		t.Errorf("docs/security.md: nothing is named that shows it: %s", row)
	}
	packages := readSource(t).packages()
	for _, m := range quoted.FindAllStringSubmatch(page, -1) {
		top, _, _ := strings.Cut(m[1], "/")
		isPath := strings.Contains(m[1], "/") && slices.Contains([]string{"bus", "callbacks", "config", "exporter", "internal", "poller", "schemas"}, top)
		if isPath && !strings.Contains(m[1], ".") && !slices.ContainsFunc(packages, func(p pkg) bool { return p.ImportPath == module+m[1] }) {
			t.Errorf("docs/security.md names the package %s, which does not exist", m[1])
		}
	}
	if named < 40 || len(unproved("## Threats\n| a | b (`bus`) | none |\n| c | d | `"+path.Base("x/ccfs")+".TestA` |\n")) != 1 {
		t.Errorf("only %d tests were looked at, or a row without one would do", named)
	}
}
