package config

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/goccy/go-yaml/ast"

	"aiccbridge/config/internal/quotes"
	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/source"
)

// Environment is what a configuration refers to outside its own text.
// The zero value is the process's environment and file system.
type Environment struct {
	Lookup func(name string) (value string, set bool)     // nil: os.LookupEnv
	Read   func(path string) ([]byte, fs.FileMode, error) // nil: the file system, at most 16 MiB
	Now    func() time.Time                               // nil: time.Now
}

// Load reads and validates the file. Its error is Errors, also when the file
// itself cannot be read.
func Load(path string) (*Config, error) {
	data, _, err := source.Read(path)
	if err != nil {
		return nil, Errors{{File: path, Line: 1, Column: 1, Problem: "cannot be read: " + source.Cause(err),
			Remedy: source.Cure(err, "name the configuration with -c, or start from bridge.example.yaml")}}
	}
	return Parse(path, data, Environment{})
}

// ReadFile reads as Load does, and returns the file's mode.
func ReadFile(path string) ([]byte, fs.FileMode, error) { return source.Read(path) }

// Parse is Load for data that is already there. The name appears in findings;
// its folder is where relative paths start.
func Parse(name string, data []byte, env Environment) (*Config, error) {
	if env.Lookup == nil {
		env.Lookup = os.LookupEnv
	}
	if env.Read == nil {
		env.Read = source.Read
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	d := &decoder{file: name, dir: filepath.Dir(name), env: env,
		at: map[string]position{}, given: map[string]bool{}, bad: map[string]bool{}}
	root, ok := d.parse(data)
	if !ok {
		return nil, Errors(d.findings)
	}
	var c Config
	d.section("", root, reflect.ValueOf(&c).Elem())
	d.validate(&c)
	if len(d.findings) > 0 {
		return nil, Errors(d.sorted(d.findings))
	}
	c.Warnings, c.decoder = d.sorted(d.warnings), d
	return &c, nil
}

// parse returns the root node; nil for an empty file.
func (d *decoder) parse(data []byte) (ast.Node, bool) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if f, line, column := source.Unreadable(data); f != nil {
		d.reportAt("", position{line: line, column: column}, f)
		return nil, false
	}
	file, err := source.ParseYAML(data)
	if err != nil {
		f, line, column := source.SyntaxFault(err)
		at := position{line: line, column: column}
		if line, column, ok := quotes.Unclosed(string(data)); ok {
			at, f = position{line: line, column: column}, scalar.Faultf("close the quote on this line, or double a ' inside '...'; the rest of the file was read as part of the value",
				"the quote that opens here is not closed before the end of its value")
		}
		d.reportAt("", at, f)
		return nil, false
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		d.reportAt("", positionOf(file.Docs[1].Body), scalar.Faultf("remove the --- line, or everything from it on", "a second YAML document begins here"))
		return nil, false
	}
	if len(file.Docs) == 0 {
		return nil, true
	}
	return file.Docs[0].Body, true
}
