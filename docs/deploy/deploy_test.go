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
	}
	Configs, Secrets map[string]struct{ File string }
}

func TestCompose(t *testing.T) {
	f := decode[composeFile](t, read(t, "compose/compose.yaml"))
	c, used := parse(t, "compose/bridge.yaml", filepath.Join("compose", f.Configs["agents"].File), "/run/secrets")
	_, port, _ := net.SplitHostPort(c.Listen.Callbacks)
	image := containerfile(t)
	if image.volume != c.DataDir || image.command != `["run", "-c", "/etc/bridge/bridge.yaml"]` || image.user != "65532:65532" {
		t.Errorf("the image is %+v", image)
	}
	for _, name := range []string{"bridge-1", "bridge-2"} {
		s := f.Services[name]
		if len(s.Volumes) != 1 || s.Volumes[0].Target != c.DataDir || s.Volumes[0].Source != name {
			t.Errorf("%s keeps its files in %+v", name, s.Volumes)
		}
		if len(s.Ports) != 1 || !strings.HasSuffix(s.Ports[0], ":"+port) {
			t.Errorf("%s listens on %v, its configuration on %s", name, s.Ports, port)
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
	var servers []string
	for i := range 3 {
		servers = append(servers, fmt.Sprintf("nats://nats-%d:4222", i+1))
	}
	if c.NATS.URL != strings.Join(servers, ",") || c.NATS.ManageStreams {
		t.Errorf("it connects to %s", c.NATS.URL)
	}
}

// probe asks for health.
type probe struct {
	HTTPGet struct{ Path, Port, Scheme string } `yaml:"httpGet"`
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
				Containers []struct {
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
	for _, name := range append(used, "nats-apply") {
		if !strings.Contains(page, "--from-file="+name) && !strings.Contains(page, "--from-file=secrets/"+name) {
			t.Errorf("README.md does not put %s into the Secret", name)
		}
	}
	for _, p := range []probe{bridge.StartupProbe, bridge.LivenessProbe, bridge.ReadinessProbe} {
		asks(t, c, p)
	}
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
	node := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // as the kubelet does
	answer, err := node.Get(strings.ToLower(p.HTTPGet.Scheme) + "://" + l.Addr().String() + p.HTTPGet.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || p.HTTPGet.Port != "admin" {
		t.Errorf("%+v gets %s", p, answer.Status)
	}
}
