package reload

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a configuration of two tenants; a test replaces parts of it.
const plain = `
nats: {url: "", subject_prefix: aicc}
listen: {callbacks: "127.0.0.1:8443", admin: "127.0.0.1:8080", nats: "127.0.0.1:4222"}
callbacks: {public_url: "http://bridge.example.com:8443/", allow_insecure_http: true}
log: {level: info}
tenants:
  - name: acme
    timezone: Asia/Shanghai
    privacy: {phone_numbers: keep}
    gateway:
      url: https://gateway.example.com:8043/agentgateway/resource
      agents:
        - {id: "291", phone: "70091", password_file: secrets/291}
        - {id: "292", phone: "70092", password_file: secrets/292}
    files:
      url: https://ccfs.example.com:28443/CCFS/resource/ccfs
      access_key: ak
      secret_key_file: secrets/sk
      request_spacing: 15s
      extracts: {cdr: {window: 1h, settle: 15m}}
  - name: other
    timezone: Asia/Tokyo
    files:
      url: https://ccfs.example.com:28443/CCFS/resource/ccfs
      access_key: ak2
      secret_key_file: secrets/sk2
      extracts: {skill: {}}
`

// held is what the files hold that plain names.
func held() map[string]string {
	return map[string]string{"secrets/291": "p291", "secrets/292": "p292", "secrets/sk": "sk", "secrets/sk2": "sk2", "sk": "sk"}
}

func parsed(t interface{ Fatal(...any) }, text string, files map[string]string) *config.Config {
	c, err := config.Parse("bridge.yaml", []byte(text), config.Environment{
		Lookup: func(string) (string, bool) { return "", false },
		Read: func(path string) ([]byte, fs.FileMode, error) {
			text, ok := files[filepath.ToSlash(path)]
			if !ok {
				return nil, 0, fs.ErrNotExist
			}
			return []byte(text), 0o600, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompare: each change is told by its key, with the values that may be seen, and no others.
func TestCompare(t *testing.T) {
	replaced := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plain) }
	for name, c := range map[string]struct {
		text  string
		files map[string]string // beside, or in place of, those that plain names
		want  []Change
	}{
		"nothing":    {text: plain},
		"the order":  {text: replaced("{id: \"291\", phone: \"70091\", password_file: secrets/291}", "{id: \"292\", phone: \"70092\", password_file: secrets/292}", "{id: \"292\", phone: \"70092\", password_file: secrets/292}", "{id: \"291\", phone: \"70091\", password_file: secrets/291}")},
		"log level":  {text: replaced("level: info", "level: debug"), want: []Change{{Key: "log.level", From: "info", To: "debug", Live: true}}},
		"spacing":    {text: replaced("request_spacing: 15s", "request_spacing: 2s"), want: []Change{{Key: "tenants[acme].files.request_spacing", From: "15s", To: "2s", Live: true}}},
		"secret":     {text: plain, files: map[string]string{"secrets/sk": "hush"}, want: []Change{{Key: "tenants[acme].files.secret_key_file", Live: true}}},
		"other file": {text: replaced("secrets/sk2", "secrets/new"), files: map[string]string{"secrets/new": "hush"}, want: []Change{{Key: "tenants[other].files.secret_key_file", From: "secrets/sk2", To: "secrets/new", Live: true}}},
		"password":   {text: plain, files: map[string]string{"secrets/292": "hush"}, want: []Change{{Key: "tenants[acme].gateway.agents", Detail: "1 changed: 292", Live: true}}},
		"agents": {text: replaced(`{id: "291", phone: "70091"`, `{id: "293", phone: "70093"`), want: []Change{
			{Key: "tenants[acme].gateway.agents", Detail: "1 added: 293; 1 removed: 291", Live: true}}},
		"settle": {text: replaced("settle: 15m", "settle: 5m"), want: []Change{{Key: "tenants[acme].files.extracts.cdr.settle", From: "15m", To: "5m", Live: true}}},
		"window": {text: replaced("window: 1h", "window: 2h"), want: []Change{{Key: "tenants[acme].files.extracts.cdr.window", From: "1h", To: "2h"}}},
		"kind":   {text: replaced("{skill: {}}", "{skill: {}, cdr: {}}"), want: []Change{{Key: "tenants[other].files.extracts.cdr", Detail: "the section is added or removed"}}},
		"privacy": {text: replaced("{phone_numbers: keep}", "{phone_numbers: mask, fields: {caller: drop}}"), want: []Change{
			{Key: "tenants[acme].privacy.phone_numbers", From: "keep", To: "mask", Live: true},
			{Key: "tenants[acme].privacy.fields", From: "{}", To: `{"caller":"drop"}`, Live: true}}},
		"tenant":       {text: replaced("name: other", "name: another"), want: []Change{{Key: "tenants", Detail: "1 added: another; 1 removed: other"}}},
		"zone":         {text: replaced("Asia/Tokyo", "Asia/Seoul"), want: []Change{{Key: "tenants[other].timezone", From: "Asia/Tokyo", To: "Asia/Seoul"}}},
		"data":         {text: replaced("log:", "data_dir: other\nlog:"), want: []Change{{Key: "data_dir", From: "data", To: "other"}}},
		"listener":     {text: replaced("127.0.0.1:8080", "127.0.0.1:8081"), want: []Change{{Key: "listen.admin", From: "127.0.0.1:8080", To: "127.0.0.1:8081"}}},
		"access key":   {text: replaced("access_key: ak2", "access_key: ak3"), want: []Change{{Key: "tenants[other].files.access_key", From: "ak2", To: "ak3", Live: true}}},
		"nats address": {text: replaced(`url: "", subj`, `url: "nats://nats.example.com:4222", subj`), want: []Change{{Key: "nats.url", From: `""`, To: "nats://nats.example.com:4222"}}},
	} {
		files := held()
		for path, text := range c.files {
			files[path] = text
		}
		got := Compare(parsed(t, plain, held()), parsed(t, c.text, files))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, c.want)
		}
		if shown := fmt.Sprintf("%+v", got); strings.Contains(shown, "hush") || strings.Contains(shown, "7009") {
			t.Errorf("%s: %s", name, shown)
		}
	}
}

// TestAccountsStay: which tenants share an access key is settled at the start.
func TestAccountsStay(t *testing.T) {
	one := strings.Replace(strings.Replace(plain, "access_key: ak2", "access_key: ak\n      account_id: \"2\"\n      request_spacing: 15s", 1), "secrets/sk2", "secrets/sk", 1)
	one = strings.Replace(one, "access_key: ak\n", "access_key: ak\n      account_id: \"1\"\n", 1)
	for _, c := range Compare(parsed(t, plain, held()), parsed(t, one, held())) {
		if c.Key == "tenants[other].files.access_key" && c.Live {
			t.Error("a tenant may come to share an access key while the bridge runs")
		}
	}
}

// kinds are all keys of the configuration, as in the table.
func kinds(t reflect.Type, path string) (all []string) {
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		under := join(path, name)
		inner := deref(t.Field(i).Type)
		switch {
		case name == "-":
		case under == "tenants":
			all = append(all, under)
			all = append(all, kinds(inner.Elem(), "tenants[]")...)
		case isSection(inner):
			if t.Field(i).Type.Kind() == reflect.Pointer {
				all = append(all, under)
			}
			all = append(all, kinds(inner, under)...)
		default:
			all = append(all, under)
		}
	}
	return all
}

// TestEveryKeyIsLiveOrRefused: the walk over two configurations comes to every key, whatever
// its type, and a change of one that is not in the table is refused. The table names no others.
func TestEveryKeyIsLiveOrRefused(t *testing.T) {
	all := kinds(reflect.TypeFor[config.Config](), "")
	if len(all) < 100 {
		t.Fatalf("only %d keys were found", len(all))
	}
	for kind := range live {
		if !slices.Contains(all, kind) {
			t.Errorf("the table names %s, which is no key", kind)
		}
	}
	old, new := full(t), full(t)
	for _, kind := range all {
		key := strings.Replace(kind, "tenants[]", "tenants[acme]", 1)
		if kind == "tenants[].name" {
			key = "tenants" // it is another tenant
		}
		restore := alter(t, reflect.ValueOf(new).Elem(), strings.Split(strings.Replace(kind, "tenants[].", "tenants.", 1), "."))
		changes := Compare(old, new)
		i := slices.IndexFunc(changes, func(c Change) bool { return c.Key == key })
		if i < 0 {
			t.Errorf("a change of %s is not noticed: %+v", key, changes)
			continue
		}
		allowed, known := live[kind]
		if changes[i].Live != (known && allowed(old, new)) {
			t.Errorf("%+v, want live: %t", changes[i], known)
		}
		restore()
	}
	if changes := Compare(old, new); len(changes) > 0 {
		t.Errorf("without a change: %+v", changes)
	}
}

// full is a configuration that has every section.
func full(t interface{ Fatal(...any) }) *config.Config {
	text := strings.Replace(plain, "extracts: {cdr: {window: 1h, settle: 15m}}", "extracts: {cdr: {}, recording: {}, operation: {}, skill: {}}\n    monitor: {url: 'https://cms.example.com/rest/cmsapp/v1/openapi', vdn: 39, access_key: ak, secret_key_file: sk}", 1)
	return parsed(t, text, held())
}

// alter gives a key another value, until it is restored.
func alter(t *testing.T, v reflect.Value, path []string) (restore func()) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") != path[0] {
			continue
		}
		f := v.Field(i)
		switch {
		case len(path) == 1 && path[0] == "agents": // with those of the files
			f = v.FieldByName("Agents")
			if !f.IsValid() {
				f = v.Field(i) // of recordings
			}
		case len(path) == 1:
		case f.Kind() == reflect.Slice:
			return alter(t, f.Index(0), path[1:])
		default:
			return alter(t, f, path[1:])
		}
		before := reflect.New(f.Type()).Elem()
		before.Set(f)
		other(t, f)
		return func() { f.Set(before) }
	}
	t.Fatalf("no key %s", path[0])
	return nil
}

// other is another value of the same type.
func other(t *testing.T, f reflect.Value) {
	switch f.Kind() {
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Int, reflect.Int64:
		f.SetInt(f.Int() + 1)
	case reflect.Map:
		f.Set(reflect.ValueOf(map[string]string{"caller": "drop"}))
	case reflect.Slice:
		if f.Len() > 0 {
			f.Set(f.Slice(0, f.Len()-1))
		} else {
			f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
		}
	case reflect.Pointer:
		if f.IsNil() {
			f.Set(reflect.New(f.Type().Elem()))
		} else {
			f.SetZero()
		}
	case reflect.Struct:
		fresh := full(t)
		switch f.Addr().Interface().(type) {
		case *config.Secret:
			if f.IsZero() {
				f.Set(reflect.ValueOf(fresh.Tenants[0].Files.SecretKey))
			} else {
				f.SetZero()
			}
		case *config.WrittenZone:
			f.Set(reflect.ValueOf(zoneOf(t)))
		default: // a time
			f.Set(reflect.ValueOf(timeOf()))
		}
	default:
		t.Fatalf("no other value of %s", f.Type())
	}
}

// write writes a file, as an editor does.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func zoneOf(t *testing.T) config.WrittenZone {
	c := parsed(t, strings.Replace(plain, "request_spacing: 15s", "zone: Asia/Tokyo", 1), held())
	return c.Tenants[0].Files.Zone
}

func timeOf() time.Time { return time.Unix(1_700_000_000, 0) }
