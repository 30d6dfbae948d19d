package config

import (
	"aiccbridge/config/internal/walk"

	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const examplePath = "../bridge.example.yaml"

// simulated answers for the files that `bridge simulate` writes.
func simulated(path string) ([]byte, fs.FileMode, error) {
	files := map[string]string{"ca.pem": "test-only.crt", "bridge.crt": "test-only.crt", "bridge.key": "test-only.key"}
	if name, ok := files[filepath.Base(path)]; ok {
		data, err := os.ReadFile(filepath.Join("testdata", "tls", name))
		return data, 0o600, err
	}
	if !strings.HasPrefix(filepath.ToSlash(path), "../sim/") {
		return nil, 0, fs.ErrNotExist
	}
	return []byte("from-" + filepath.Base(path) + "\n"), 0o600, nil
}

// parseExample loads the sample as if the simulator had written its files.
func parseExample(t *testing.T, variables map[string]string) *Config {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(examplePath, data, Environment{Read: simulated,
		Lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExampleFitsTheSimulator: what the sample must say, so that it runs unedited.
func TestExampleFitsTheSimulator(t *testing.T) {
	c := parseExample(t, nil)
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	tenant := c.Tenants[0]
	got := []string{tenant.Gateway.URL.String(), tenant.Files.URL.String(), c.Callbacks.PublicURL.String(), c.Listen.Callbacks,
		tenant.Timezone.String(), tenant.Files.AccessKey, tenant.Files.SecretKey.Reveal()}
	want := []string{"https://127.0.0.1:8043/agentgateway/resource", "https://127.0.0.1:28443/CCFS/resource/ccfs", "https://127.0.0.1:8443/",
		"127.0.0.1:8443", "Asia/Shanghai", "testak01", "from-secret_key"}
	for _, a := range tenant.Gateway.Agents {
		got = append(got, a.ID+" "+a.Phone+" "+a.Password.Reveal())
	}
	for _, id := range []string{"101", "102", "103", "104", "105"} {
		want = append(want, id+" 700"+id[1:]+" from-"+id)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, e := range tenant.Files.Extracts.Each() {
		if e.Window != time.Hour || e.Settle != 15*time.Minute || !e.Since.IsZero() || len(e.SweepAgain) != 2 {
			t.Errorf("%s: %+v", e.Kind, e.Extract)
		}
	}
	fast := parseExample(t, map[string]string{"AICC_WINDOW": "30s", "AICC_SETTLE": "5s", "AICC_SPACING": "0", "AICC_SINCE": "2026-11-01T00:00:00+08:00"}).Tenants[0].Files
	for _, e := range fast.Extracts.Each() {
		if e.Window != 30*time.Second || e.Settle != 5*time.Second || e.Since.IsZero() || fast.RequestSpacing != 0 {
			t.Errorf("%s from the environment: %+v", e.Kind, e.Extract)
		}
	}
}

// documented is one key of the sample with the comment above it.
type documented struct{ comment, value string }

// readExample finds the comment above the first line of each key, by indentation.
func readExample(t *testing.T) map[string]documented {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	found, path, comment := map[string]documented{}, []string{}, ""
	for line := range strings.SplitSeq(string(data), "\n") {
		text := strings.TrimLeft(line, " -")
		indent := len(line) - len(text)
		if words, ok := strings.CutPrefix(text, "#"); ok {
			comment += words
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if ok && !strings.HasPrefix(text, "{") {
			path = append(path[:min(len(path), indent/2)], make([]string, max(0, indent/2-len(path)))...)
			path = append(path, key)
			full := strings.Join(slices.DeleteFunc(slices.Clone(path), func(s string) bool { return s == "" }), ".")
			if _, before := found[full]; !before {
				found[full] = documented{strings.TrimSpace(comment), strings.TrimSpace(value)}
			}
		}
		comment = ""
	}
	return found
}

// TestExampleDocumentsEveryKey: each key has a comment that states its default
// as the tags do, or that it is required.
func TestExampleDocumentsEveryKey(t *testing.T) {
	example, keysSeen := readExample(t), 0
	eachScalar(reflect.TypeFor[Config](), "", func(path string, field reflect.StructField) {
		if strings.Contains(path, "extracts.recording") || strings.Contains(path, "extracts.operation") || strings.Contains(path, "extracts.skill") {
			return // as cdr
		}
		keysSeen++
		if list, key := ofEmptyList(path, example); list != "" {
			if !strings.Contains(example[list].comment, key) {
				t.Errorf("the comment of %s does not name %s", list, key)
			}
			return
		}
		d, ok := example[path]
		if !ok {
			t.Errorf("%s is not in %s", path, examplePath)
			return
		}
		want := "Default: " + defaultText(field)
		if field.Tag.Get("required") != "" {
			want = "Required"
		}
		i := strings.LastIndex(d.comment, want)
		if i < 0 || !strings.ContainsAny(d.comment[i+len(want):][:1], ".,") {
			t.Errorf("the comment of %s does not say %q: %q", path, want, d.comment)
		}
	})
	if keysSeen < 78 {
		t.Errorf("only %d keys were compared", keysSeen)
	}
}

// ofEmptyList finds the list of sections that a key belongs to, when the sample
// has no entry of it.
func ofEmptyList(path string, example map[string]documented) (list, key string) {
	i := strings.LastIndex(path, ".")
	if i >= 0 && example[path[:i]].value == "[]" {
		return path[:i], path[i+1:]
	}
	return "", ""
}

func defaultText(field reflect.StructField) string {
	switch text := field.Tag.Get("default"); {
	case field.Tag.Get("computed") != "":
		return field.Tag.Get("computed")
	case field.Type.Kind() == reflect.Slice && text != "":
		return "[" + strings.ReplaceAll(text, ",", ", ") + "]"
	case text != "":
		return text
	}
	return "empty"
}

// eachScalar visits every key of the file that is not a section.
func eachScalar(t reflect.Type, path string, visit func(string, reflect.StructField)) {
	for i, name := range walk.Keys(t) {
		if name == "" {
			continue
		}
		field := t.Field(i)
		inner := field.Type
		if inner.Kind() == reflect.Slice || walk.IsOptionalSection(inner) {
			inner = inner.Elem()
		}
		switch key := walk.Join(path, name); {
		case walk.IsSection(inner):
			eachScalar(inner, key, visit)
		default:
			visit(key, field)
		}
	}
}

// TestExampleShowsDefaults: the sample's values are the defaults, apart from
// the keys that differ for the simulator's sake.
func TestExampleShowsDefaults(t *testing.T) {
	forSimulator := []string{"listen.callbacks", "callbacks.public_url", "callbacks.certificate_file", "callbacks.key_file",
		"tenants.gateway.ca_file", "tenants.files.ca_file", "tenants.monitor.ca_file", "tenants.gateway.agents.password_file"}
	example, got := readExample(t), flatten(parseExample(t, nil))
	eachScalar(reflect.TypeFor[Config](), "", func(path string, field reflect.StructField) {
		list, _ := ofEmptyList(path, example)
		if field.Tag.Get("required") != "" || slices.Contains(forSimulator, path) || list != "" {
			return
		}
		v := reflect.New(field.Type).Elem()
		d := decoder{walk.New(examplePath, walk.Environment{})}
		if text := field.Tag.Get("default"); text != "" {
			d.SetDefault(path, v, field)
		}
		if field.Tag.Get("computed") == "hold + 20s" {
			v.SetInt(int64(30 * time.Second))
		}
		if kind, ok := strings.CutSuffix(path, ".silence"); ok && field.Tag.Get("computed") != "" {
			v.SetString(map[bool]string{true: "calendar", false: "learned"}[strings.HasSuffix(kind, ".cdr")])
		}
		if diff := cmp.Diff(value(v), got[path]); diff != "" {
			t.Errorf("%s: default -, example +\n%s(%q)", path, diff, example[path].value)
		}
	})
}

// flatten takes the first entry of each list of sections.
func flatten(c *Config) map[string]any {
	out := map[string]any{}
	var down func(v reflect.Value, path string)
	down = func(v reflect.Value, path string) {
		for i, name := range walk.Keys(v.Type()) {
			if name == "" {
				continue
			}
			f, key := v.Field(i), walk.Join(path, name)
			switch {
			case walk.IsOptionalSection(f.Type()):
				down(f.Elem(), key)
			case walk.IsSection(f.Type()):
				down(f, key)
			case f.Kind() == reflect.Slice && walk.IsSection(f.Type().Elem()):
				if f.Len() > 0 {
					down(f.Index(0), key)
				}
			default:
				out[key] = value(f)
			}
		}
	}
	down(reflect.ValueOf(c).Elem(), "")
	return out
}

// TestTags: every default, bound and pattern can be parsed, and the defaults
// keep their own bounds.
func TestTags(t *testing.T) {
	eachScalar(reflect.TypeFor[Config](), "", func(path string, field reflect.StructField) {
		d := decoder{walk.New("", walk.Environment{})}
		v := reflect.New(field.Type).Elem()
		if field.Tag.Get("default") != "" {
			d.SetDefault(path, v, field)
		}
		item := v.Type()
		if item.Kind() == reflect.Slice {
			item = item.Elem()
		}
		for _, tag := range []string{"min", "max"} {
			if text := field.Tag.Get(tag); text != "" {
				d.Set(path, text, reflect.New(item).Elem(), reflect.StructField{Tag: reflect.StructTag(`yaml:"x"`)})
			}
		}
		if (field.Tag.Get("min") == "") != (field.Tag.Get("max") == "") || (field.Tag.Get("match") == "") != (field.Tag.Get("say") == "") {
			t.Errorf("%s: min goes with max, match with say", path)
		}
		if len(d.Findings) > 0 {
			t.Errorf("%s: %v", path, d.Findings)
		}
	})
}
