package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/config/internal/source"
)

var update = flag.Bool("update", false, "write the golden files")

// testEnv is an environment of which a test knows everything: a few variables,
// and files that nobody else may read, whatever a checkout made of their modes.
func testEnv() Environment {
	variables := map[string]string{"TEST_PREFIX": "cc", "EMPTY": ""}
	return Environment{
		Lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		Read: func(path string) ([]byte, fs.FileMode, error) {
			if filepath.IsAbs(path) {
				return nil, 0, fs.ErrNotExist // the fuzzer shall not find devices
			}
			data, _, err := source.Read(path)
			return data, 0o600, err
		},
	}
}

func parseFile(t *testing.T, path string) (*Config, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(filepath.ToSlash(path), data, testEnv())
}

func glob(t *testing.T, pattern string, least int) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < least {
		t.Fatalf("%d files for %s, want at least %d (%v)", len(files), pattern, least, err)
	}
	return files
}

func TestGood(t *testing.T) {
	for _, path := range glob(t, "testdata/*.good.yaml", 5) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c, err := parseFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warnings: %v", c.Warnings)
			}
		})
	}
}

// TestBad: each broken file is reported completely, with position, cause and remedy.
func TestBad(t *testing.T) {
	for _, path := range glob(t, "testdata/*.bad.yaml", 10) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := parseFile(t, path)
			var faults Errors
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("error %v, want Errors", err)
			}
			for _, f := range faults {
				if f.File == "" || f.Line < 1 || f.Column < 1 || f.Problem == "" || f.Remedy == "" {
					t.Errorf("incomplete finding: %+v", f)
				}
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is repeated")
			}
		})
	}
}
