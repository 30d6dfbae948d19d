package config

import (
	"cmp"
	"fmt"
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

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/yamlnode"
)

type position struct {
	file         string // empty: the one that is being read
	line, column int
}

// decoder walks the syntax tree along the structs of Config. It never stops at
// a fault: it reports it, marks the key as bad and goes on.
type decoder struct {
	file, dir string
	env       Environment

	at    map[string]position // key path -> where its value is (its key, while there is no value)
	given map[string]bool     // key path -> it is in the file with a value
	bad   map[string]bool     // key path -> reported already; its value means nothing

	findings, warnings []Finding

	patterns map[string]*regexp.Regexp // of the tags
}

func (d *decoder) reportAt(key string, at position, f *scalar.Fault) {
	d.bad[key] = true
	d.findings = append(d.findings, d.finding(key, at, f))
}

func (d *decoder) finding(key string, at position, f *scalar.Fault) Finding {
	return Finding{File: cmp.Or(at.file, d.file), Line: at.line, Column: at.column, Key: key, Problem: f.Problem, Remedy: f.Remedy}
}

// mark remembers where a key is.
func (d *decoder) mark(key string, at position) {
	at.file = d.file
	d.at[key] = at
}

// within reads something in another file, whose relative paths begin at its own folder.
func (d *decoder) within(path string, read func()) {
	file, dir := d.file, d.dir
	d.file, d.dir = path, filepath.Dir(path)
	defer func() { d.file, d.dir = file, dir }()
	read()
}

// report reports a fault of a key, at its value or, when it is missing, at the
// section it is missing from.
func (d *decoder) report(key, remedy, problem string, args ...any) {
	d.reportAt(key, d.where(key), scalar.Faultf(remedy, problem, args...))
}

func (d *decoder) warn(key, remedy, problem string, args ...any) {
	d.warnings = append(d.warnings, d.finding(key, d.where(key), scalar.Faultf(remedy, problem, args...)))
}

func (d *decoder) where(key string) position {
	for key != "" {
		if at, ok := d.at[key]; ok {
			return at
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return position{line: 1, column: 1}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func positionOf(n ast.Node) position {
	at := yamlnode.PlaceOf(n)
	return position{line: at.Line, column: at.Column}
}

// section decodes a mapping into a struct. A nil node is an absent section:
// its defaults apply and its required keys are missing.
func (d *decoder) section(path string, node ast.Node, v reflect.Value) {
	entries, ok := d.entries(path, node)
	if !ok {
		d.bad[path] = true
		return
	}
	fields := keys(v.Type())
	names := slices.DeleteFunc(slices.Clone(fields), func(s string) bool { return s == "" })
	seen, meant := map[string]position{}, map[string]bool{}
	for _, e := range entries {
		name, at := yamlnode.Key(e.Key), positionOf(e.Key)
		key := join(path, name)
		if first, twice := seen[name]; twice {
			d.reportAt(key, at, scalar.Faultf("keep one of the two", "the key is given twice, first on line %d", first.line))
			continue
		}
		seen[name] = at
		if !slices.Contains(names, name) {
			d.reportAt(key, at, yamlnode.Unknown(path, name, names))
			guess, near := scalar.Probable(name, names)
			meant[guess] = near || meant[guess]
			continue
		}
		d.mark(key, at)
		d.value(key, e.Value, v, name)
	}
	for i, name := range fields {
		switch key := join(path, name); {
		case name == "" || seen[name] != position{}:
		case meant[name]:
			d.bad[key] = true // mistyped: do not call it missing as well
		default:
			d.absent(key, v.Field(i), v.Type().Field(i))
		}
	}
}

// entries returns the keys of a mapping; none for an empty or absent one.
func (d *decoder) entries(path string, node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		return nil, true
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	d.reportAt(path, positionOf(node), yamlnode.Wrong(node, "keys with values belong here", "write one key: value per line, indented below"))
	return nil, false
}

// keys lists the yaml keys of a struct by field index; "" for fields that are
// not in the file.
func keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		if k := t.Field(i).Tag.Get("yaml"); k != "-" {
			names[i] = k
		}
	}
	return names
}

// value decodes the node of one key into its field.
func (d *decoder) value(key string, node ast.Node, section reflect.Value, name string) {
	i := slices.Index(keys(section.Type()), name)
	v, field := section.Field(i), section.Type().Field(i)
	if _, empty := node.(*ast.NullNode); !empty {
		d.mark(key, positionOf(node))
	}
	switch {
	case isSection(v.Type()):
		d.given[key] = true
		d.section(key, node, v)
	case isOptionalSection(v.Type()):
		d.given[key] = true
		v.Set(reflect.New(v.Type().Elem()))
		d.section(key, node, v.Elem())
	case v.Kind() == reflect.Slice:
		d.list(key, node, v, field)
	case v.Kind() == reflect.Map:
		d.dictionary(key, node, v, field)
	default:
		d.scalar(key, node, v, field)
	}
}

func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !slices.Contains(scalarStructs(), t)
}

func isOptionalSection(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && isSection(t.Elem())
}

func scalarStructs() []reflect.Type {
	return []reflect.Type{reflect.TypeFor[Secret](), reflect.TypeFor[time.Time](), reflect.TypeFor[url.URL](), reflect.TypeFor[time.Location](), reflect.TypeFor[WrittenZone](), reflect.TypeFor[netip.Prefix]()}
}

// absent gives a key that is not in the file its default, or reports it.
func (d *decoder) absent(key string, v reflect.Value, field reflect.StructField) {
	switch {
	case isSection(v.Type()):
		d.section(key, nil, v)
	case field.Tag.Get("required") != "":
		d.report(key, field.Tag.Get("required"), "the key is missing")
	case field.Tag.Get("default") != "":
		d.setDefault(key, v, field)
	}
}

func (d *decoder) setDefault(key string, v reflect.Value, field reflect.StructField) {
	text := field.Tag.Get("default")
	if v.Kind() != reflect.Slice {
		d.set(key, text, v, field)
		return
	}
	for t := range strings.SplitSeq(text, ",") {
		item := reflect.New(v.Type().Elem()).Elem()
		d.set(key, t, item, field)
		v.Set(reflect.Append(v, item))
	}
}

// list decodes a sequence of sections or of scalars.
func (d *decoder) list(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	if _, empty := node.(*ast.NullNode); empty {
		d.absent(key, v, field)
		return
	}
	s, ok := node.(*ast.SequenceNode)
	if !ok {
		d.reportAt(key, positionOf(node), yamlnode.Wrong(node, "a list belongs here", `begin each entry with "- ", or write [a, b]`))
		return
	}
	d.given[key] = true
	if len(s.Values) == 0 && field.Tag.Get("required") != "" {
		d.report(key, field.Tag.Get("required"), "the list is empty")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, n := range s.Values {
		item := fmt.Sprintf("%s[%d]", key, i)
		d.mark(item, positionOf(n))
		if isSection(v.Type().Elem()) {
			d.section(item, n, v.Index(i))
		} else {
			d.scalar(item, n, v.Index(i), field)
		}
	}
}

// dictionary decodes a mapping whose keys the user chooses. Keys that differ in
// case only are one key given twice.
func (d *decoder) dictionary(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	entries, ok := d.entries(key, node)
	if !ok {
		d.bad[key] = true
		return
	}
	d.given[key] = len(entries) > 0
	seen := map[string]position{}
	for _, e := range entries {
		name, at := yamlnode.Key(e.Key), positionOf(e.Key)
		item, fold := key+"["+name+"]", strings.ToLower(name)
		first, twice := seen[fold]
		seen[fold] = at
		switch {
		case twice:
			d.reportAt(item, at, scalar.Faultf("keep one of the two", "the key is given twice, first on line %d; upper and lower case are the same", first.line))
			continue
		case strings.TrimSpace(name) != name || name == "" || name == "<<" || len(name) > 64 || strings.ContainsFunc(name, unicode.IsControl):
			d.reportAt(item, at, scalar.Faultf("write the name of a JSON key or a column, at most 64 bytes", "the key is not a name"))
			continue
		}
		d.mark(item, positionOf(e.Value))
		value := reflect.New(v.Type().Elem()).Elem()
		d.scalar(item, e.Value, value, field)
		if !d.given[item] && !d.bad[item] {
			d.report(item, "write a value behind the colon, or remove the key", "the value is empty")
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
}

// scalar decodes one value: text, expanded, then by the type of the field. An
// empty value is as good as an absent key, unless the tag says otherwise.
func (d *decoder) scalar(key string, node ast.Node, v reflect.Value, field reflect.StructField) {
	raw, f := yamlnode.Text(node)
	if f != nil {
		d.reportAt(key, positionOf(node), f)
		return
	}
	_, null := node.(*ast.NullNode)
	d.text(key, raw, null, v, field)
}

// text is scalar for the text of a value. null: none is given.
func (d *decoder) text(key, raw string, null bool, v reflect.Value, field reflect.StructField) {
	text, f := scalar.Expand(raw, d.env.Lookup)
	if f != nil {
		d.reportAt(key, d.where(key), f)
		return
	}
	if text == "" && (null || field.Tag.Get("empty") != "keep") {
		d.absent(key, v, field)
		return
	}
	d.given[key] = true
	d.set(key, text, v, field)
}

// path joins a relative path to the folder of the configuration file.
func (d *decoder) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(d.dir, p)
}
