package bustest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// PermittedServer is a nats-server with the configuration that is shipped, and an
// administrator beside its users.
type PermittedServer struct {
	opts *natsd.Options

	mu sync.Mutex
	ns *natsd.Server // nil: shut down
}

// The users of a PermittedServer.
const (
	Bridge = "bridge"
	Apply  = "apply"
	Reader = "reader"
	Admin  = "admin"
)

// Password is a user's.
func Password(user string) string { return "test-only-" + user }

// PasswordVariable is the server's environment variable with a user's password, as its
// configuration names it.
func PasswordVariable(user string) string { return "$NATS_" + strings.ToUpper(user) + "_PASSWORD" }

// StartPermitted starts a server from docs/nats/server.conf. Connections without a name
// are those of a user; "": they are refused.
func StartPermitted(t testing.TB, nameless string) *PermittedServer {
	t.Helper()
	for _, r := range []string{Bridge, Apply, Reader} {
		if err := os.Setenv(PasswordVariable(r)[1:], Password(r)); err != nil {
			t.Fatal(err)
		}
	}
	opts, err := natsd.ProcessConfigFile(docs(t, "server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(opts.Accounts) != 1 || !opts.SyncAlways {
		t.Fatalf("%d accounts, sync always %v", len(opts.Accounts), opts.SyncAlways)
	}
	opts.Users = append(opts.Users, &natsd.User{Username: Admin, Password: Password(Admin), Account: opts.Accounts[0]})
	opts.StoreDir, opts.Host, opts.Port, opts.NoLog, opts.NoSigs = t.TempDir(), "127.0.0.1", -1, true, true
	opts.NoAuthUser = nameless
	s := &PermittedServer{opts: opts}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func (s *PermittedServer) start() error {
	opts := s.opts.Clone()
	// The clone shares the accounts, which keep the state of the server before.
	opts.Accounts = []*natsd.Account{natsd.NewAccount(s.opts.Accounts[0].Name)}
	opts.Users = nil
	for _, u := range s.opts.Users {
		again := *u
		again.Account = opts.Accounts[0]
		opts.Users = append(opts.Users, &again)
	}
	ns, err := natsd.NewServer(opts)
	if err != nil {
		return err
	}
	ns.Start()
	if !ns.ReadyForConnections(30 * time.Second) {
		ns.Shutdown()
		return errors.New("not ready")
	}
	if acc, err := ns.LookupAccount(opts.Accounts[0].Name); err == nil && !acc.JetStreamEnabled() {
		if err := acc.EnableJetStream(nil, nil); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ns = ns
	return nil
}

// InProcessConn connects without a socket; whoever does so signs in as well.
func (s *PermittedServer) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	ns := s.ns
	s.mu.Unlock()
	if ns == nil {
		return nil, errors.New("shut down")
	}
	return ns.InProcessConn()
}

// ClientURL is where clients connect.
func (s *PermittedServer) ClientURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ns.ClientURL()
}

// Restart stops the server and starts it over the same directory.
func (s *PermittedServer) Restart() error {
	s.Shutdown()
	return s.start()
}

// Shutdown stops the server.
func (s *PermittedServer) Shutdown() {
	s.mu.Lock()
	ns := s.ns
	s.ns = nil
	s.mu.Unlock()
	if ns != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}

// docs is the path of a file of docs/nats. Tests run in the folder of their package.
func docs(t testing.TB, name string) string {
	t.Helper()
	for root := "."; len(root) < 100; root = filepath.Join(root, "..") {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return filepath.Join(root, "docs/nats", name)
		}
	}
	t.Fatal("where am I?")
	return ""
}
