// Package walk decodes the syntax tree of a YAML file along structs: their tags are the names,
// defaults and bounds of what the file may say.
//
// Invariants:
//   - It never stops at a fault: it reports it, marks the key as bad and goes on.
//   - A key's path (tenants[0].name) is how everybody speaks of it; the decoder knows where in
//     which file its value is.
package walk

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"aiccbridge/config/internal/finding"
	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/secret"
	"aiccbridge/config/internal/yamlnode"
)

// Position is a place in a file.
type Position struct {
	File         string // empty: the one that is being read
	Line, Column int
}

// Environment is what a file refers to outside its own text. All are required.
type Environment struct {
	Lookup func(name string) (value string, set bool)
	Read   func(path string) ([]byte, fs.FileMode, error)
	Now    func() time.Time
}

// Decoder walks the syntax tree along structs.
type Decoder struct {
	File, Dir string // being read; relative paths begin at Dir
	Env       Environment

	Given map[string]bool // key path -> it is in the file with a value
	Bad   map[string]bool // key path -> reported already; its value means nothing

	Findings, Warnings []finding.Finding

	at       map[string]Position       // key path -> where its value is (its key, while there is no value)
	patterns map[string]*regexp.Regexp // of the tags
}

// New returns a decoder of a file; its name appears in findings.
func New(file string, env Environment) *Decoder {
	return &Decoder{File: file, Dir: filepath.Dir(file), Env: env,
		at: map[string]Position{}, Given: map[string]bool{}, Bad: map[string]bool{}}
}

// ReportAt reports a fault of a key that is not where its value is.
func (d *Decoder) ReportAt(key string, at Position, f *scalar.Fault) {
	d.Bad[key] = true
	d.Findings = append(d.Findings, d.Finding(key, at, f))
}

// Finding is one about a key, at a place.
func (d *Decoder) Finding(key string, at Position, f *scalar.Fault) finding.Finding {
	return finding.Finding{File: cmp.Or(at.File, d.File), Line: at.Line, Column: at.Column, Key: key, Problem: f.Problem, Remedy: f.Remedy}
}

// Mark remembers where a key is.
func (d *Decoder) Mark(key string, at Position) {
	at.File = d.File
	d.at[key] = at
}

// Within reads something in another file, whose relative paths begin at its own folder.
func (d *Decoder) Within(path string, read func()) {
	file, dir := d.File, d.Dir
	d.File, d.Dir = path, filepath.Dir(path)
	defer func() { d.File, d.Dir = file, dir }()
	read()
}

// Report reports a fault of a key, at its value or, when it is missing, at the
// section it is missing from.
func (d *Decoder) Report(key, remedy, problem string, args ...any) {
	d.ReportAt(key, d.Where(key), scalar.Faultf(remedy, problem, args...))
}

// Warn notes what does not keep the file from being used.
func (d *Decoder) Warn(key, remedy, problem string, args ...any) {
	d.Warnings = append(d.Warnings, d.Finding(key, d.Where(key), scalar.Faultf(remedy, problem, args...)))
}

// Where is the place of a key or, while it has none, of what it is in.
func (d *Decoder) Where(key string) Position {
	for key != "" {
		if at, ok := d.at[key]; ok {
			return at
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return Position{Line: 1, Column: 1}
}

// Join is the path of a key in a section; "" is the file itself.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func PositionOf(n ast.Node) Position {
	at := yamlnode.PlaceOf(n)
	return Position{Line: at.Line, Column: at.Column}
}

// Section decodes a mapping into a struct. A nil node is an absent section:
// its defaults apply and its required keys are missing.
func (d *Decoder) Section(path string, node ast.Node, v reflect.Value) {
	entries, ok := d.Entries(path, node)
	if !ok {
		d.Bad[path] = true
		return
	}
	fields := Keys(v.Type())
	names := slices.DeleteFunc(slices.Clone(fields), func(s string) bool { return s == "" })
	seen, meant := map[string]Position{}, map[string]bool{}
	for _, e := range entries {
		name, at := yamlnode.Key(e.Key), PositionOf(e.Key)
		key := Join(path, name)
		if first, twice := seen[name]; twice {
			d.ReportAt(key, at, scalar.Faultf("keep one of the two", "the key is given twice, first on line %d", first.Line))
			continue
		}
		seen[name] = at
		if !slices.Contains(names, name) {
			d.ReportAt(key, at, yamlnode.Unknown(path, name, names))
			guess, near := scalar.Probable(name, names)
			meant[guess] = near || meant[guess]
			continue
		}
		d.Mark(key, at)
		d.value(key, e.Value, v, name)
	}
	for i, name := range fields {
		switch key := Join(path, name); {
		case name == "" || seen[name] != Position{}:
		case meant[name]:
			d.Bad[key] = true // mistyped: do not call it missing as well
		default:
			d.Absent(key, v.Field(i), v.Type().Field(i))
		}
	}
}

// Entries returns the keys of a mapping; none for an empty or absent one.
func (d *Decoder) Entries(path string, node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return nil, true
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.ReportAt(path, PositionOf(node), yamlnode.Wrong(node, "keys with values belong here", "write one key: value per line, indented below"))
	return nil, false
}

// Keys lists the yaml Keys of a struct by field index; "" for fields that are
// not in the file.
func Keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		if k := t.Field(i).Tag.Get("yaml"); k != "-" {
			names[i] = k
		}
	}
	return names
}

// value decodes the node of one key into its field.
func (d *Decoder) value(key string, node ast.Node, section reflect.Value, name string) {
	i := slices.Index(Keys(section.Type()), name)
	v, field := section.Field(i), section.Type().Field(i)
	if _, empty := node.(*ast.NullNode); !empty {
		d.Mark(key, PositionOf(node))
	}
	switch {
	case IsSection(v.Type()):
		d.Given[key] = true
		d.Section(key, node, v)
	case IsOptionalSection(v.Type()):
		d.Given[key] = true
		v.Set(reflect.New(v.Type().Elem()))
		d.Section(key, node, v.Elem())
	case v.Kind() == reflect.Slice:
		d.List(key, node, v, field)
	case v.Kind() == reflect.Map:
		d.dictionary(key, node, v, field)
	default:
		d.scalar(key, node, v, field)
	}
}

func IsSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !slices.Contains(scalarStructs(), t)
}

func IsOptionalSection(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && IsSection(t.Elem())
}

func scalarStructs() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[secret.Secret](), reflect.TypeFor[time.Time](), reflect.TypeFor[url.URL](), reflect.TypeFor[time.Location](), reflect.TypeFor[scalar.WrittenZone](), reflect.TypeFor[netip.Prefix]()}
}

// Absent gives a key that is not in the file its default, or reports it.
func (d *Decoder) Absent(key string, v reflect.Value, field reflect.StructField) {
	switch {
	case IsSection(v.Type()):
		d.Section(key, nil, v)
	case field.Tag.Get("required") != "":
		d.Report(key, field.Tag.Get("required"), "the key is missing")
	case field.Tag.Get("default") != "":
		d.SetDefault(key, v, field)
	}
}

// SetDefault gives a field what its tag says.
func (d *Decoder) SetDefault(key string, v reflect.Value, field reflect.StructField) {
	text := field.Tag.Get("default")
	if v.Kind() != reflect.Slice {
		d.Set(key, text, v, field)
		return
	}
	for t := range strings.SplitSeq(text, ",") {
		item := reflect.New(v.Type().Elem()).Elem()
		d.Set(key, t, item, field)
		v.Set(reflect.Append(v, item))
	}
}

// List decodes a sequence of sections or of scalars.
func (d *Decoder) List(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	if _, empty := node.(*ast.NullNode); empty {
		d.Absent(key, v, field)
		return
	}
	s, ok := node.(*ast.SequenceNode)
	if !ok {
		d.ReportAt(key, PositionOf(node), yamlnode.Wrong(node, "a list belongs here", `begin each entry with "- ", or write [a, b]`))
		return
	}
	d.Given[key] = true
	if len(s.Values) == 0 && field.Tag.Get("required") != "" {
		d.Report(key, field.Tag.Get("required"), "the list is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, n := range s.Values {
		item := fmt.Sprintf("%s[%d]", key, i)
		d.Mark(item, PositionOf(n))
		if IsSection(v.Type().Elem()) {
			d.Section(item, n, v.Index(i))
		} else {
			d.scalar(item, n, v.Index(i), field)
		}
	}
}

// dictionary decodes a mapping whose keys the user chooses. Keys that differ in
// case only are one key given twice.
func (d *Decoder) dictionary(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	entries, ok := d.Entries(key, node)
	if !ok {
		d.Bad[key] = true
		return
	}
	d.Given[key] = len(entries) > 0
	seen := map[string]Position{}
	for _, e := range entries {
		name, at := yamlnode.Key(e.Key), PositionOf(e.Key)
		item, fold := key+"["+name+"]", strings.ToLower(name)
		first, twice := seen[fold]
		seen[fold] = at
		switch {
		case twice:
			d.ReportAt(item, at, scalar.Faultf("keep one of the two", "the key is given twice, first on line %d; upper and lower case are the same", first.Line))
			continue
		case strings.TrimSpace(name) != name || name == "" || name == "<<" || len(name) > 64 || strings.ContainsFunc(name, unicode.IsControl):
			d.ReportAt(item, at, scalar.Faultf("write the name of a JSON key or a column, at most 64 bytes", "the key is not a name"))
			continue
		}
		d.Mark(item, PositionOf(e.Value))
		value := reflect.New(v.Type().Elem()).Elem()
		d.scalar(item, e.Value, value, field)
		if !d.Given[item] && !d.Bad[item] {
			d.Report(item, "write a value behind the colon, or remove the key", "the value is empty")
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
}

// scalar decodes one value: text, expanded, then by the type of the field. An
// empty value is as good as an absent key, unless the tag says otherwise.
func (d *Decoder) scalar(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	raw, f := yamlnode.Text(node)
	if f != nil {
		d.ReportAt(key, PositionOf(node), f)
		return
	}
	_, null := node.(*ast.NullNode)
	d.Text(key, raw, null, v, field)
}

// Text is scalar for the text of a value. null: none is given.
func (d *Decoder) Text(key, raw string, null bool, v reflect.Value, field reflect.StructField) {
	text, f := scalar.Expand(raw, d.Env.Lookup)
	if f != nil {
		d.ReportAt(key, d.Where(key), f)
		return
	}
	if text == "" && (null || field.Tag.Get("empty") != "keep") {
		d.Absent(key, v, field)
		return
	}
	d.Given[key] = true
	d.Set(key, text, v, field)
}

// path joins a relative path to the folder of the configuration file.
func (d *Decoder) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(d.Dir, p)
}
