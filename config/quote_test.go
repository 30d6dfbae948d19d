package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aiccbridge/config/internal/source"
)

// TestUnclosedQuote: the line named is the one where the quote opens, wherever the
// parser stumbles.
func TestUnclosedQuote(t *testing.T) {
	for name, c := range map[string]struct {
		text         string
		line, column int
	}{
		"double, closed by the next":   {"log: { level: info }\ndata_dir: \"abc\ntenants:\n  - name: acme\n    timezone: \"Asia/Shanghai\"\n", 2, 11},
		"double, to the end":           {"data_dir: \"abc\ntenants:\n  - name: acme\n", 1, 11},
		"single, to the end":           {"\n\ndata_dir: 'abc\ntenants:\n  - name: acme\n", 3, 11},
		"single, closed by the next":   {"tenants:\n  - name: 'acme\n    timezone: 'UTC'\n", 2, 11},
		"an apostrophe inside":         {"log:\n  level: 'it's'\n", 2, 10},
		"in one line":                  {"tenants:\n  - { name: \"acme, timezone: \"Asia/Shanghai\" }\n", 2, 13},
		"in a list":                    {"callbacks:\n  allow: [ \"192.0.2.1, '192.0.2.2' ]\n", 2, 12},
		"an escape at the end":         {"data_dir: \"C:\\data\\\"\nlog: { level: \"info\" }\n", 1, 11},
		"a key":                        {"\"data_dir: abc\nlog:\n  level: \"info\"\n", 1, 1},
		"after a comment with a quote": {"# it's \"here\ndata_dir: \"abc # \"\n\nlog: 'info\n", 4, 6},
		"behind signs of two bytes":    {"tenants: [{ name: ä, timezone: \"UTC }]\n", 1, 32},
	} {
		_, err := Parse("bridge.yaml", []byte(c.text), testEnv())
		var found Errors
		if !errors.As(err, &found) || len(found) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f := found[0]; f.Line != c.line || f.Column != c.column || !strings.Contains(f.Problem, "quote") {
			t.Errorf("%s: %s, want %d:%d", name, f, c.line, c.column)
		}
	}
}

// TestOtherSyntaxFault: a fault of another kind keeps its own place.
func TestOtherSyntaxFault(t *testing.T) {
	_, err := Parse("bridge.yaml", []byte("a: \"b\"\nc: [d\n"), testEnv())
	if err == nil || strings.Contains(err.Error(), "quote that opens") {
		t.Error(err)
	}
}

// TestUnreadableFiles: what is said of a file that cannot be read fits why.
func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("#\n", source.MaxFileBytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot be read: there is no such file; name the configuration with -c",
		large:                           "cannot be read: it is larger than 16 MiB; check that this is the right file",
		dir:                             "cannot be read: it is a folder; name a file in it",
	} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		text := "tenants: [{ name: acme, timezone: UTC, files: { secret_key_file: " + path + " } }]\n"
		_, remedy, _ := strings.Cut(want, "; ")
		if strings.HasPrefix(remedy, "name the configuration") {
			remedy = "create the file or correct the path"
		}
		if _, err := Parse("bridge.yaml", []byte(text), Environment{}); err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("of a secret: %v, want %q", err, remedy)
		}
	}
}
