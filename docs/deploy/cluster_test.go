package deploy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/internal/platformsim"
)

// asNATS makes the test binary a nats-server with the configuration file that it names.
const asNATS = "DEPLOY_TEST_RUN_AS_NATS"

func TestMain(m *testing.M) {
	path := os.Getenv(asNATS)
	if path == "" {
		os.Exit(m.Run())
	}
	o, err := server.ProcessConfigFile(path)
	if err == nil {
		var s *server.Server
		if s, err = server.NewServer(o); err == nil {
			s.ConfigureLogger()
			s.Start()
			s.WaitForShutdown()
			os.Exit(0)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// patience is far longer than anything here takes.
const patience = 3 * time.Minute

const password = "test-only-password"

// addresses are as many as are free now.
func addresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

// attempts are those of a cluster whose servers find that a port is not free any more.
const attempts = 4

// start starts a command, which ends with the test at the latest; done is closed when it has.
func start(t *testing.T, out *bytes.Buffer, env []string, name string, args ...string) (c *exec.Cmd, done <-chan struct{}) {
	t.Helper()
	c = exec.Command(name, args...)
	c.Env, c.Stdout, c.Stderr = append(os.Environ(), env...), out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // the state tells
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		<-ended
		if t.Failed() {
			t.Logf("%s %v: %s", name, args, out)
		}
	})
	return c, ended
}

// replaced is a text with others in the place of what must be in it.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// startCluster starts the servers of compose.yaml, and returns their addresses. The first time one
// of the addresses is taken, as may happen at any time.
func startCluster(t *testing.T) (clients []string) {
	t.Helper()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for attempt := range attempts {
		at := addresses(t, 9)
		if attempt == 0 {
			at[1] = taken.Addr().String()
		}
		if tryCluster(t, at) {
			if attempt == 0 {
				t.Error("a server runs on an address that is taken")
			}
			return at[:3]
		}
	}
	t.Fatalf("a server ended early, %d times", attempts)
	return nil
}

// tryCluster starts the servers, each as a process with the shipped configuration; other than that
// are only the addresses and the folder. Where one ends before all are healthy it ends the others.
func tryCluster(t *testing.T, at []string) (healthy bool) {
	t.Helper()
	dir := t.TempDir()
	clients, routes, monitors := at[:3], at[3:6], at[6:]
	if err := os.WriteFile(filepath.Join(dir, "permissions.conf"), []byte(read(t, "../nats/permissions.conf")), 0o600); err != nil {
		t.Fatal(err)
	}
	var servers []*exec.Cmd
	var ends []<-chan struct{}
	for i, client := range clients {
		name := fmt.Sprintf("nats-%d", i+1)
		text := replaced(t, read(t, "compose/nats.conf"), "0.0.0.0:4222", client, "0.0.0.0:6222", routes[i], "0.0.0.0:8222", monitors[i],
			"/data", filepath.Join(dir, name), "nats-1:6222", routes[0], "nats-2:6222", routes[1], "nats-3:6222", routes[2])
		path := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env := []string{asNATS + "=" + path, "SERVER_NAME=" + name}
		for _, role := range []string{"BRIDGE", "APPLY", "READER"} {
			env = append(env, "NATS_"+role+"_PASSWORD=\""+password+"\"")
		}
		c, end := start(t, &bytes.Buffer{}, env, os.Args[0])
		servers, ends = append(servers, c), append(ends, end)
	}
	until(t, "the servers are healthy, or one has ended", func(ctx context.Context) bool { // as compose.yaml asks
		healthy = true
		for _, m := range monitors {
			healthy = healthy && ok(ctx, "http://"+m+"/healthz?js-enabled-only=true")
		}
		return healthy || anyEnded(ends)
	})
	if anyEnded(ends) {
		for i, c := range servers {
			_ = c.Process.Kill() // it may have ended
			<-ends[i]
		}
		return false
	}
	return healthy
}

func anyEnded(ends []<-chan struct{}) bool {
	for _, end := range ends {
		select {
		case <-end:
			return true
		default:
		}
	}
	return false
}

// node asks for health without knowing who answers, as probes do.
var node = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

func ok(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := node.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// until waits for what must become true.
func until(t *testing.T, what string, condition func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-ticker.C:
		}
	}
}

// TestCluster: on the shipped servers, as the shipped users, `bridge apply` makes every stream
// with three replicas, and two bridges with the shipped configuration serve and poll.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "bridge")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/bridge").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sim := simulate(t)
	clients := startCluster(t)
	var paths, admins []string
	for i := range 2 {
		home := filepath.Join(dir, fmt.Sprint(i))
		path, admin := configure(t, home, clients, sim)
		paths, admins = append(paths, path), append(admins, admin)
	}
	var said bytes.Buffer
	apply, applied := start(t, &said, nil, program, "apply", "-c", paths[0], "--user", "apply", "--password-file", filepath.Join(filepath.Dir(paths[0]), "nats-apply"))
	<-applied
	if !apply.ProcessState.Success() {
		t.Fatalf("apply ended with %v: %s", apply.ProcessState, &said)
	}
	replicas(t, clients)
	var bridges []*exec.Cmd
	var ends []<-chan struct{}
	for _, path := range paths {
		c, end := start(t, &bytes.Buffer{}, nil, program, "run", "-c", path)
		bridges, ends = append(bridges, c), append(ends, end)
	}
	for _, admin := range admins {
		until(t, "a bridge is ready", func(ctx context.Context) bool { return ok(ctx, "https://"+admin+"/readyz") })
	}
	until(t, "every agent is polled", func(context.Context) bool { return len(sim.Truth().Polling) == len(sim.Settings().Agents) })
	asked(t, program, paths[0])
	for i, c := range bridges {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ends[i]
		if !c.ProcessState.Success() {
			t.Errorf("a bridge ended with %v", c.ProcessState)
		}
	}
}

// asked: a bridge's own configuration is enough to ask how all are, as from within its container.
func asked(t *testing.T, program, path string) {
	t.Helper()
	said, ended := exec.CommandContext(t.Context(), program, "status", "--json", "-c", path).Output() // it fails while an alarm lasts
	var s struct{ Bridges []any }
	if err := json.Unmarshal(said, &s); err != nil || len(s.Bridges) != 2 {
		t.Errorf("status ended with %v, and says (%v): %s", ended, err, said)
	}
}

// replicas wants three of each stream and bucket.
func replicas(t *testing.T, clients []string) {
	t.Helper()
	conn, err := nats.Connect("nats://"+strings.Join(clients, ",nats://"), nats.UserInfo(string(assets.RoleReader), password), nats.CustomInboxPrefix(assets.ReaderInbox))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AICC_EVENTS", "AICC_FILES", "AICC_ROWS", "AICC_CALLS", "AICC_COVERAGE", "AICC_DEADLETTERS", "KV_AICC_WINDOWS", "KV_AICC_STATE", "OBJ_AICC_QUARANTINE"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if info := s.CachedInfo(); info.Config.Replicas != 3 || info.Cluster == nil || info.Cluster.Name != "aicc" {
			t.Errorf("%s has %d replicas on %+v", name, info.Config.Replicas, info.Cluster)
		}
	}
}

// simulate runs a contact centre until the test ends.
func simulate(t *testing.T) *platformsim.Sim {
	t.Helper()
	sim, err := platformsim.New(platformsim.Options{Agents: 8, Timezone: time.UTC, Dir: t.TempDir()})
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

// configure writes the configuration of compose.yaml for a bridge on this machine: other than the
// shipped one are the addresses, and where its files are.
func configure(t *testing.T, home string, clients []string, sim *platformsim.Sim) (path, admin string) {
	t.Helper()
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	set, at := sim.Settings(), addresses(t, 2)
	var ca, agents, passwords = "\n      ca_file: ca.pem", "id,phone\n", "id,password\n"
	for _, a := range set.Agents {
		agents += fmt.Sprintf("%s,%s\n", a.ID, a.Phone)
		passwords += fmt.Sprintf("%s,%s\n", a.ID, a.Password)
	}
	text := replaced(t, read(t, "compose/bridge.yaml"), "nats-1:4222", clients[0], "nats-2:4222", clients[1], "nats-3:4222", clients[2],
		"/var/lib/bridge", filepath.Join(home, "data"), "/run/secrets/", home+"/", "0.0.0.0:8443", at[0], "0.0.0.0:8080", at[1],
		"https://gateway.example.com:8043/agentgateway/resource", set.GatewayURL+ca, "https://ccfs.example.com:28443/CCFS/resource/ccfs", set.FilesURL+ca,
		"testak01", set.AccessKey, "Asia/Shanghai", set.Timezone)
	for name, content := range map[string]string{
		"bridge.yaml": text, "agents.csv": agents, "passwords.csv": passwords, "ca.pem": set.CAPEM, "secret_key": set.SecretKey,
		"callbacks.crt": set.CallbackCertPEM, "callbacks.key": set.CallbackKeyPEM, "admin.crt": set.CallbackCertPEM, "admin.key": set.CallbackKeyPEM,
		"admin-token": "0123456789abcdef", "nats-bridge": password, "nats-apply": password,
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(home, "bridge.yaml"), at[1]
}
