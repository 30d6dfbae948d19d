package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository, as seen from here.
const root = "../.."

// sourceFile is one file that is no test.
type sourceFile struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File
}

// dir is the folder of the package, from the root.
func (f sourceFile) dir() string { return path.Dir(f.path) }

// source is a part of the repository, without its tests.
type source struct {
	set      *token.FileSet
	files    []sourceFile // what ships
	forTests []sourceFile // packages that only tests use
}

func newSource() *source { return &source{set: token.NewFileSet()} }

// isForTests reports whether a package is for tests: its name ends in test.
func isForTests(name string) bool { return strings.HasSuffix(name, "test") }

// add parses a file.
func (s *source) add(t *testing.T, name, text string) {
	t.Helper()
	f, err := parser.ParseFile(s.set, name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	file := sourceFile{name, []byte(text), f}
	if isForTests(f.Name.Name) {
		s.forTests = append(s.forTests, file)
	} else {
		s.files = append(s.files, file)
	}
}

// readSource reads the repository.
func readSource(t *testing.T) *source {
	t.Helper()
	s := newSource()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := e.Name()
		if e.IsDir() && name != root && (base == "testdata" || base[0] == '.' || base[0] == '_') {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		from, err := filepath.Rel(root, name)
		if err == nil {
			s.add(t, filepath.ToSlash(from), string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.files) < 100 {
		t.Fatalf("only %d files were looked at", len(s.files))
	}
	return s
}
