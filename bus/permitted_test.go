package bus

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// permittedServer is a nats-server with the configuration that is shipped, and an
// administrator beside its users.
type permittedServer struct {
	opts *natsd.Options

	mu sync.Mutex
	ns *natsd.Server // nil: shut down
}

func testPassword(r Role) string { return "test-only-" + string(r) }

// startPermitted starts a server from docs/nats/server.conf.
func startPermitted(t *testing.T, change ...func(*permittedServer)) *permittedServer {
	t.Helper()
	for _, r := range []Role{RoleBridge, RoleApply, RoleReader} {
		if err := os.Setenv(passwordVariable(r)[1:], testPassword(r)); err != nil {
			t.Fatal(err)
		}
	}
	opts, err := natsd.ProcessConfigFile("../docs/nats/server.conf")
	if err != nil {
		t.Fatal(err)
	}
	if len(opts.Accounts) != 1 || !opts.SyncAlways {
		t.Fatalf("%d accounts, sync always %v", len(opts.Accounts), opts.SyncAlways)
	}
	opts.Users = append(opts.Users, &natsd.User{Username: string(RoleAdmin), Password: testPassword(RoleAdmin), Account: opts.Accounts[0]})
	opts.StoreDir, opts.Host, opts.Port, opts.NoLog, opts.NoSigs = t.TempDir(), "127.0.0.1", -1, true, true
	s := &permittedServer{opts: opts}
	for _, f := range change {
		f(s)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func (s *permittedServer) start() error {
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
func (s *permittedServer) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	ns := s.ns
	s.mu.Unlock()
	if ns == nil {
		return nil, errors.New("shut down")
	}
	return ns.InProcessConn()
}

// ClientURL is where clients connect.
func (s *permittedServer) ClientURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ns.ClientURL()
}

// Restart stops the server and starts it over the same directory.
func (s *permittedServer) Restart() error {
	s.Shutdown()
	return s.start()
}

// Shutdown stops the server.
func (s *permittedServer) Shutdown() {
	s.mu.Lock()
	ns := s.ns
	s.ns = nil
	s.mu.Unlock()
	if ns != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}

// signIn makes a bus that of a user of a permittedServer.
func signIn(r Role) func(*Options) {
	return func(o *Options) {
		o.User, o.Password, o.KeepAssets = string(r), testPassword(r), r == RoleBridge || r == RoleReader
	}
}

// logLines is a log that may be read while it is written.
type logLines struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Write appends a line.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}
