package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/bus/assets"
)

// A restricted hub is what docs/nats tells to set up: its files, `bridge apply` by
// a user of its own before the first start, bridges that may only use what is
// there, and readers that may only read. With the build tag "permissions" every
// scene has one:
//
//	go test -tags permissions ./cmd/bridge
//
// A refusal fails the scene, whether the bridge notices it or not.

// restricts makes a setup one with a restricted hub.
func (o *setup) restricts() {
	if restrictAll && !o.embedded {
		o.restricted = true
	}
	o.external = o.external || o.restricted
}

func password(r assets.Role) string { return "test-only-" + string(r) }

// passwordFile is where a user of the hub finds his password.
func (h *externalHub) passwordFile(r assets.Role) string {
	return filepath.Join(filepath.Dir(h.dir), "nats-"+string(r))
}

func (h *externalHub) writePasswords() {
	h.t.Helper()
	for _, r := range []assets.Role{assets.RoleBridge, assets.RoleApply, assets.RoleReader} {
		if err := os.WriteFile(h.passwordFile(r), []byte(password(r)+"\n"), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// shipped are the options of a server with the shipped configuration, and a backend and an
// administrator beside its users.
func (h *externalHub) shipped() *server.Options {
	h.t.Helper()
	for _, r := range []assets.Role{assets.RoleBridge, assets.RoleApply, assets.RoleReader} {
		// Always the same; with quotes, as the README says.
		if err := os.Setenv("NATS_"+strings.ToUpper(string(r))+"_PASSWORD", `"`+password(r)+`"`); err != nil {
			h.t.Fatal(err)
		}
	}
	o, err := server.ProcessConfigFile("../../docs/nats/server.conf")
	if err != nil {
		h.t.Fatal(err)
	}
	o.Users = append(o.Users, h.backendUser(o.Accounts[0]), &server.User{Username: string(assets.RoleAdmin), Password: password(assets.RoleAdmin), Account: o.Accounts[0]})
	return o
}

// apply makes the streams, as whoever runs the server does before the first bridge
// starts and after each update.
func (s *scene) apply() {
	s.t.Helper()
	c := s.startWith(s.applying(assets.RoleApply)...)
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		s.t.Fatalf("apply ended with %v\n%s", c.cmd.ProcessState, s.journal.tail())
	}
}

// applying is the command line of a user who wants to make the streams.
func (s *scene) applying(r assets.Role, more ...string) []string {
	return append([]string{"apply", "-c", s.path(), "--user", string(r), "--password-file", s.hub.passwordFile(r)}, more...)
}

// refusals is the log of a server, of which it keeps what was refused, each once.
type refusals struct {
	mu  sync.Mutex
	all []string
}

// Errorf is where a server says what it refuses, and to whom.
func (r *refusals) Errorf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !strings.Contains(line, " Violation - ") && !strings.Contains(line, "authentication error") {
		return
	}
	if _, user, ok := strings.Cut(line, "/user:"); ok { // what comes before differs from connection to connection
		line = user
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.all, line) {
		r.all = append(r.all, line)
	}
}

// Noticef, and what follows, is of no interest.
func (r *refusals) Noticef(string, ...any) {}
func (r *refusals) Warnf(string, ...any)   {}
func (r *refusals) Fatalf(string, ...any)  {}
func (r *refusals) Debugf(string, ...any)  {}
func (r *refusals) Tracef(string, ...any)  {}

// take returns what was refused since the last time.
func (r *refusals) take() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, r.all = r.all, nil
	return all
}
