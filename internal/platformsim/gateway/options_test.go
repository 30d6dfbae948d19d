package gateway

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/truth"
)

// TestExampleShowsTheDefaults holds the settings file that users start from
// against what a zero value means.
func TestExampleShowsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../optionfile/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Section Options `yaml:"gateway"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	want, err := Options{Floor: &desk{}, Truth: truth.New()}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	shown, defaults := reflect.ValueOf(file.Section), reflect.ValueOf(want)
	for i := range shown.NumField() {
		f := shown.Type().Field(i)
		// bridge simulate has other values for some, and says so in the file.
		if !f.IsExported() || f.Tag.Get("yaml") == "-" || slices.Contains([]string{}, f.Name) {
			continue
		}
		if a, b := shown.Field(i).Interface(), defaults.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %v in the example, the default is %v", f.Name, a, b)
		}
	}
}

// TestEditions: what an edition does not have is no interface, or passed over.
func TestEditions(t *testing.T) {
	resting := strings.TrimSuffix(goodBody, "}") + `,"status":8,"time":60,"restcause":1}`
	for _, c := range []struct {
		o                                           Options
		handshake, heartbeat, rest, single, listing string // single and listing: of polls
	}{
		{Options{}, "0", "0", "0", "000-001", "000-001"},
		{Options{Heartbeat: "handshake", Push: push.Options{Ways: "list"}}, "0", "000-002", "0", "0", "000-001"},
		{Options{Heartbeat: "heartbeat", NoRestStatus: true, Push: push.Options{Ways: "single"}}, "000-002", "0", "100-011", "000-001", "0"},
	} {
		c.o.NoHold = true
		r := inBubble(t, c.o)
		one := r.signIn("101")
		if a, b := one.call("POST", "/onlineagent/101/handshake", ""), one.call("PUT", "/onlineagent/101/heartbeat", ""); a.code() != c.handshake || b.code() != c.heartbeat {
			t.Errorf("%+v: handshake %s, heartbeat %s", c.o, a.Body, b.Body)
		}
		two := r.client("102")
		if a := two.call("PUT", "/onlineagent/102", resting); a.code() != c.rest {
			t.Errorf("%+v: sign-in to rest: %s", c.o, a.Body)
		}
		for extra, code := range map[string]string{`"pushUrl":"http://a/"`: c.single, `"callBackUri":"http://a/","serviceToken":"t"`: c.listing} {
			two.call("PUT", "/onlineagent/102/forcelogin", strings.TrimSuffix(goodBody, "}")+","+extra+"}")
			if a := two.poll(); a.code() != code {
				t.Errorf("%+v: poll after %s: %s", c.o, extra, a.Body)
			}
		}
	}
	for _, o := range []Options{{Heartbeat: "none"}, {Push: push.Options{Ways: "pigeon"}}} {
		o.Floor, o.Truth = &desk{}, truth.New()
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
