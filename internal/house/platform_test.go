package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"aiccbridge/internal/platformsim"
)

// The page docs/platform.md lists what the platform offers.
var (
	namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)[^`]*`")
	quoted    = regexp.MustCompile("`([^`]+)`")
)

// wrongTests are the tests that a page names and nobody has, by packages and tests as in
// the page; there says whether a package, named by the end of its folder, has a test.
func wrongTests(page string, there func(pkg, test string) bool) (wrong []string, named int) {
	for _, m := range namedTest.FindAllStringSubmatch(page, -1) {
		named++
		if !there(m[1], m[2]) {
			wrong = append(wrong, m[1]+"."+m[2])
		}
	}
	return wrong, named
}

// unlisted are the operations that no row of a page begins with.
func unlisted(page string, operations []string) (missing []string) {
	listed := map[string]bool{}
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "|") && len(cells) > 2 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1]+cells[len(cells)-2], -1) {
				listed[m[1]] = true
			}
		}
	}
	for _, o := range operations {
		if !listed[o] {
			missing = append(missing, o)
		}
	}
	return missing
}

// testsOf reads the tests of all packages, by the folder.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	all := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		dir := path.Dir(filepath.ToSlash(name))
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			all[dir] = append(all[dir], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPlatformPage(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/platform.md")
	if err != nil {
		t.Fatal(err)
	}
	all := testsOf(t)
	wrong, named := wrongTests(string(page), func(pkg, test string) bool {
		for dir, tests := range all {
			if strings.HasSuffix(dir, "/"+pkg) && slices.Contains(tests, test) {
				return true
			}
		}
		return false
	})
	for _, w := range wrong {
		t.Errorf("docs/platform.md names %s, which does not exist", w)
	}
	var operations []string
	for _, k := range platformsim.FaultKinds() {
		operations = append(operations, k.Scope.Operations...)
	}
	slices.Sort(operations)
	operations = slices.Compact(operations)
	for _, o := range unlisted(string(page), operations) {
		t.Errorf("docs/platform.md does not list %s of the simulator", o)
	}
	if named < 40 || len(operations) < 35 {
		t.Errorf("only %d tests and %d operations were looked at", named, len(operations))
	}
}

func TestPlatformPageBites(t *testing.T) {
	const page = "| `a`, `b` | 1 | `ccfs.TestA/<code>` | says `d` |\n`c` and `ccfs.TestB`, `x/ccfs.TestC`\n"
	wrong, named := wrongTests(page, func(pkg, test string) bool { return pkg == "ccfs" && test == "TestA" })
	if named != 3 || !slices.Equal(wrong, []string{"ccfs.TestB", "x/ccfs.TestC"}) {
		t.Errorf("%d tests, wrong %q", named, wrong)
	}
	if got := unlisted(page, []string{"a", "b", "c", "d"}); !slices.Equal(got, []string{"c"}) {
		t.Errorf("unlisted %q", got)
	}
}
