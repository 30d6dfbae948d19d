package optionfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
)

// TestFileOverBase: what the file mentions replaces what is there, however deep,
// and the rest stays.
func TestFileOverBase(t *testing.T) {
	base := platformsim.Options{
		Seed: 7, Agents: 3, Timezone: time.UTC, Pace: world.Pace{Idle: time.Second, Talk: time.Minute},
		Gateway: gateway.Options{WaitTimes: 8, Shape: gateway.Shape{Idle: "null", NoGenTime: true}},
	}
	file := filepath.Join(t.TempDir(), "sim.yaml")
	for name, text := range map[string]string{
		"YAML": "agents: 9\ntimezone: Europe/Berlin\npace: {talk: 90s}\ngateway:\n  static_guid: true\n  shape: {idle: list}\n" +
			"files: {form: {charset: gbk}}\nfaults:\n- {fault: poll.slow, next: 2, delay: 25s}\n",
		"JSON": `{"agents":9,"timezone":"Europe/Berlin","pace":{"talk":"90s"},"gateway":{"static_guid":true,"shape":{"idle":"list"}},
			"files":{"form":{"charset":"gbk"}},"faults":[{"fault":"poll.slow","next":2,"delay":"25s"}]}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := Load(file, base)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.Agents != 9 || o.Seed != 7 || o.Timezone.String() != "Europe/Berlin" || o.Pace.Talk != 90*time.Second || o.Pace.Idle != time.Second {
			t.Errorf("%s: %+v", name, o)
		}
		if g := o.Gateway; !g.StaticGUID || g.WaitTimes != 8 || g.Shape != (gateway.Shape{Idle: "list", NoGenTime: true}) {
			t.Errorf("%s: gateway %+v", name, g)
		}
		if want := []fault.Rule{{Fault: "poll.slow", Next: 2, Delay: fault.Duration(25 * time.Second)}}; !cmp.Equal(o.Faults, want) || o.Files.Form.Charset != "gbk" {
			t.Errorf("%s: %+v %+v", name, o.Faults, o.Files.Form)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"gatewy: {}\n":                                 "gatewy",
		"gateway: {hold: 3s}\n":                        "hold",
		"gateway: {shape: {idel: list}}\n":             "idel",
		"files:\n  form:\n    colour: red\n":           "colour",
		"world: {seed: 3}\n":                           "seed", // it is at the top
		"faults: [{fault: poll.cut, nxt: 1}]\n":        "nxt",
		"pace: {talk: long}\n":                         "long",
		"agents: many\n":                               "[1:9]",
		"timezone: Nowhere\n":                          "Nowhere: no such zone",
		"agents: [\n":                                  "[",
		"files: {access_key: a, secret_key: [s3cr3t]}": "string",
	} {
		_, err := decode([]byte(text), platformsim.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the secret is in the error: %v", text, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "missing.yaml"), platformsim.Options{}); err == nil {
		t.Error("a file that is not there was read")
	}
	if o, err := decode([]byte("# nothing\n"), platformsim.Options{Agents: 4}); err != nil || o.Agents != 4 {
		t.Errorf("an empty file: %+v %v", o, err)
	}
}

// keys are the names of all settings that a struct has, with those of the sections
// below it.
func keys(t reflect.Type, under string, out map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, inline, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case inline == "inline":
			keys(f.Type, under, out)
		case f.Type.Kind() == reflect.Struct:
			keys(f.Type, under+name+".", out)
		default:
			out[under+name] = true
		}
	}
}

func flat(m map[string]any, under string, out map[string]bool) {
	for k, v := range m {
		if section, ok := v.(map[string]any); ok {
			flat(section, under+k+".", out)
		} else {
			out[under+k] = true
		}
	}
}

// TestExampleHasEverySetting, and nothing else.
func TestExampleHasEverySetting(t *testing.T) {
	var m map[string]any
	if err := yaml.Unmarshal([]byte(Example()), &m); err != nil {
		t.Fatal(err)
	}
	shown, there := map[string]bool{}, map[string]bool{}
	flat(m, "", shown)
	keys(reflect.TypeFor[document](), "", there)
	if diff := cmp.Diff(there, shown); diff != "" || len(there) < 60 {
		t.Errorf("-there is, +the example shows: %s", diff)
	}
}

func TestExampleMakesAPlatform(t *testing.T) {
	o, err := decode([]byte(Example()), platformsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := platformsim.New(o); err != nil {
		t.Error(err)
	}
	// The rules that it shows as examples are good ones.
	rules := "faults:\n"
	for _, line := range strings.Split(Example(), "\n") {
		if rule, ok := strings.CutPrefix(line, "#   - "); ok {
			rules += "- " + rule + "\n"
		}
	}
	if o, err = decode([]byte(rules), o); err != nil || len(o.Faults) != 2 {
		t.Fatalf("%+v %v", o.Faults, err)
	}
	if _, err := platformsim.New(o); err != nil {
		t.Error(err)
	}
}

// TestProfiles: each is a platform of its own, and leaves alone what it does not mention.
func TestProfiles(t *testing.T) {
	names, about := Profiles()
	if want := []string{"2018-demo", "2023", "2025", "2026"}; !cmp.Equal(names, want) {
		t.Errorf("profiles %q, want %q", names, want)
	}
	page, err := os.ReadFile("../../../docs/platform.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if row := "| `" + name + "` | " + about[name] + " |"; about[name] == "" || !strings.Contains(string(page), row) {
			t.Errorf("docs/platform.md has no row %s", row)
		}
		o, err := Profile(name, platformsim.Options{Agents: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := platformsim.New(o); err != nil || o.Agents != 3 || len(about[name]) < 20 {
			t.Errorf("%s (%s): %d agents, %v", name, about[name], o.Agents, err)
		}
		old := name < "2023"
		if g := o.Gateway; g.StaticGUID != old || (g.Heartbeat == "heartbeat") != old || (g.Push.Ways == "single") != old ||
			g.NoRestStatus != (name < "2025") || g.Shape.NoGenTime != (name < "2026") || o.World.CallInfo != (name >= "2025") {
			t.Errorf("%s: %+v", name, g)
		}
		if want := map[string]int{"2018-demo": 18, "2023": 21, "2025": 23, "2026": 29}[name]; o.Files.Form.Edition != want {
			t.Errorf("%s: %d columns, want %d", name, o.Files.Form.Edition, want)
		}
	}
	if _, err := Profile("1999", platformsim.Options{}); err == nil || !strings.Contains(err.Error(), "there are 2018-demo, 2023,") {
		t.Errorf("%v", err)
	}
}
