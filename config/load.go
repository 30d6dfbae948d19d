package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"aiccbridge/config/internal/quotes"

	"aiccbridge/config/internal/scalar"
)

// Limits that keep a mistaken file (a dump, a binary) from occupying the YAML
// parser, whose time grows with the square of length and depth.
const (
	maxFileBytes = 16 << 20 // of any file; as CSV some 300,000 agents
	maxYAMLBytes = 4 << 20  // some 30,000 agents
	maxMargin    = 20_000   // lines that begin at the margin and are no entries of a list
	maxLineBytes = 4096
	maxDepth     = 64
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
	data, _, err := readFile(path)
	if err != nil {
		return nil, Errors{{File: path, Line: 1, Column: 1, Problem: "cannot be read: " + cause(err),
			Remedy: cure(err, "name the configuration with -c, or start from bridge.example.yaml")}}
	}
	return Parse(path, data, Environment{})
}

// Parse is Load for data that is already there. The name appears in findings;
// its folder is where relative paths start.
func Parse(name string, data []byte, env Environment) (*Config, error) {
	if env.Lookup == nil {
		env.Lookup = os.LookupEnv
	}
	if env.Read == nil {
		env.Read = readFile
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
	if f, at := unreadable(data); f != nil {
		d.reportAt("", at, f)
		return nil, false
	}
	file, err := parseYAML(data)
	if err != nil {
		at, f := syntaxFault(err)
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

// parseYAML shields the program from a panic of the YAML parser on odd input.
func parseYAML(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

func syntaxFault(err error) (position, *scalar.Fault) {
	at, problem := position{line: 1, column: 1}, "this is not YAML: "+err.Error()
	var y yaml.Error
	if errors.As(err, &y) {
		problem = "this is not YAML: " + y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			at = position{line: t.Position.Line, column: t.Position.Column}
		}
	}
	return at, scalar.Faultf("check indentation, colons, brackets and quotes on this line and its neighbours; quote values holding ': ', ' #', { or [", "%s", problem)
}

// unreadable finds what the YAML parser would report badly or take too long over.
func unreadable(data []byte) (*scalar.Fault, position) {
	if len(data) > maxYAMLBytes {
		return scalar.Faultf("check that this is the right file; agents can be moved to a CSV file named in agents_file", "the file is larger than 4 MiB"), position{line: 1, column: 1}
	}
	depth, margin := 0, 0
	for n, line := range strings.Split(string(data), "\n") {
		if i := strings.IndexFunc(line, notText); i >= 0 {
			return scalar.Faultf("save the file as UTF-8 text without control characters", "the line holds something that is not UTF-8 text"),
				position{line: n + 1, column: utf8.RuneCountInString(line[:i]) + 1}
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && len(strings.TrimSpace(line)) > 0 {
			return scalar.Faultf("indent with spaces; most editors can convert", "the line is indented with a tab, which YAML does not allow"), position{line: n + 1, column: i + 1}
		}
		if len(line) > maxLineBytes {
			return scalar.Faultf("check that this is the right file, or break the line", "the line is longer than %d bytes", maxLineBytes), position{line: n + 1, column: 1}
		}
		if strings.Trim(line, "\r") != "" && !strings.Contains(" -#", line[:1]) {
			margin++
		}
		if margin > maxMargin {
			return scalar.Faultf("check that this is the right file; so long a list can be written as CSV", "more than %d keys begin at the margin", maxMargin), position{line: n + 1, column: 1}
		}
		if depth += opens(line); depth > maxDepth {
			return scalar.Faultf("close the brackets that are open", "more than %d brackets are open", maxDepth), position{line: n + 1, column: 1}
		}
	}
	return nil, position{}
}

func notText(r rune) bool {
	return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\r' || r == 0x7f
}

// opens is how many more brackets a line opens than it closes. Brackets in
// comments and quotes count too: it is a guard, not a parser.
func opens(line string) int {
	return strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, 0, errFolder
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if len(data) > maxFileBytes {
		return nil, 0, errLarge
	}
	return data, info.Mode(), err
}

// What is there, but is no file to read.
var (
	errFolder = errors.New("it is a folder")
	errLarge  = errors.New("it is larger than 16 MiB")
)

// cure is what to do about a file that cannot be read; absent when it is not there.
func cure(err error, absent string) string {
	switch {
	case errors.Is(err, errLarge):
		return "check that this is the right file; nothing that the bridge reads is that large"
	case errors.Is(err, errFolder):
		return "name a file in it"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs the bridge read the file and enter its folders"
	}
	return absent
}

// cause is the part of a file error that does not repeat the path.
func cause(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}
