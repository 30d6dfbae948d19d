package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	stdlog "log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"aiccbridge/bus/embedded"
)

func TestVersionFlag(t *testing.T) {
	var command, flag, errOut bytes.Buffer
	if execute([]string{"version"}, &command, &errOut) != exitOK || execute([]string{"--version"}, &flag, &errOut) != exitOK {
		t.Fatalf("%s", &errOut)
	}
	if command.String() != flag.String() || !strings.HasPrefix(flag.String(), "bridge ") || !strings.Contains(flag.String(), "nats-server") {
		t.Errorf("version says %q, --version %q", &command, &flag)
	}
}

// checked runs `bridge check` on a configuration with this data folder and these
// addresses, and returns what it says.
func checked(t *testing.T, dataDir, nats, admin string) (code int, said string) {
	t.Helper()
	return saidBy(t, "check", dataDir, nats, admin)
}

// saidBy is checked with another command.
func saidBy(t *testing.T, command, dataDir, nats, admin string) (code int, said string) {
	t.Helper()
	return saidByAll(t, []string{command}, dataDir, nats, admin)
}

// saidByAll is saidBy with further words.
func saidByAll(t *testing.T, command []string, dataDir, nats, admin string) (code int, said string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("password", "secret\n")
	path := write("bridge.yaml", fmt.Sprintf(`data_dir: %q
listen: { nats: %q, admin: %q }
tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://127.0.0.1:1/agentgateway/resource
      agents: [{ id: "101", phone: "70001", password_file: password }]
`, dataDir, nats, admin))
	var out, errOut bytes.Buffer
	code = execute(append(command, "-c", path), &out, &errOut)
	return code, errOut.String() + out.String()
}

// TestCheckNamesWhatIsInTheWay: what would keep the bridge from starting here is found
// before, by key, and nothing is made.
func TestCheckNamesWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy, free := taken.Addr().String(), "127.0.0.1:0"
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dataDir, nats, admin string
		code                 int
		says                 []string
	}{
		"nothing":               {filepath.Join(dir, "none", "yet"), free, free, exitOK, []string{"sound (1 tenant"}},
		"nats in use":           {dir, busy, free, exitOK, []string{":2:17: listen.nats: ", busy, "address already in use", "1 warning"}},
		"admin in use":          {dir, free, busy, exitOK, []string{"listen.admin: ", busy, "1 warning"}},
		"the folder is a file":  {file, free, free, exitFailed, []string{":1:11: data_dir: " + file, "not a folder"}},
		"the folder is below a": {filepath.Join(file, "x", "y"), free, free, exitFailed, []string{"data_dir: ", "not a directory"}},
	} {
		code, said := checked(t, c.dataDir, c.nats, c.admin)
		if code != c.code {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
		for _, part := range c.says {
			if !strings.Contains(said, part) {
				t.Errorf("%s: no %q in %s", name, part, said)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("check left %v: %v", left, err)
	}
	// Of a bridge that runs the addresses are in use by itself.
	lock, err := embedded.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if code, said := checked(t, dir, busy, busy); code != exitOK || strings.Contains(said, "listen.") && !strings.Contains(said, "is used by") {
		t.Logf("with one address twice: %d %s", code, said)
	}
	if code, said := checked(t, dir, busy, free); code != exitOK || strings.Contains(said, "warning") {
		t.Errorf("beside a bridge that runs: %d %s", code, said)
	}
}

// TestNewerFolderIsRefused: neither check nor run goes on with the data folder of a version that
// this one is too old for; both say which one to start, and nothing is changed.
func TestNewerFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte(`{"format":2,"version":"v9.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, code := range map[string]int{"check": exitFailed, "run": exitFailed} {
		if got, said := saidBy(t, command, dir, "127.0.0.1:0", ""); got != code || !strings.Contains(said, "was written by a newer bridge (v9.0.0, format 2; this one knows 1): start that version") {
			t.Errorf("bridge %s ended with %d: %s", command, got, said)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range left {
		if name := filepath.Base(path); name != "format" && name != "bridge.lock" {
			t.Errorf("there is %s: %v", name, err)
		}
	}
}

// TestCheckSaysWhereAgentsComeFrom: from the configuration and from a file beside it.
func TestCheckSaysWhereAgentsComeFrom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "bridge.yaml")
	for name, text := range map[string]string{
		"agents.csv":  "id,phone\n102,70002\n103,70003\n",
		"secrets.csv": "id,password\n101,a\n102,b\n103,c\n",
		"bridge.yaml": `listen: { nats: "127.0.0.1:0", admin: "" }
tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://127.0.0.1:1/agentgateway/resource
      agents: [{ id: "101", phone: "70001" }]
      agents_file: agents.csv
      secrets_file: secrets.csv
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(dir, "agents.csv")
	for flag, want := range map[string]string{
		"--json=false": fmt.Sprintf("acme: 1 agent from %s, 2 from %s\n%s: sound (1 tenant, 3 agents)\n", path, list, path),
		"--json":       fmt.Sprintf(`{"ok":true,"errors":[],"warnings":[],"agents":[{"tenant":"acme","listed":1,"from_file":2,"file":%q}]}`+"\n", list),
	} {
		var out, errOut bytes.Buffer
		if code := execute([]string{"check", "-c", path, flag}, &out, &errOut); code != exitOK || out.String() != want {
			t.Errorf("%s: %d %s%s", flag, code, &errOut, &out)
		}
	}
}

// TestCheckNamesAFolderNotWritable needs a user whom modes bind.
func TestCheckNamesAFolderNotWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.WriteFile(filepath.Join(dir, "probe"), nil, 0o600) == nil {
		t.Log("this user may write everywhere")
		return
	}
	for _, folder := range []string{dir, filepath.Join(dir, "data"), filepath.Join(dir, "data", "bridge")} {
		if code, said := checked(t, folder, "127.0.0.1:0", "127.0.0.1:0"); code != exitFailed || !strings.Contains(said, "data_dir: "+folder+" cannot be written") {
			t.Errorf("%d %s", code, said)
		}
	}
}

// TestStartNamesTheDataFolder: a start that cannot use its folder says which key that is.
func TestStartNamesTheDataFolder(t *testing.T) {
	dir := filepath.Join("data", "x")
	for name, c := range map[string]struct {
		err   error
		named bool
	}{
		"denied":         {&os.PathError{Op: "mkdir", Path: "data/x", Err: os.ErrPermission}, true},
		"below it":       {fmt.Errorf("lock: %w", &os.PathError{Op: "open", Path: "data/x/nats/bridge.lock", Err: os.ErrPermission}), true},
		"another folder": {&os.PathError{Op: "open", Path: "data/xy", Err: os.ErrPermission}, false},
		"above it":       {&os.PathError{Op: "open", Path: "data", Err: os.ErrPermission}, false},
		"another reason": {&os.PathError{Op: "open", Path: "data/x/nats", Err: os.ErrClosed}, false},
		"no file":        {os.ErrPermission, false},
		"none":           {nil, false},
	} {
		got := inDataDir(dir, c.err)
		if named := got != nil && strings.HasPrefix(got.Error(), "data_dir: "); named != c.named {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestNATSPortInUse: the start names the key, as for the other listeners.
func TestNATSPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = cannotListen("listen.nats", taken.Addr().String(), probe(taken.Addr().String()))
	if want := "listen.nats: listen on " + taken.Addr().String() + ": address already in use; stop what is listening there, or choose another address"; err.Error() != want {
		t.Error(err)
	}
	if err := probe("127.0.0.1:0"); err != nil {
		t.Error(err)
	}
}

// TestStandardLogIsAdopted: nothing stands between the lines of JSON.
func TestStandardLogIsAdopted(t *testing.T) {
	defer stdlog.SetOutput(os.Stderr)
	defer stdlog.SetFlags(stdlog.Flags())
	var out bytes.Buffer
	adoptStandardLog(zerolog.New(&out))
	stdlog.Println("Unsolicited response received on idle HTTP channel")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["detail"] != "Unsolicited response received on idle HTTP channel" {
		t.Errorf("%q: %v", &out, err)
	}
}
