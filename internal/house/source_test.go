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

// sourceFile is one file that ships: neither a test nor in a package for tests.
type sourceFile struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File
}

// dir is the folder of the package, from the root.
func (f sourceFile) dir() string { return path.Dir(f.path) }

// source is a part of the repository.
type source struct {
	set   *token.FileSet
	files []sourceFile
}

func newSource() *source { return &source{set: token.NewFileSet()} }

// add parses a file. Packages whose names end in test are for tests, and left out.
func (s *source) add(t *testing.T, name, text string) {
	t.Helper()
	f, err := parser.ParseFile(s.set, name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(f.Name.Name, "test") {
		s.files = append(s.files, sourceFile{name, []byte(text), f})
	}
}

// readSource reads what ships of the repository.
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
