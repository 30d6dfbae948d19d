// Package deploy holds the files for containers against the program: its ports, paths, users and
// secrets, the configurations, and the cluster of NATS. Whether those whose files they are take
// them is the business of docs/deploy/lint.
package deploy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/config"
	"aiccbridge/internal/admin"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/seal"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// decode reads what is wanted of a document.
func decode[T any](t *testing.T, document string) (v T) {
	t.Helper()
	// A key beside one that is merged in is no mistake.
	if err := yaml.UnmarshalWithOptions([]byte(document), &v, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	return v
}

// secrets are contents that fit, by file name.
func secrets(t *testing.T) map[string]string {
	t.Helper()
	sim, err := platformsim.New(platformsim.Options{Timezone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	set := sim.Settings()
	return map[string]string{
		"passwords.csv": "id,password\n101,secret\n", "secret_key": "secret\n", "nats-bridge": "secret\n", "nats-apply": "secret\n", "nats-ca.crt": set.CAPEM,
		"callbacks.crt": set.CallbackCertPEM, "callbacks.key": set.CallbackKeyPEM, "admin.crt": set.CallbackCertPEM, "admin.key": set.CallbackKeyPEM,
		"admin-token": "0123456789abcdef\n",
	}
}

// parse reads a configuration where a container finds it, with the secrets below a folder, and
// returns which of them it read.
func parse(t *testing.T, path, agents, below string) (c *config.Config, used []string) {
	t.Helper()
	all := secrets(t)
	c, err := config.Parse("/etc/bridge/bridge.yaml", []byte(read(t, path)), config.Environment{
		Lookup: func(string) (string, bool) { return "", false },
		Read: func(path string) ([]byte, fs.FileMode, error) {
			if path == "/etc/bridge/agents.csv" {
				return []byte(read(t, agents)), 0o444, nil
			}
			name, ok := strings.CutPrefix(path, below+"/")
			text, known := all[name]
			if !ok || !known {
				return nil, 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			used = append(used, name)
			return []byte(text), 0o440, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if !strings.Contains(w.Problem, "public_url") { // the certificate is of a test
			t.Errorf("%s: it warns in vain: %v", path, w)
		}
	}
	return c, used
}

// image is what the Containerfile says.
type image struct{ user, volume, command string }

func containerfile(t *testing.T) (i image) {
	t.Helper()
	for line := range strings.Lines(read(t, "container/Containerfile")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "USER":
			i.user = rest
		case "VOLUME":
			i.volume = rest
		case "CMD":
			i.command = rest
		}
	}
	return i
}

// composeFile is what we hold against the program.
type composeFile struct {
	Services map[string]struct {
		Command []string
		Ports   []string
		Secrets []string
		Volumes []struct{ Source, Target string }
		Configs []struct{ Source, Target string }
		Needs   map[string]struct{ Condition string } `yaml:"depends_on"`
	}
	Configs, Secrets map[string]struct{ File string }
}

func TestCompose(t *testing.T) {
	f := decode[composeFile](t, read(t, "compose/compose.yaml"))
	c, used := parse(t, "compose/bridge.yaml", filepath.Join("compose", f.Configs["agents"].File), "/run/secrets")
	_, port, _ := net.SplitHostPort(c.Listen.Callbacks)
	inside, admin, _ := net.SplitHostPort(c.Listen.Admin)
	if inside != "0.0.0.0" || c.Listen.AdminCertificate == nil || c.Listen.AdminToken.Reveal() == "" {
		t.Errorf("%s is for this container alone, or for everybody", c.Listen.Admin)
	}
	image := containerfile(t)
	if image.volume != c.DataDir || image.command != `["run", "-c", "/etc/bridge/bridge.yaml"]` || image.user != "65532:65532" {
		t.Errorf("the image is %+v", image)
	}
	for i, name := range []string{"bridge-1", "bridge-2"} {
		s := f.Services[name]
		if len(s.Volumes) != 1 || s.Volumes[0].Target != c.DataDir || s.Volumes[0].Source != name {
			t.Errorf("%s keeps its files in %+v", name, s.Volumes)
		}
		if want := []string{fmt.Sprintf("%d:%s", 8443+i, port), fmt.Sprintf("127.0.0.1:%d:%s", 8081+i, admin)}; !slices.Equal(s.Ports, want) {
			t.Errorf("%s listens on %v, not %v", name, s.Ports, want)
		}
		for _, secret := range used {
			if !slices.Contains(s.Secrets, secret) || f.Secrets[secret].File != "secrets/"+secret {
				t.Errorf("%s is not given %s", name, secret)
			}
		}
		if len(s.Configs) != 2 || s.Configs[0].Target != "/etc/bridge/bridge.yaml" || s.Configs[1].Target != "/etc/bridge/agents.csv" {
			t.Errorf("%s is given %+v", name, s.Configs)
		}
	}
	page := read(t, "README.md")
	_, page, _ = strings.Cut(page, "## Compose")
	page, _, _ = strings.Cut(page, "\n## ")
	for name := range f.Secrets {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("README.md does not say that Compose needs %s", name)
		}
	}
	var servers []string
	for i := range 3 {
		servers = append(servers, fmt.Sprintf("nats://nats-%d:4222", i+1))
	}
	if c.NATS.URL != strings.Join(servers, ",") || c.NATS.ManageStreams {
		t.Errorf("it connects to %s", c.NATS.URL)
	}
}

// TestComposeKeys runs the service that gives the bridges their key, on folders of this machine.
func TestComposeKeys(t *testing.T) {
	f := decode[composeFile](t, read(t, "compose/compose.yaml"))
	keys := f.Services["keys"]
	if len(keys.Command) != 3 || !slices.Equal(keys.Secrets, []string{"seal.key"}) || f.Secrets["seal.key"].File != "secrets/seal.key" {
		t.Fatalf("it is %+v", keys)
	}
	dir := t.TempDir()
	me := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()) // only root may give files away
	script := replaced(t, keys.Command[2], "/run/secrets", dir, "/bridge-", dir+"/bridge-", containerfile(t).user, me, "$$", "$")
	var folders []string
	for _, name := range []string{"bridge-1", "bridge-2"} {
		if f.Services[name].Needs["keys"].Condition != "service_completed_successfully" {
			t.Errorf("%s does not wait for its key", name)
		}
		if !slices.ContainsFunc(keys.Volumes, func(v struct{ Source, Target string }) bool { return v.Source == name && v.Target == "/"+name }) {
			t.Errorf("the key does not come to %s", name)
		}
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o755); err != nil { // a new volume
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	shares(t, dir, folders, exec.Command("sh", keys.Command[1], script))
}

// shares gives out a key, twice as after a restart, by commands, and wants what one bridge seals
// opened by the other.
func shares(t *testing.T, secrets string, folders []string, commands ...*exec.Cmd) {
	t.Helper()
	write(t, filepath.Join(secrets, "seal.key"), strings.Repeat("5a", 32)+"\n")
	for range 2 {
		for _, c := range commands {
			again := exec.Command(c.Args[0], c.Args[1:]...)
			if out, err := again.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v: %s", c.Args, err, out)
			}
		}
	}
	var boxes []*seal.Box
	for _, folder := range folders {
		box, err := seal.OpenDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, box)
	}
	sealed, err := boxes[0].Seal([]byte("guid"), "acme.101")
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := boxes[1].Open(sealed, "acme.101"); err != nil || string(opened) != "guid" {
		t.Errorf("the second bridge opens %q: %v", opened, err)
	}
}

// write writes a file that its group may read, as secrets are given.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o440); err != nil {
		t.Fatal(err)
	}
}

// probe asks for health.
type probe struct {
	HTTPGet          struct{ Path, Port, Scheme string } `yaml:"httpGet"`
	PeriodSeconds    int                                 `yaml:"periodSeconds"`
	FailureThreshold int                                 `yaml:"failureThreshold"`
}

// pods is what we hold of a workload against the program.
type pods struct {
	Spec struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
				SecurityContext               struct {
					RunAsUser  int `yaml:"runAsUser"`
					RunAsGroup int `yaml:"runAsGroup"`
				} `yaml:"securityContext"`
				InitContainers []struct{ Command []string } `yaml:"initContainers"`
				Containers     []struct {
					Args  []string
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					StartupProbe   probe `yaml:"startupProbe"`
					LivenessProbe  probe `yaml:"livenessProbe"`
					ReadinessProbe probe `yaml:"readinessProbe"`
					VolumeMounts   []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
			}
		}
	}
}

func TestKubernetes(t *testing.T) {
	c, used := parse(t, "kubernetes/bridge.yaml", "kubernetes/agents.csv", "/run/secrets/bridge")
	set := decode[pods](t, read(t, "kubernetes/statefulset.yaml")).Spec.Template.Spec
	job := decode[pods](t, read(t, "kubernetes/apply.yaml")).Spec.Template.Spec
	bridge := set.Containers[0]
	if user := fmt.Sprintf("%d:%d", set.SecurityContext.RunAsUser, set.SecurityContext.RunAsGroup); user != containerfile(t).user {
		t.Errorf("it runs as %s", user)
	}
	if got := fmt.Sprintf("%q", bridge.Args); got != strings.ReplaceAll(containerfile(t).command, ",", "") {
		t.Errorf("it runs %s", got)
	}
	for i, address := range []string{c.Listen.Callbacks, c.Listen.Admin} {
		_, port, _ := net.SplitHostPort(address)
		if p := bridge.Ports[i]; fmt.Sprint(p.ContainerPort) != port {
			t.Errorf("%+v, and it listens on %s", p, address)
		}
	}
	if mount := bridge.VolumeMounts[2]; mount.MountPath != c.DataDir || mount.Name != "data" {
		t.Errorf("its folder is %+v", mount)
	}
	if least := (c.Shutdown.Grace + c.Tenants[0].Gateway.Hold + 10*time.Second).Seconds(); float64(set.TerminationGracePeriodSeconds) < least {
		t.Errorf("it is killed after %d s, and takes %v", set.TerminationGracePeriodSeconds, least)
	}
	if args := strings.Join(job.Containers[0].Args, " "); !strings.HasPrefix(args, "apply -c /etc/bridge/bridge.yaml --user apply --password-file /run/secrets/bridge/") {
		t.Errorf("the job runs %s", args)
	}
	page := read(t, "README.md")
	for _, name := range append(used, "nats-apply", "seal.key") {
		if !strings.Contains(page, "--from-file="+name) && !strings.Contains(page, "--from-file=secrets/"+name) {
			t.Errorf("README.md does not put %s into the Secret", name)
		}
	}
	if p := bridge.StartupProbe; p.PeriodSeconds*p.FailureThreshold < 3600 {
		t.Errorf("%+v gives a start that recovers a full spool no hour", p)
	}
	for _, p := range []probe{bridge.StartupProbe, bridge.LivenessProbe, bridge.ReadinessProbe} {
		asks(t, c, p)
	}
}

// TestKubernetesKeys runs what gives each bridge the key of all, on folders of this machine.
func TestKubernetesKeys(t *testing.T) {
	all := decode[pods](t, read(t, "kubernetes/statefulset.yaml")).Spec.Template.Spec.InitContainers
	if len(all) != 1 {
		t.Fatalf("they are %+v", all)
	}
	dir := t.TempDir()
	var folders []string
	var commands []*exec.Cmd
	for i := range 2 {
		folder := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(folder, 0o770); err != nil { // a volume, by fsGroup
			t.Fatal(err)
		}
		line := replaced(t, strings.Join(all[0].Command, "\n"), "/run/secrets/bridge", dir, "/var/lib/bridge", folder)
		words := strings.Split(line, "\n")
		folders, commands = append(folders, folder), append(commands, exec.Command(words[0], words[1:]...))
	}
	shares(t, dir, folders, commands...)
}

// asks holds a probe against the listener with a token and a certificate.
func asks(t *testing.T, c *config.Config, p probe) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.New(admin.Options{
		Listener: l, Token: c.Listen.AdminToken.Reveal, Metrics: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
		TLS: &tls.Config{Certificates: []tls.Certificate{*c.Listen.AdminCertificate}, MinVersion: tls.VersionTLS12},
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, t.Context()) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	answer, err := node.Get(strings.ToLower(p.HTTPGet.Scheme) + "://" + l.Addr().String() + p.HTTPGet.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || p.HTTPGet.Port != "admin" {
		t.Errorf("%+v gets %s", p, answer.Status)
	}
}
