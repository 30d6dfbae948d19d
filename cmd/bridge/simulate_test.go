package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/optionfile"
	"aiccbridge/internal/platformsim/world"
)

// simulator is what the flags make of a settings file.
func simulator(t *testing.T, settings string, args ...string) platformsim.Options {
	t.Helper()
	var o simulateOptions
	c := &cobra.Command{}
	o.register(c)
	if settings != "" {
		file := filepath.Join(t.TempDir(), "sim.yaml")
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--settings", file)
	}
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	p, err := o.platform(c.Flags().Changed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFlagsOutdoTheSettingsFile(t *testing.T) {
	const file = "agents: 9\nseed: 4\npace: {talk: 9s}\ngateway: {wait_times: 30, no_cookie: true}\nfaults: [{fault: poll.cut, next: 2}]\n"
	p := simulator(t, file, "--agents", "3", "--hold", "2s", "--no-cookie=false")
	if p.Agents != 3 || p.Gateway.WaitTimes != 20 || p.Gateway.NoCookie {
		t.Errorf("flags: %d agents, gateway %+v", p.Agents, p.Gateway)
	}
	if p.Seed != 4 || p.Pace.Talk.Seconds() != 9 || len(p.Faults) != 1 {
		t.Errorf("file: seed %d, pace %+v, faults %+v", p.Seed, p.Pace, p.Faults)
	}
	if p.Timezone.String() != "Asia/Shanghai" || p.Pace.Ring.Seconds() != 1 || p.Dir != "sim" {
		t.Errorf("defaults: %+v", p)
	}
	if p := simulator(t, file, "--realistic", "--hold", "0"); p.Pace != (world.Pace{}) || !p.Gateway.NoHold {
		t.Errorf("realistic: %+v %+v", p.Pace, p.Gateway)
	}
}

// TestGatewayByFlags: everything that an agents' client may need otherwise.
func TestGatewayByFlags(t *testing.T) {
	p := simulator(t, "gateway: {need_cookie: true, nodes: 3, shape: {json_key: true}}\n", "--static-guid", "--all-agents", "--shape", "idle-null,variants", "--shape", "no-gen-time")
	want := gateway.Shape{Idle: "null", Variants: true, NoGenTime: true, JSONKey: true}
	if g := p.Gateway; !g.StaticGUID || !g.NeedCookie || g.Nodes != 3 || !g.AllAgents || g.Shape != want {
		t.Errorf("%+v", g)
	}
	for _, word := range shapeWords() {
		if p := simulator(t, "", "--shape", word); p.Gateway.Shape == (gateway.Shape{}) {
			t.Errorf("--shape %s changes nothing", word)
		} else if _, err := platformsim.New(p); err != nil {
			t.Errorf("--shape %s: %v", word, err)
		}
	}
	o := simulateOptions{shape: []string{"round"}, gateway: "a:1", files: "a:1", monitor: "a:1", management: "a:1", zone: "UTC"}
	if _, err := o.platform(func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "--shape round: no such form; there are idle-list, ") {
		t.Errorf("an unknown form: %v", err)
	}
}

// TestExampleIsTheDefault: the file that bridge simulate settings prints changes
// nothing that the flags set.
func TestExampleIsTheDefault(t *testing.T) {
	flags, file := simulator(t, ""), simulator(t, optionfile.Example())
	var compare func(name string, a, b reflect.Value)
	compare = func(name string, a, b reflect.Value) {
		for i := range a.NumField() {
			f := a.Type().Field(i)
			switch {
			case !f.IsExported() || f.Tag.Get("yaml") == "-" || a.Field(i).IsZero():
			case f.Type.Kind() == reflect.Struct:
				compare(name+f.Name+".", a.Field(i), b.Field(i))
			case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
				t.Errorf("%s%s is %v in the example, %v without it", name, f.Name, b.Field(i), a.Field(i))
			}
		}
	}
	compare("", reflect.ValueOf(flags), reflect.ValueOf(file))
	if flags.Timezone.String() != file.Timezone.String() || !strings.Contains(optionfile.Example(), "bridge simulate") {
		t.Errorf("time zones %s and %s", flags.Timezone, file.Timezone)
	}
}

// TestProfileUnderFileAndFlags: a profile outdoes the defaults, the settings file the
// profile, a flag both.
func TestProfileUnderFileAndFlags(t *testing.T) {
	p := simulator(t, "gateway: {no_rest_status: false}\n", "--profile", "2018-demo", "--static-guid=false", "--softphone")
	if g := p.Gateway; g.StaticGUID || g.NoRestStatus || g.Heartbeat != "heartbeat" || !g.Shape.NoGenTime || p.Files.Form.Edition != 18 || !p.World.Softphone || p.Agents != 5 {
		t.Errorf("%+v", p)
	}
	o := simulateOptions{profile: "1999", gateway: "a:1", files: "a:1", monitor: "a:1", management: "a:1", zone: "UTC"}
	if _, err := o.platform(func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "--profile 1999: no such profile; there are 2018-demo") {
		t.Errorf("an unknown profile: %v", err)
	}
}
