package embedded

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
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

// Each reader lives in an account of his own, which has no streams. What he needs
// of the hub's account is brought over, subject by subject. Permissions alone
// would not do: the server sends its answers to whatever subject a request names
// for them, so that within the streams' account everybody who may ask may also
// write into a stream, or purge it, by way of an answer; and no permission tells the
// consumers of one reader from those of another, whose names are theirs to choose.
const readersAccount = "READERS-"

// inbox is where answers and pushed messages of a reader go, as his client names
// it; pushTo is the same in the hub's account.
const inbox = "_INBOX."

func pushTo(user string) string { return "_READERS." + schemas.EncodeToken(user) + "." + inbox }

// readable are the streams open to readers: all but those of the sessions and of the proxy's clients.
func readable(n schemas.Names) (streams []string) {
	for _, s := range schemas.Streams() {
		streams = append(streams, n.Stream(s))
	}
	for _, b := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketState, schemas.BucketSchemas, schemas.BucketPulse, schemas.BucketLeases} {
		streams = append(streams, n.BucketStream(b))
	}
	for _, b := range []schemas.Bucket{schemas.BucketQuarantine, schemas.BucketRecordings} {
		streams = append(streams, n.ObjectStream(b))
	}
	return streams
}

// microServices are where micro services say who they are, the bridge's among them.
const microServices = "$SRV.>"

// What a reader may call: once, and for each stream. Consumers are made and
// deleted at the desk, see there.
var (
	generalCalls = []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	streamCalls  = []string{
		"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
		"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*",
		"$JS.API.CONSUMER.MSG.NEXT.%s.*",
		"$JS.ACK.%s.>", "$JS.FC.%s.>",
	}
	deskCalls = []string{"CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.>", "CONSUMER.DURABLE.CREATE.%s.*", "CONSUMER.DELETE.%s.*"}
)

// fences keep readers off one another's consumers: in every account but the owner's, what
// is sent to the consumer is led astray.
type fences map[string]*server.Account // by the user's name

const (
	refusedCall = "CONSUMER.NOT_YOURS" // at the desk
	nowhere     = "_"
)

// around are the subjects of a consumer, and where they lead for those who do not own it.
func around(stream, consumer string) map[string]string {
	of := stream + "." + consumer
	return map[string]string{
		"$JS.API.CONSUMER.MSG.NEXT." + of: apiPrefix + refusedCall,
		"$JS.ACK." + of + ".>":            "$JS.ACK." + nowhere + ".>",
		"$JS.FC." + of + ".>":             "$JS.FC." + nowhere + ".>",
	}
}

func (f fences) raise(owner, stream, consumer string) error {
	for user, account := range f {
		if user == owner {
			continue
		}
		for subject, to := range around(stream, consumer) {
			if err := account.AddMapping(subject, to); err != nil {
				return fmt.Errorf("keep others off consumer %q of %s: %w", consumer, stream, err)
			}
		}
	}
	return nil
}

func (f fences) lower(stream, consumer string) {
	for _, account := range f {
		for subject := range around(stream, consumer) {
			account.RemoveMapping(subject)
		}
	}
}

// readerRights say what a reader may send and receive in his account. What is
// not brought over answers "no responders" anyhow.
func readerRights(n schemas.Names) *server.Permissions {
	deny := []string{n.Question("handover"), n.Question("handback")} // an answer holds a session
	for _, c := range n.Consumers() {
		of := n.Stream(c.Stream) + "." + c.Name
		deny = append(deny, "$JS.API.CONSUMER.MSG.NEXT."+of, "$JS.API.CONSUMER.DELETE."+of, "$JS.ACK."+of+".>", "$JS.FC."+of+".>")
	}
	return &server.Permissions{
		Publish: &server.SubjectPermission{
			Allow: []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$SYS.REQ.USER.INFO", microServices, n.Questions()},
			Deny:  deny,
		},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + ">", n.All()}},
	}
}

// openReaders makes the readers' accounts, and gives them what they may use of the hub.
func (d *door) openReaders(ns *server.Server, n schemas.Names) error {
	calls := map[string]string{apiPrefix + refusedCall: deskPrefix + refusedCall} // as readers name it, as the hub does
	for _, call := range append([]string{microServices, n.Questions()}, generalCalls...) {
		calls[call] = call
	}
	for _, stream := range readable(n) {
		for _, call := range streamCalls {
			call = fmt.Sprintf(call, stream)
			calls[call] = call
		}
		for _, call := range deskCalls {
			call = fmt.Sprintf(call, stream)
			calls[apiPrefix+call] = deskPrefix + call
		}
	}
	d.account, d.rights = ns.GlobalAccount(), readerRights(n)
	readers := map[string]*server.Account{}
	var only []*server.Account
	for _, u := range d.users {
		if u.Role != RoleReader {
			continue
		}
		account, err := ns.RegisterAccount(readersAccount + schemas.EncodeToken(u.Name))
		if err != nil {
			return fmt.Errorf("make an account for reader %s: %w", u.Name, err)
		}
		readers[u.Name], only = account, append(only, account)
	}
	if len(only) == 0 {
		d.readers = readers
		return nil
	}
	if err := offer(d.account, only, calls, n); err != nil {
		return err
	}
	for user, account := range readers {
		if err := bringOver(d.account, account, user, calls, n); err != nil {
			return fmt.Errorf("reader %s: %w", user, err)
		}
	}
	d.readers = readers
	return nil
}

// offer lets readers' accounts have what the hub has for them.
func offer(hub *server.Account, only []*server.Account, calls map[string]string, n schemas.Names) error {
	for _, to := range calls {
		// A pull is answered by many messages.
		if err := hub.AddServiceExportWithResponse(to, server.Streamed, only); err != nil {
			return fmt.Errorf("open %s to readers: %w", to, err)
		}
	}
	if err := hub.AddStreamExport(n.All(), only); err != nil {
		return fmt.Errorf("open messages as they come to readers: %w", err)
	}
	return nil
}

// bringOver gives a reader what is offered, and what is pushed to him alone.
func bringOver(hub, reader *server.Account, user string, calls map[string]string, n schemas.Names) error {
	for from, to := range calls {
		if err := reader.AddServiceImport(hub, from, to); err != nil {
			return fmt.Errorf("bring %s over: %w", from, err)
		}
		if !strings.HasPrefix(to, deskPrefix) {
			continue
		}
		if err := reader.SetServiceImportSharing(hub, to, true); err != nil { // the desk asks who it is
			return fmt.Errorf("say at %s who asks: %w", to, err)
		}
	}
	if err := reader.AddStreamImport(hub, n.All(), ""); err != nil {
		return fmt.Errorf("bring messages as they come over: %w", err)
	}
	if err := hub.AddStreamExport(pushTo(user)+">", []*server.Account{reader}); err != nil {
		return fmt.Errorf("open pushed messages: %w", err)
	}
	if err := reader.AddMappedStreamImport(hub, pushTo(user)+">", inbox+">"); err != nil {
		return fmt.Errorf("bring pushed messages over: %w", err)
	}
	return nil
}
