package embedded

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
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
	// as they come. He can't change, publish or delete anything but the consumers that
	// he made himself, as many as his share, and which go when they are not used for 30
	// days; nor read by way of another reader's, or acknowledge for him. The bucket of the sealed session ids is closed to him. His inboxes are below _INBOX, as every
	// client has them unless told otherwise.
	RoleReader Role = "reader"
	// RoleBackend may do what [User] lists, in the account of the streams: an answer goes there to
	// whatever subject a request names, so that he has to be trusted.
	RoleBackend Role = "backend"
	// RoleAdmin may do everything.
	RoleAdmin Role = "admin"
)

// User may sign in at the listener.
type User struct {
	Name, Password     string
	Role               Role
	Publish, Subscribe []string // all that one with [RoleBackend] may
}

// checkListener refuses users that can't be meant, and a listener that strangers
// reach without TLS and sign-in.
func (o Options) checkListener() error {
	if _, err := schemas.NewNames(o.Prefix); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, u := range o.Users {
		if err := u.check(); err != nil || names[u.Name] {
			return fmt.Errorf("user %q of the NATS listener: %w", u.Name, cmp.Or(err, errors.New("given twice")))
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

func (u User) check() error {
	switch {
	case u.Name == "" || u.Password == "":
		return errors.New("want a name and a password")
	case u.Role != RoleReader && u.Role != RoleBackend && u.Role != RoleAdmin:
		return fmt.Errorf("role %q, want %s, %s or %s", u.Role, RoleReader, RoleBackend, RoleAdmin)
	case u.Role == RoleBackend && (len(u.Publish) == 0 || len(u.Subscribe) == 0):
		return fmt.Errorf("want what a %s may publish and subscribe to", u.Role)
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
	hub, inner gate // for all; for readers
	account    *server.Account
	readers    map[string]*server.Account // by the user's name; nil before they are there
	rights     *server.Permissions        // of readers
}

func newDoor(s *signIn) *door {
	return &door{signIn: s, hub: newGate(), inner: newGate()}
}

// open lets everybody try who still waits.
func (d *door) open() {
	d.hub.open()
	d.inner.open()
}

// gate is shut until it is opened.
type gate struct {
	opened chan struct{}
	open   func()
}

func newGate() gate {
	opened := make(chan struct{})
	return gate{opened, sync.OnceFunc(func() { close(opened) })}
}

// Check makes a door a [server.Authentication]. Who comes before the accounts are
// there waits, and a reader until the desk is manned, because some clients give up after
// one refusal.
func (d *door) Check(c server.ClientAuthentication) bool {
	<-d.hub.opened
	login := c.GetOpts()
	u, ok := d.find(login.Username, login.Password)
	switch {
	case !ok || d.readers == nil:
		return false
	case u.Role == RoleReader && login.Nkey != "":
		return false // the server would take it for his name
	case u.Role == RoleReader:
		<-d.inner.opened
		c.RegisterUser(&server.User{Username: u.Name, Account: d.readers[u.Name], Permissions: d.rights})
	case u.Role == RoleBackend:
		may := &server.Permissions{Publish: &server.SubjectPermission{Allow: u.Publish}, Subscribe: &server.SubjectPermission{Allow: u.Subscribe}}
		c.RegisterUser(&server.User{Username: u.Name, Account: d.account, Permissions: may})
	default:
		c.RegisterUser(&server.User{Username: u.Name, Account: d.account})
	}
	return true
}
