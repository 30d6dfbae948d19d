package assets

import (
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

// Role is what a user of the NATS server does.
type Role string

// The roles.
const (
	RoleBridge Role = "bridge" // a running bridge: uses the streams, never makes, changes, empties or deletes one
	RoleApply  Role = "apply"  // makes and changes them, nothing else
	RoleReader Role = "reader" // looks at everything but the agents' sessions and the leases
	// RoleBackend signs agents in itself: puts their sessions into the bucket, follows them
	// there, and asks for them back; of any tenant, see [Backend].
	RoleBackend Role = "backend"
	RoleAdmin   Role = "admin" // everything
)

// Subjects are patterns of subjects as the permissions of a nats-server have
// them. What is denied is denied although it is allowed as well.
type Subjects struct{ Allow, Deny []string }

// Rights are what a user may publish and subscribe to. Without an entry in
// Allow nothing is allowed.
type Rights struct {
	Publish, Subscribe Subjects
	Answers            bool // may publish to where a request that it got wants its answer
}

// Permissions returns the rights of a role for a server where the bridge's
// streams have these names. An unknown role has none.
//
// They keep mistakes from doing harm, not somebody who means it. Subjects cannot
// say it better: who may make consumers may also delete those of others on the
// same stream; a bridge may empty its object stores (it removes the parts of
// files it replaces); and the server sends an answer, or a pushed message, to
// whatever subject the request names, so that whoever may ask can have the answer
// written into a stream of the account. Readers who are not trusted need an
// account of their own.
func Permissions(n schemas.Names, r Role) Rights {
	p := newPermissions(n)
	switch r {
	case RoleBridge:
		return p.bridge()
	case RoleApply:
		return p.apply()
	case RoleReader:
		return p.reader()
	case RoleBackend:
		return Backend(n, "*")
	case RoleAdmin:
		return Rights{Publish: Subjects{Allow: []string{">"}}, Subscribe: Subjects{Allow: []string{">"}}}
	}
	return Rights{}
}

const (
	apiPrefix = "$JS.API."
	// The server's acknowledgement and flow control subjects have two forms;
	// newer servers may put domain and account in front of the stream.
	ackPrefix, flowPrefix = "$JS.ACK.", "$JS.FC."
	domainAndAccount      = "*.*."
)

// permissions builds the lists from the table of assets.
type permissions struct {
	names  schemas.Names
	assets []Asset
	shared []shared
}

// shared is a consumer that the bridges share.
type shared struct{ stream, name string }

func newPermissions(n schemas.Names) permissions {
	p := permissions{names: n, assets: list(n, Options{})}
	for _, c := range n.Consumers() {
		p.shared = append(p.shared, shared{n.Stream(c.Stream), c.Name})
	}
	return p
}

func (p permissions) bridge() Rights {
	publish := []string{apiPrefix + "INFO", p.names.Questions()} // each asks the others how they are
	for _, a := range p.assets {
		publish = append(publish, a.Subjects...)
		publish = append(publish, read(a.StreamConfig)...)
		if a.objectStore { // read by a push consumer
			publish = append(publish, api("STREAM.PURGE", a.Name))
			publish = append(publish, twoForms(flowPrefix, a.Name+".>")...)
		}
	}
	subscribe := append([]string{BridgeInbox + ".>"}, p.questions()...)
	for _, c := range p.shared {
		publish = append(publish, twoForms(ackPrefix, c.stream+"."+c.name+".>")...)
		subscribe = append(subscribe, "$JS.EVENT.ADVISORY.CONSUMER.*."+c.stream+".>")
	}
	return Rights{Publish: Subjects{Allow: publish, Deny: p.manageShared()}, Subscribe: Subjects{Allow: subscribe}, Answers: true}
}

// questions are where the bridges answer.
func (p permissions) questions() []string { return []string{p.names.Questions(), "$SRV.>"} }

func (p permissions) apply() Rights {
	publish := []string{apiPrefix + "INFO"}
	for _, a := range p.assets {
		for _, verb := range []string{"STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE"} {
			publish = append(publish, api(verb, a.Name))
		}
	}
	for _, c := range p.shared {
		publish = append(publish, api("CONSUMER.INFO", c.stream, c.name), api("CONSUMER.CREATE", c.stream, c.name, ">"))
	}
	return Rights{Publish: Subjects{Allow: publish}, Subscribe: Subjects{Allow: []string{BridgeInbox + ".>"}}}
}

// reader may make consumers, durable ones too, on what it may see.
func (p permissions) reader() Rights {
	publish := append([]string{apiPrefix + "INFO", apiPrefix + "STREAM.NAMES", apiPrefix + "STREAM.LIST"}, p.questions()...)
	hidden := []string{p.names.Bucket(schemas.BucketSessions), p.names.Bucket(schemas.BucketClients), p.names.Bucket(schemas.BucketLeases)}
	for _, a := range p.assets {
		if slices.Contains(hidden, a.Label) {
			continue
		}
		publish = append(publish, read(a.StreamConfig)...)
		publish = append(publish, api("CONSUMER.NAMES", a.Name), api("CONSUMER.LIST", a.Name),
			api("CONSUMER.CREATE", a.Name), api("CONSUMER.DURABLE.CREATE", a.Name, "*"))
		publish = append(publish, twoForms(ackPrefix, a.Name+".>")...)
		publish = append(publish, twoForms(flowPrefix, a.Name+".>")...)
	}
	deny := append(p.manageShared(), p.desk()...)
	for _, c := range p.shared {
		deny = append(deny, api("CONSUMER.DURABLE.CREATE", c.stream, c.name), api("CONSUMER.MSG.NEXT", c.stream, c.name))
		deny = append(deny, twoForms(ackPrefix, c.stream+"."+c.name+".>")...)
	}
	return Rights{
		Publish:   Subjects{Allow: publish, Deny: deny},
		Subscribe: Subjects{Allow: []string{ReaderInbox + ".>", p.names.All()}},
	}
}

// desk is where sessions are handed over and given back.
func (p permissions) desk() []string {
	return []string{p.names.Question("handover"), p.names.Question("handback")}
}

// Backend is [RoleBackend] for the entries of one tenant. The requests are for all tenants: a
// backend that must not have the sessions of others has to do without them.
func Backend(n schemas.Names, tenant string) Rights {
	if tenant != "*" {
		tenant = schemas.EncodeToken(tenant)
	}
	p := permissions{names: n}
	keys, stream := n.BucketSubject(schemas.BucketSessions, tenant+"."), n.BucketStream(schemas.BucketSessions)
	publish := append(p.desk(), apiPrefix+"INFO", keys+"*", api("STREAM.INFO", stream))
	for _, end := range []string{"*", ">"} { // one agent, or all
		publish = append(publish, api("DIRECT.GET", stream, keys+end), api("CONSUMER.CREATE", stream, "*", keys+end))
	}
	publish = append(publish, api("CONSUMER.INFO", stream, "*"), api("CONSUMER.MSG.NEXT", stream, "*"), api("CONSUMER.DELETE", stream, "*"))
	publish = append(publish, twoForms(flowPrefix, stream+".>")...)
	return Rights{Publish: Subjects{Allow: publish}, Subscribe: Subjects{Allow: []string{BackendInbox + ".>"}}}
}

// read is what readers of a stream need: its state, single messages, and
// consumers of their own.
func read(c jetstream.StreamConfig) []string {
	list := []string{
		api("STREAM.INFO", c.Name),
		api("STREAM.MSG.GET", c.Name),
		api("CONSUMER.CREATE", c.Name, ">"),
		api("CONSUMER.INFO", c.Name, "*"),
		api("CONSUMER.MSG.NEXT", c.Name, "*"),
		api("CONSUMER.DELETE", c.Name, "*"),
	}
	if c.AllowDirect {
		list = append(list, api("DIRECT.GET", c.Name), api("DIRECT.GET", c.Name, ">"))
	}
	return list
}

// manageShared is what changes the consumers that the bridges share, or makes them anew.
func (p permissions) manageShared() (list []string) {
	for _, c := range p.shared {
		list = append(list,
			api("CONSUMER.CREATE", c.stream, c.name),
			api("CONSUMER.CREATE", c.stream, c.name, ">"),
			api("CONSUMER.DELETE", c.stream, c.name))
	}
	return list
}

func api(verb string, tokens ...string) string {
	subject := apiPrefix + verb
	for _, t := range tokens {
		subject += "." + t
	}
	return subject
}

func twoForms(prefix, rest string) []string {
	return []string{prefix + rest, prefix + domainAndAccount + rest}
}
