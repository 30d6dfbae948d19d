package embedded

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/schemas"
)

// Role is what a user of the listener may do.
type Role string

// The roles.
const (
	// RoleReader may read the bridge's streams, buckets and objects, with
	// consumers of his own, ephemeral and durable, and hear the bridge's messages
	// as they come. He can't change, publish or delete anything but consumers, and
	// not the workers' one. The bucket of the sealed session ids is closed to him. His inboxes are below _INBOX, as every
	// client has them unless told otherwise.
	RoleReader Role = "reader"
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
)

// User may sign in at the listener.
type User struct {
	Name, Password string
	Role           Role
}

// checkListener refuses users that can't be meant, and a listener that strangers
// reach without TLS and sign-in.
func (o Options) checkListener() error {
	if _, err := schemas.NewNames(o.Prefix); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, u := range o.Users {
		switch {
		case u.Name == "" || u.Password == "":
			return fmt.Errorf("user %q of the NATS listener: want a name and a password", u.Name)
		case names[u.Name]:
			return fmt.Errorf("user %q of the NATS listener: given twice", u.Name)
		case u.Role != RoleReader && u.Role != RoleAdmin:
			return fmt.Errorf("user %q of the NATS listener: role %q, want %s or %s", u.Name, u.Role, RoleReader, RoleAdmin)
		}
		names[u.Name] = true
	}
	if o.Listen == "" {
		return nil
	}
	host, _, err := splitListen(o.Listen)
	if err != nil {
		return err
	}
	if !isLoopback(host) && (o.TLS == nil || len(o.Users) == 0) {
		return fmt.Errorf("listen address %q can be reached from other machines: give it a certificate and users, or listen on 127.0.0.1", o.Listen)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// signIn knows who may sign in.
type signIn struct {
	own   User // the process's connections
	users []User
}

// newSignIn is nil when nobody must sign in.
func newSignIn(users []User) *signIn {
	if len(users) == 0 {
		return nil
	}
	own := User{Name: "bridge-" + rand.Text(), Password: rand.Text(), Role: RoleAdmin}
	return &signIn{own: own, users: append([]User{own}, users...)}
}

// find compares with all users, so that its time tells nothing about any.
func (s *signIn) find(name, password string) (found User, ok bool) {
	for _, u := range s.users {
		if same(u.Name, name)&same(u.Password, password) == 1 {
			found, ok = u, true
		}
	}
	return found, ok
}

// same is 1 for equal texts; hashing hides their length.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// door lets clients into one run of the server, each into his account.
type door struct {
	*signIn
	ready   chan struct{} // closed by open, once the accounts are there, or never will be
	open    func()
	hub     *server.Account
	readers *server.Account
	rights  *server.Permissions // of readers
}

func newDoor(s *signIn) *door {
	ready := make(chan struct{})
	return &door{signIn: s, ready: ready, open: sync.OnceFunc(func() { close(ready) })}
}

// Check makes a door a [server.Authentication]. Who comes before the accounts are
// there waits, because some clients give up after one refusal.
func (d *door) Check(c server.ClientAuthentication) bool {
	<-d.ready
	login := c.GetOpts()
	u, ok := d.find(login.Username, login.Password)
	switch {
	case !ok || d.readers == nil:
		return false
	case u.Role == RoleReader:
		c.RegisterUser(&server.User{Username: u.Name, Account: d.readers, Permissions: d.rights})
	default:
		c.RegisterUser(&server.User{Username: u.Name, Account: d.hub})
	}
	return true
}
