// Package systemd holds the unit and its configuration against the program. `make package` starts
// it as systemd would, and has systemd verify it.
package systemd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are the values of a key of the unit, in their order.
func settings(unit, key string) (values []string) {
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

var credential = regexp.MustCompile(`\$\{CREDENTIALS_DIRECTORY:-/etc/bridge/secrets\}/(\S+)`)

// TestCredentials: what the configuration reads there is what the unit puts there, from where
// root reads it.
func TestCredentials(t *testing.T) {
	var wanted, given []string
	for _, m := range credential.FindAllStringSubmatch(read(t, "bridge.yaml"), -1) {
		wanted = append(wanted, m[1])
	}
	for _, value := range settings(read(t, "bridge.service"), "LoadCredential") {
		name, path, _ := strings.Cut(value, ":")
		if path != "/etc/bridge/secrets/"+name {
			t.Errorf("root finds another %s than the bridge: %s", name, path)
		}
		given = append(given, name)
	}
	slices.Sort(wanted)
	slices.Sort(given)
	if !slices.Equal(wanted, given) || len(given) == 0 {
		t.Errorf("the configuration wants %q, the unit gives %q", wanted, given)
	}
}

// parsed is the configuration with secrets that fit, as the bridge reads it in the service, or
// root by hand.
func parsed(t *testing.T, credentials string) *config.Config {
	t.Helper()
	sim, err := platformsim.New(platformsim.Options{Timezone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	set := sim.Settings()
	dir := credentials
	if dir == "" {
		dir = "/etc/bridge/secrets"
	}
	files := map[string]string{
		"/etc/bridge/agents.csv": read(t, "agents.csv"), dir + "/passwords.csv": "id,password\n101,secret\n", dir + "/secret_key": "secret\n",
		dir + "/callbacks.crt": set.CallbackCertPEM, dir + "/callbacks.key": set.CallbackKeyPEM,
	}
	c, err := config.Parse("/etc/bridge/bridge.yaml", []byte(read(t, "bridge.yaml")), config.Environment{
		Lookup: func(name string) (string, bool) {
			return credentials, name == "CREDENTIALS_DIRECTORY" && credentials != ""
		},
		Read: func(path string) ([]byte, fs.FileMode, error) {
			text, ok := files[filepath.Clean(path)]
			if !ok {
				return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), 0o440, nil // as systemd 254 and newer give it
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if !strings.Contains(w.Problem, "public_url") { // the certificate is of a test
			t.Errorf("it warns in vain: %v", w)
		}
	}
	return c
}

// TestRestarts: whatever fails is started again. A panic, a fatal error and the watchdog's SIGABRT
// end a Go program with 2, as a mistake in the command line does, so that no code may be left out.
func TestRestarts(t *testing.T) {
	unit := read(t, "bridge.service")
	if got := settings(unit, "Restart"); !slices.Equal(got, []string{"on-failure"}) {
		t.Errorf("it is restarted %q", got)
	}
	if got := settings(unit, "StartLimitIntervalSec"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("starts are counted over %q", got)
	}
	for _, key := range []string{"RestartPreventExitStatus", "SuccessExitStatus"} {
		if got := settings(unit, key); len(got) != 0 {
			t.Errorf("%s=%q: a crash may end so", key, got)
		}
	}
}

// TestConfiguration is sound in the service and by hand, and of what the unit grants.
func TestConfiguration(t *testing.T) {
	parsed(t, "")
	c := parsed(t, "/run/credentials/bridge.service")
	unit := read(t, "bridge.service")
	if dir := settings(unit, "StateDirectory"); len(dir) != 1 || c.DataDir != "/var/lib/"+dir[0] {
		t.Errorf("data_dir is %s, the unit makes %q", c.DataDir, dir)
	}
	stop, err := time.ParseDuration(settings(unit, "TimeoutStopSec")[0])
	if hold := c.Tenants[0].Gateway.Hold; err != nil || stop < c.Shutdown.Grace+hold+10*time.Second {
		t.Errorf("it is killed after %v (%v), and takes %v and %v", stop, err, c.Shutdown.Grace, hold)
	}
	if start := settings(unit, "ExecStart"); len(start) != 1 || start[0] != "/usr/bin/bridge run -c /etc/bridge/bridge.yaml" {
		t.Errorf("it starts %q", start)
	}
}
