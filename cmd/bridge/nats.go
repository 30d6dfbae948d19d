package main

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/bus/kv"
	"aiccbridge/bus/lease"
	"aiccbridge/config"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/health"
	"aiccbridge/internal/instance"
	"aiccbridge/schemas"
)

// hub is the NATS that consumers read, with what is the same wherever it runs.
type hub struct {
	side
	bus     *bus.Bus         // the hub
	assets  *assets.Table    // its streams
	notices notices          // where callbacks go: to the ledger, or by way of the spool
	ledger  *ledger.Ledger   // in it
	server  *embedded.Server // in this process: the hub or, with an external one, the spool's
	witness *witnesses       // of what was acknowledged
}

// side is where the hub runs: in this process ([inProcess]), or elsewhere with a spool
// in front of it ([behindSpool]).
type side interface {
	// Pollers and callbacks keep here what they get and what they know.
	Publish(ctx context.Context, m schemas.Message) error
	Last(ctx context.Context, filter string) (schemas.Stored, bool, error)
	Bucket(b schemas.Bucket) *kv.Bucket

	owner(o lease.Options) lease.Options // with who this bridge is
	copied() time.Time                   // when the data folder was last found to be a copy; zero: never
	lease(o lease.Options) lease.Lease   // one to poll with, that nobody has yet
	// heldLast are the partitions of a tenant with which polling may go on without the hub.
	heldLast(ctx context.Context, tenant string) ([]string, error)
	url() string                          // where consumers connect
	serveSpool(ctx context.Context) error // blocks until ctx ends
	flush(ctx context.Context) error      // gets out what it can in a while
	awaitSessions(ctx context.Context)    // waits, for a while, for what other bridges left
	stored() error                        // why nothing can be stored
	hold(weak bool)                       // what follows when a stream is weaker than promised
	checks() []health.Check               // further ones
}

// notices takes what callbacks say.
type notices interface {
	Accept(ctx context.Context, n schemas.FileNotice) error
}

// openHub starts the server in this process and connects to the hub: the same
// server, or an external one behind the spool.
func openHub(ctx context.Context, b base, acceptWeaker []string, open *closers) (*hub, error) {
	w, err := openWitnesses(b, open)
	if err != nil {
		return nil, err
	}
	o := bus.Options{MaxAttempts: b.cfg.Worker.MaxAttempts, Registerer: b.metrics}
	o.Names, o.Instance, o.Logger = b.names, b.instance, b.log
	if !b.cfg.NATS.External() {
		return openInProcess(ctx, b, w, o, assets.Options{AcceptWeaker: acceptWeaker}, open)
	}
	return openBehindSpool(ctx, b, w, o, assets.Options{Keep: !b.cfg.NATS.ManageStreams, AcceptWeaker: acceptWeaker, Replicas: b.cfg.NATS.Replicas}, open)
}

// lineOf marks the folder of the server in this process, before that uses it. what says
// what follows when the folder is found to be a copy.
func lineOf(b base, dir, what string) instance.Line {
	line := instance.LineOf(dir)
	if line.Begun {
		b.log.Warn().Str("folder", dir).Uint64("line", line.Number).Str("then", what).Msg("data folder is a copy, or an older copy was put in its place; it goes on in a new line")
	}
	if line.Unmarked != nil {
		b.log.Warn().Err(line.Unmarked).Msg("data folder is not marked; a copy of it may not be noticed")
	}
	return line
}

// startServer starts the server in this process.
func startServer(ctx context.Context, b base, o embedded.Options, open *closers) (*embedded.Server, error) {
	o.Prefix, o.ReserveBytes, o.Logger = b.names.Prefix(), reserve(int64(b.cfg.Disk.Reserve)), b.log
	server, err := embedded.Start(ctx, o)
	if err == nil {
		open.add(server.Shutdown)
	}
	return server, err
}

// openBus begins to connect to the hub, which need not be there, and makes the ledger
// in it.
func openBus(b base, o bus.Options, open *closers) (*bus.Bus, *ledger.Ledger, error) {
	hub, err := bus.Open(o)
	if err != nil {
		return nil, nil, err
	}
	open.add(hub.Close)
	windows, err := ledger.New(ledger.Options{
		Names: b.names, Bucket: kv.Open(hub.Conn(), schemas.BucketWindows), Publisher: hub,
		Retry: b.cfg.Worker.RetryAfter, Tracer: b.tracer, Logger: b.log,
	})
	return hub, windows, err
}

// serve runs in the group what serves all parts, until ctx ends.
func (h *hub) serve(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return named("ledger", h.ledger.Run(ctx)) })
	group.Go(func() error { return named("embedded nats", h.server.Run(ctx)) })
	group.Go(func() error { return named("spool", h.serveSpool(ctx)) })
	h.witness.serve(ctx, group)
}

// inProcess is a hub in this process: nothing is between it and the parts.
type inProcess struct {
	*bus.Bus
	server *embedded.Server
	line   instance.Line
}

func openInProcess(ctx context.Context, b base, w *witnesses, o bus.Options, a assets.Options, open *closers) (*hub, error) {
	l := b.cfg.Listen
	s := embedded.Options{Dir: filepath.Join(b.cfg.DataDir, "nats"), Listen: l.NATS}
	if l.NATSCertificate != nil {
		s.TLS = serverTLS(*l.NATSCertificate)
	}
	backend := assets.Permissions(b.names, assets.RoleBackend)
	for _, u := range l.NATSUsers {
		s.Users = append(s.Users, embedded.User{
			Name: u.Name, Password: u.Password.Reveal(), Role: embedded.Role(u.Role), Publish: backend.Publish.Allow, Subscribe: backend.Subscribe.Allow,
		})
	}
	if l.NATS != "" { // the server's own error does not name the key
		if err := probe(l.NATS); err != nil {
			return nil, cannotListen("listen.nats", l.NATS, err)
		}
	}
	line := lineOf(b, s.Dir, "events go on with epochs above its line; another bridge on a copy of this folder polls the same agents, and should be stopped")
	server, err := startServer(ctx, b, s, open)
	if err != nil {
		return nil, err
	}
	o.InProcess, o.Witness = server, w
	o.User, o.Password = server.Login()
	hubBus, ledger, err := openBus(b, o, open)
	if err == nil {
		err = hubBus.Ready(ctx)
	}
	if err != nil {
		return nil, err
	}
	table := assets.NewTable(hubBus.Conn(), a)
	err = table.Ensure(ctx)
	if err == nil {
		err = w.inProcess(ctx, hubBus, b.names)
	}
	if err != nil {
		return nil, err
	}
	return &hub{side: inProcess{hubBus, server, line}, bus: hubBus, assets: table, notices: ledger, ledger: ledger, server: server, witness: w}, nil
}

func (p inProcess) Bucket(b schemas.Bucket) *kv.Bucket { return kv.Open(p.Conn(), b) }

func (p inProcess) owner(o lease.Options) lease.Options {
	o.Line = p.line.Number
	return o
}

func (p inProcess) copied() time.Time { return p.line.Since() }

func (p inProcess) lease(o lease.Options) lease.Lease { return lease.NewAtHub(p.Conn(), p.owner(o)) }

func (p inProcess) heldLast(context.Context, string) ([]string, error) { return nil, nil }

func (p inProcess) url() string                      { return p.server.ClientURL() }
func (p inProcess) serveSpool(context.Context) error { return nil }
func (p inProcess) flush(context.Context) error      { return nil }
func (p inProcess) awaitSessions(context.Context)    {}
func (p inProcess) hold(bool)                        {}

func (p inProcess) checks() []health.Check {
	return []health.Check{{
		Name: "consumers", Find: func(context.Context) error { return p.server.Crowded() },
		Raised: "more consumers are wanted than there is room for; the bridge keeps its share: see which user makes them, and delete those that nobody uses",
		Over:   "there is room for consumers again",
	}}
}

func (p inProcess) stored() error {
	if err := errors.Join(p.Connected(), p.server.Healthy()); err != nil {
		return err
	}
	return p.Failing(stillLimit)
}

// hubName says which external NATS it is.
func hubName(n config.NATS) string {
	if n.Context != "" {
		return "context " + n.Context
	}
	return n.URL
}

// externalOptions are how to reach the hub that the configuration names.
func externalOptions(n config.NATS, o bus.Options) bus.Options {
	o.URL, o.Context, o.CredentialsFile = n.URL, n.Context, n.CredentialsFile
	o.User, o.Password = n.User, n.Password.Reveal()
	if n.RootCAs == nil && n.ClientCertificate == nil {
		return o
	}
	o.TLS = &tls.Config{RootCAs: n.RootCAs, MinVersion: tls.VersionTLS12}
	if n.ClientCertificate != nil {
		o.TLS.Certificates = []tls.Certificate{*n.ClientCertificate}
	}
	return o
}

// reserve turns a configured 0 ("none") into what the server takes for it.
func reserve(bytes int64) int64 {
	if bytes == 0 {
		return -1
	}
	return bytes
}

func serverTLS(c tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
}
