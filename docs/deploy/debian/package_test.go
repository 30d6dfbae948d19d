//go:build debian

// Package debian builds the Debian package, installs it on this machine, starts the service as
// systemd would, and removes everything. It needs root, dpkg, lintian and systemd's tools, and a
// machine on which there is no bridge.
package debian

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/platformsim"
)

const (
	name     = "aicc-bridge"
	patience = 2 * time.Minute
	limit    = 2.0 // of `systemd-analyze security`, where 10 is everything open
)

// sh runs a command, which must succeed, and returns what it prints.
func sh(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestPackage goes the way of a package, from its making to its purge.
func TestPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("installing a package needs root")
	}
	for _, path := range []string{"/etc/bridge", "/var/lib/bridge", "/usr/bin/bridge"} {
		if exists(path) {
			t.Fatalf("there is a %s: this machine has a bridge, which the test would remove", path)
		}
	}
	if _, err := user.Lookup("bridge"); err != nil {
		t.Cleanup(func() { _ = exec.Command("userdel", "bridge").Run() }) // a purge leaves it
	}
	deb := build(t)
	t.Log(sh(t, "lintian", "--allow-root", "--fail-on", "error,warning", deb))
	t.Cleanup(func() { // after a failure; there was nothing before
		_ = exec.Command("dpkg", "--purge", name).Run()
		_ = os.RemoveAll("/etc/bridge")
		_ = os.RemoveAll("/var/lib/bridge")
	})
	t.Log(sh(t, "dpkg", "-i", deb))
	t.Run("installed", installed)
	t.Run("verified", verified)
	t.Run("serves", serves)
	sh(t, "dpkg", "-i", deb) // an update leaves what was changed
	if text, err := os.ReadFile("/etc/bridge/bridge.yaml"); err != nil || !strings.Contains(string(text), "# of the test") {
		t.Errorf("an update changed the configuration: %v", err)
	}
	sh(t, "dpkg", "--remove", name)
	for path, want := range map[string]bool{"/usr/bin/bridge": false, "/etc/bridge/bridge.yaml": true, "/var/lib/bridge/instance": true, "/etc/bridge/secrets/secret_key": true} {
		if exists(path) != want {
			t.Errorf("after a removal: %s is there: %t", path, !want)
		}
	}
	sh(t, "dpkg", "--purge", name)
	for _, path := range []string{"/etc/bridge/bridge.yaml", "/etc/bridge/secrets", "/var/lib/bridge", "/usr/lib/systemd/system/bridge.service"} {
		if exists(path) {
			t.Errorf("a purge leaves %s", path)
		}
	}
	if err := os.Remove("/etc/bridge/ca.pem"); err != nil {
		t.Errorf("what nobody but the administrator knows of is gone: %v", err)
	}
	if err := os.Remove("/etc/bridge"); err != nil {
		t.Errorf("more is left: %v", err)
	}
}

// build makes the package of this machine's architecture.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	arch := strings.TrimSpace(sh(t, "dpkg", "--print-architecture"))
	sh(t, "go", "run", "-C", "../../..", "./internal/release", "-deb", "-only", "linux/"+arch, "-out", dir)
	all, err := filepath.Glob(filepath.Join(dir, name+"_*_"+arch+".deb"))
	if err != nil || len(all) != 1 {
		t.Fatalf("it made %v: %v", all, err)
	}
	return all[0]
}

func installed(t *testing.T) {
	said := sh(t, "/usr/bin/bridge", "version")
	version := strings.TrimSpace(sh(t, "dpkg-query", "-W", "-f", "${Version}", name))
	_, commit, _ := strings.Cut(version, "~") // of a commit without a tag
	if base, _, _ := strings.Cut(version, "~"); base == "" || !strings.Contains(said, "bridge v"+base) || !strings.Contains(said, strings.ReplaceAll(commit, ".", "-")) {
		t.Errorf("the package is %s, the program says %s", version, said)
	}
	if sh(t, "/usr/bin/"+name, "version") != said {
		t.Error("the other name is another program")
	}
	const completions = "/usr/share/bash-completion/completions/"
	sh(t, "bash", "-c", ". "+completions+name+" && complete -p "+name+" && . "+completions+"bridge && complete -p bridge")
	if text := sh(t, "man", "-P", "cat", "bridge-run"); !strings.Contains(text, "SIGTERM") {
		t.Errorf("its page: %s", text)
	}
	info, err := os.Stat("/etc/bridge/secrets")
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of secrets: %v %v", info, err)
	}
}

func verified(t *testing.T) {
	if said := sh(t, "systemd-analyze", "verify", "/usr/lib/systemd/system/bridge.service"); strings.Contains(said, "bridge.service") {
		t.Errorf("it complains: %s", said)
	}
	said := sh(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "/usr/lib/systemd/system/bridge.service")
	_, level, _ := strings.Cut(said, "Overall exposure level for bridge.service: ")
	exposure, err := strconv.ParseFloat(strings.Fields(level + " none")[0], 64)
	if err != nil || exposure > limit {
		t.Errorf("its exposure is %v (%v)", exposure, err)
	}
	t.Logf("exposure %v", exposure)
}

// service is the installed unit, as far as systemd's part is played here.
type service struct {
	unit        string
	credentials string
	id          *syscall.Credential
}

func (s service) setting(key string) (values []string) {
	for line := range strings.Lines(s.unit) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// newService makes what systemd makes: folders, the user's id.
func newService(t *testing.T) service {
	t.Helper()
	text, err := os.ReadFile("/usr/lib/systemd/system/bridge.service")
	if err != nil {
		t.Fatal(err)
	}
	s := service{unit: string(text), credentials: filepath.Join(t.TempDir(), "credentials")}
	u, err := user.Lookup(s.setting("User")[0])
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid) // digits, on this system
	gid, _ := strconv.Atoi(u.Gid)
	s.id = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, dir := range []string{s.credentials, "/var/lib/" + s.setting("StateDirectory")[0]} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	for dir := filepath.Dir(s.credentials); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// load gives the service its credentials, which only root may read where they are.
func (s service) load(t *testing.T) {
	t.Helper()
	for _, value := range s.setting("LoadCredential") {
		name, path, _ := strings.Cut(value, ":")
		text, err := os.ReadFile(path)
		to := filepath.Join(s.credentials, name)
		if err == nil {
			err = os.WriteFile(to, text, 0o400)
		}
		if err == nil {
			err = os.Chown(to, int(s.id.Uid), int(s.id.Gid))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serves starts ExecStart as the user, against a simulated contact centre, until it polls.
func serves(t *testing.T) {
	hears := make(chan os.Signal, 1)
	signal.Notify(hears, syscall.SIGHUP) // whatever runs the tests, the service hears it
	defer signal.Stop(hears)
	s := newService(t)
	sim := simulate(t)
	configure(t, sim)
	s.load(t)
	socket := filepath.Join(s.credentials, "..", "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(s.setting("ExecStart")[0])
	var log strings.Builder
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Stdout, c.Stderr = "/", &log, &log
	c.Env = []string{"NOTIFY_SOCKET=" + socket, "CREDENTIALS_DIRECTORY=" + s.credentials, "STATE_DIRECTORY=/var/lib/bridge", "WATCHDOG_USEC=2000000"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.id, Setsid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // the state tells
	}()
	defer func() {
		_ = c.Process.Kill() // after a failure
		<-ended
		if t.Failed() {
			t.Logf("%s", log.String())
		}
	}()
	told(t, conn, "READY=1")
	told(t, conn, "WATCHDOG=1")
	hang, polled := time.Now().Add(patience), false
	for ; !polled && time.Now().Before(hang); told(t, conn, "WATCHDOG=1") {
		polled = len(sim.Truth().Polling) > 0
	}
	if !polled {
		t.Error("nobody is polled")
	}
	if err := c.Process.Signal(syscall.SIGHUP); err != nil { // as ExecReload does
		t.Fatal(err)
	}
	told(t, conn, "RELOADING=1")
	told(t, conn, "READY=1")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told(t, conn, "STOPPING=1")
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// told waits until the manager is told something.
func told(t *testing.T, conn *net.UnixConn, what string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("%s is not told: %v", what, err)
		}
		if strings.HasPrefix(string(buf[:n]), what) {
			return
		}
	}
}

// simulate runs a contact centre until the test ends.
func simulate(t *testing.T) *platformsim.Sim {
	t.Helper()
	sim, err := platformsim.New(platformsim.Options{Agents: 2, Timezone: time.UTC, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-sim.Ready()
	return sim
}

// configure does what an administrator does after the installation: the shipped configuration,
// with what is marked REAL filled in, and the secrets.
func configure(t *testing.T, sim *platformsim.Sim) {
	t.Helper()
	set := sim.Settings()
	text, err := os.ReadFile("/etc/bridge/bridge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	yaml := string(text) + "# of the test\n"
	for from, to := range map[string]string{
		"https://gateway.example.com:8043/agentgateway/resource": set.GatewayURL + "\n      ca_file: ca.pem",
		"https://ccfs.example.com:28443/CCFS/resource/ccfs":      set.FilesURL + "\n      ca_file: ca.pem",
		"testak01": set.AccessKey, "Asia/Shanghai": set.Timezone,
		"0.0.0.0:8443": "127.0.0.1:0", "127.0.0.1:8080": "127.0.0.1:0", "127.0.0.1:4222": "127.0.0.1:0",
	} {
		if !strings.Contains(yaml, from) {
			t.Fatalf("the configuration has no %s", from)
		}
		yaml = strings.Replace(yaml, from, to, 1)
	}
	agents, passwords := "id,phone\n", "id,password\n"
	for _, a := range set.Agents {
		agents += fmt.Sprintf("%s,%s\n", a.ID, a.Phone)
		passwords += fmt.Sprintf("%s,%s\n", a.ID, a.Password)
	}
	for path, text := range map[string]string{
		"bridge.yaml": yaml, "agents.csv": agents, "ca.pem": set.CAPEM, "secrets/passwords.csv": passwords,
		"secrets/secret_key": set.SecretKey, "secrets/callbacks.crt": set.CallbackCertPEM, "secrets/callbacks.key": set.CallbackKeyPEM,
	} {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(path, "secrets/") {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join("/etc/bridge", path), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(sh(t, "/usr/bin/bridge", "check", "-c", "/etc/bridge/bridge.yaml")) // as root, by hand
}
