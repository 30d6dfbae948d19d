package reload

import (
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"aiccbridge/config"
)

var updatePage = flag.Bool("update", false, "write docs/configuration.md")

const (
	configurationPage = "../../docs/configuration.md"
	commentedSample   = "../../bridge.example.yaml"
)

const configurationHead = `# Configuration

Every key of the bridge's one YAML file. Made of the program and of the comments of
[bridge.example.yaml](../bridge.example.yaml), which is the file to copy, by

` + "```" + `
go test ./internal/reload -run TestConfigurationPage -update
` + "```" + `

A test fails when this page is stale. ` + "`bridge check`" + ` says every mistake of a file at once, ` + "`bridge check --effective`" + `
what the bridge would run with.

- A key that is left out, or left empty, has its default. A key that is not in this list is an error.
- ` + "`${NAME}` and `${NAME:-default}`" + ` are taken from the environment; ` + "`$${`" + ` is a plain ` + "`${`" + `.
- Relative paths begin at the folder of the file. A *file with a secret* holds one line and is nobody else's to
  read (` + "`chmod 600`" + `); the secret itself never stands in the configuration.
- A *duration* is written 400ms, 15s, 30m, 6h or 3d, a *size* 500MiB or 2GiB, an *instant* 2026-11-01T00:00:00+08:00.
- **Reload**: *yes* is taken by ` + "`bridge reload`" + ` or SIGHUP while the bridge runs, *partly* unless it changes whether there is
  TLS, or who shares an account; everything else needs a restart and is refused by name until then. What files hold is
  noticed by itself ([how](operations.md#a-configuration-that-changes)).
`

// TestConfigurationPage: docs/configuration.md has every key, as the structs of package config,
// the commented sample and the table of what may change say (-update writes it).
func TestConfigurationPage(t *testing.T) {
	sample, err := os.ReadFile(commentedSample)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{comments: commentsOf(string(sample))}
	p.WriteString(configurationHead)
	p.sections(reflect.TypeFor[config.Config]())
	for _, key := range p.undocumented {
		t.Errorf("%s has no comment in bridge.example.yaml", key)
	}
	for key := range live {
		if !p.shown[key] {
			t.Errorf("%s may change, and is not in the page", key)
		}
	}
	if *updatePage {
		if err := os.WriteFile(configurationPage, []byte(p.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(configurationPage)
	if err != nil || string(have) != p.String() {
		t.Errorf("docs/configuration.md is stale (%v); go test ./internal/reload -run TestConfigurationPage -update", err)
	}
	if len(p.shown) < 130 {
		t.Errorf("only %d keys are in the page", len(p.shown))
	}
}

// page is written key by key.
type page struct {
	strings.Builder
	comments     map[string]string // by key, with [] behind lists of sections
	shown        map[string]bool
	undocumented []string
}

// listed is a section that comes with a path of its own.
type listed struct {
	path string
	of   reflect.Type
}

// sections writes a table for each section: the keys of no section first, then the sections in the
// order of the file. Those of one kind of rows stand for the other kinds.
func (p *page) sections(top reflect.Type) {
	p.shown = map[string]bool{}
	queue := []listed{{"", top}}
	for len(queue) > 0 {
		s := queue[0]
		inner := p.table(s)
		queue = append(inner, queue[1:]...)
	}
}

// table writes the keys of one section and returns the sections below it.
func (p *page) table(s listed) (inner []listed) {
	var rows strings.Builder
	for i := range s.of.NumField() {
		f := s.of.Field(i)
		name := f.Tag.Get("yaml")
		if name == "-" || !f.IsExported() {
			continue
		}
		key, of := join(s.path, name), f.Type
		if list := of.Kind() == reflect.Slice; list || of.Kind() == reflect.Pointer {
			of = of.Elem()
			if list && isSection(of) {
				key += "[]"
			}
		}
		switch {
		case isSection(of):
			inner = append(inner, listed{key, of})
		default:
			p.shown[key] = true
			rows.WriteString(p.row(key, name, f))
		}
	}
	if s.path == "tenants[].files.extracts" {
		p.kinds(inner)
		return inner[:1]
	}
	if s.path != "" {
		fmt.Fprintf(p, "\n## %s\n", s.path)
		p.lead(s.path)
	}
	if rows.Len() > 0 {
		p.WriteString("\n| key | value | default | reload | meaning |\n|---|---|---|---|---|\n" + rows.String())
	}
	return inner
}

// kinds says that all kinds of rows have the keys of the first.
func (p *page) kinds(all []listed) {
	fmt.Fprintf(p, "\n## tenants[].files.extracts\n")
	p.lead("tenants[].files.extracts")
	p.WriteString("\nEach of them is a section with the keys that follow for `cdr`.\n")
	for _, kind := range all[1:] {
		for i := range kind.of.NumField() {
			p.shown[join(kind.path, kind.of.Field(i).Tag.Get("yaml"))] = true
		}
	}
}

// lead writes what the sample says of a section as a whole.
func (p *page) lead(path string) {
	p.shown[path] = true
	p.shown[strings.TrimSuffix(path, "[]")] = true
	if text := p.comments[strings.TrimSuffix(path, "[]")]; text != "" {
		fmt.Fprintf(p, "\n%s\n", asText(text))
	}
}

// stated is the end of a comment of the sample that has a column of its own.
var stated = regexp.MustCompile(` ?(Default: [^.]*(\.[^ .][^.]*)*\.|Required(, at least one)?\.)$`)

// row is the line of one key.
func (p *page) row(key, name string, f reflect.StructField) string {
	comment, known := p.comments[key]
	if parent, last, _ := cutLast(key); !known && strings.Contains(p.comments[strings.TrimSuffix(parent, "[]")], last) { // a list without an entry
		comment, known = "See above.", true
	}
	if !known {
		p.undocumented = append(p.undocumented, key)
	}
	meaning := stated.ReplaceAllString(comment, "")
	if why := f.Tag.Get("why"); why != "" {
		meaning = strings.TrimSpace(meaning + " Bounded because " + why + ".")
	}
	if meaning == "" {
		meaning = "With the key before it."
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", name, cell(valueOf(name, f)), cell(defaultOf(comment, f)), reloads(key), cell(asText(meaning)))
}

// placeholder is a word that would be taken for HTML.
var placeholder = regexp.MustCompile(`\S*<[a-z|]+>([^ ,]*[^ ,.])?`)

// asText is a comment of the sample as text of the page.
func asText(comment string) string {
	comment = strings.ReplaceAll(comment, "REAL:", "For a real contact centre:")
	return placeholder.ReplaceAllString(comment, "`$0`")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// cutLast divides a key at its last dot.
func cutLast(key string) (parent, last string, ok bool) {
	i := strings.LastIndex(key, ".")
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// valueOf says what may be written.
func valueOf(name string, f reflect.StructField) string {
	text := kindOf(name, f.Type)
	tag := f.Tag.Get
	if words := tag("oneof"); words != "" {
		quoted := "`" + strings.ReplaceAll(words, "|", "`, `") + "`"
		switch f.Type.Kind() {
		case reflect.Slice:
			text = "list of " + quoted
		case reflect.Map:
			text = "a word for each name: " + quoted
		default:
			text = quoted
		}
	}
	if tag("min") != "" {
		text += ", " + tag("min") + " to " + tag("max")
	}
	if tag("zero") != "" {
		text += "; 0 is " + tag("zero")
	}
	if tag("say") != "" {
		text += ": " + tag("say")
	}
	return text
}

// kindOf says of what type a value is.
func kindOf(name string, of reflect.Type) string {
	if of.Kind() == reflect.Slice {
		return "list of " + plural(kindOf(name, of.Elem()))
	}
	switch of {
	case reflect.TypeFor[config.Secret]():
		return "file with a secret"
	case reflect.TypeFor[config.Size]():
		return "size"
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[time.Time]():
		return "instant"
	case reflect.TypeFor[*time.Location]():
		return "IANA zone"
	case reflect.TypeFor[config.WrittenZone]():
		return "`tenant`, `utc` or IANA zone"
	case reflect.TypeFor[*url.URL]():
		return "URL"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	}
	switch {
	case of.Kind() == reflect.Bool:
		return "`true`, `false`"
	case of.Kind() == reflect.Int:
		return "number"
	case strings.HasSuffix(name, "_file"):
		return "file"
	case strings.HasSuffix(name, "_dir"):
		return "folder"
	}
	return "text"
}

func plural(kind string) string { return strings.TrimSuffix(kind, "y") + "s" }

// defaultOf is the default as a reader would write it.
func defaultOf(comment string, f reflect.StructField) string {
	tag := f.Tag.Get
	switch text := tag("default"); {
	case tag("required") != "" || strings.Contains(comment, "Required"):
		return "**required**"
	case tag("computed") != "":
		return tag("computed")
	case text != "" && f.Type.Kind() == reflect.Slice:
		return "`[" + strings.ReplaceAll(text, ",", ", ") + "]`"
	case text != "":
		return "`" + text + "`"
	}
	if _, after, ok := strings.Cut(comment, "Default: empty, "); ok {
		return "empty: " + strings.TrimSuffix(after, ".")
	}
	return "empty"
}

// reloads says whether a key may change while the bridge runs.
func reloads(key string) string {
	allowed, may := live[key]
	if i := strings.LastIndex(key, "[]."); !may && i > 0 { // entries of a list that changes as a whole
		allowed, may = live[key[:i]]
	}
	if !may {
		return "no"
	}
	if reflect.ValueOf(allowed).Pointer() == reflect.ValueOf(always).Pointer() {
		return "yes"
	}
	return "partly"
}

// commentsOf reads what stands above the first line of each key of the sample.
func commentsOf(sample string) map[string]string {
	comments, path, comment := map[string]string{}, []string{}, ""
	for line := range strings.SplitSeq(sample, "\n") {
		text := strings.TrimLeft(line, " -")
		indent := len(line) - len(text)
		if words, ok := strings.CutPrefix(text, "#"); ok {
			if example, ok := strings.CutPrefix(words, "   "); ok {
				words = "`" + example + "`;"
			}
			comment = strings.TrimSpace(comment + " " + strings.TrimSpace(words))
			continue
		}
		name, _, ok := strings.Cut(text, ":")
		if ok && !strings.HasPrefix(text, "{") {
			path = append(path[:min(len(path), indent/2)], make([]string, max(0, indent/2-len(path)))...)
			path = append(path, name)
			key := keyOf(path)
			if _, before := comments[key]; !before {
				comments[key] = comment
			}
		}
		comment = ""
	}
	return comments
}

// keyOf names a key by the keys around it: the entries of a list are one step further in.
func keyOf(path []string) string {
	var key string
	for _, name := range path {
		if name == "" {
			key += "[]"
			continue
		}
		key = join(key, name)
	}
	return key
}
