package main

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/embedded"
	"aiccbridge/config"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// store is where the pollers keep what they get and what they know: the hub
// itself, or the spool in front of an external one.
type store interface {
	Publish(ctx context.Context, m schemas.Message) error
	Last(ctx context.Context, filter string) (schemas.Stored, bool, error)
	Bucket(b schemas.Bucket) *bus.Bucket
	Lease(ctx context.Context, tenant, partition string, floor uint64) (*bus.Lease, error)
}

// A start waits so long for an external NATS to be there, and then for its answers
// about all streams, before it goes on without.
const (
	firstContact = 5 * time.Second
	firstAnswers = 30 * time.Second
	reachEvery   = 5 * time.Second // from then on
)

// openNATS starts the server in this process and connects to the hub: the same
// server, or an external one behind the spool.
func (b *bridge) openNATS(ctx context.Context, instance string, acceptWeaker []string) (err error) {
	o := bus.Options{
		Names: b.names, Instance: instance, Logger: b.log, Registerer: b.metrics,
		MaxAttempts: b.cfg.Worker.MaxAttempts, AcceptWeaker: acceptWeaker,
	}
	if b.cfg.NATS.URL == "" {
		return b.openEmbedded(ctx, o)
	}
	return b.openExternal(ctx, o)
}

func (b *bridge) openEmbedded(ctx context.Context, o bus.Options) (err error) {
	l := b.cfg.Listen
	server := embedded.Options{
		Dir: filepath.Join(b.cfg.DataDir, "nats"), Listen: l.NATS, Prefix: b.names.Prefix(),
		ReserveBytes: reserve(int64(b.cfg.Disk.Reserve)), Logger: b.log,
	}
	if l.NATSCertificate != nil {
		server.TLS = serverTLS(*l.NATSCertificate)
	}
	for _, u := range l.NATSUsers {
		server.Users = append(server.Users, embedded.User{Name: u.Name, Password: u.Password.Reveal(), Role: embedded.Role(u.Role)})
	}
	if b.server, err = embedded.Start(ctx, server); err != nil {
		return err
	}
	o.InProcess = b.server
	o.User, o.Password = b.server.Login()
	if b.bus, err = bus.Connect(ctx, o); err != nil {
		return err
	}
	b.store = b.bus
	return b.bus.Ensure(ctx)
}

func (b *bridge) openExternal(ctx context.Context, o bus.Options) (err error) {
	b.server, err = embedded.Start(ctx, embedded.Options{
		Dir: filepath.Join(b.cfg.DataDir, "spool-nats"), Prefix: b.names.Prefix(),
		ReserveBytes: reserve(int64(b.cfg.Disk.Reserve)), Logger: b.log,
	})
	if err != nil {
		return err
	}
	if b.bus, err = bus.Open(externalOptions(b.cfg.NATS, o)); err != nil {
		return err
	}
	spool := bus.SpoolOptions{
		Names: b.names, Instance: o.Instance, Server: b.server, Hub: b.bus, MaxBytes: int64(b.cfg.NATS.SpoolBytes),
		Notice: func(ctx context.Context, n schemas.FileNotice) error { return b.ledger.Accept(ctx, n) },
		Logger: b.log, Registerer: b.metrics,
	}
	spool.User, spool.Password = b.server.Login()
	if b.spool, err = bus.OpenSpool(ctx, spool); err != nil {
		return err
	}
	b.store = b.spool
	waiting, cancel := context.WithTimeout(ctx, firstContact)
	defer cancel()
	if err = b.bus.Ready(waiting); err == nil {
		answering, cancel := context.WithTimeout(ctx, firstAnswers)
		defer cancel()
		waiting, err = answering, b.bus.Ensure(answering)
	}
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		b.log.Warn().Err(err).Msg("nats is away; what comes is kept in the spool until it is back")
		b.spool.Hold(true)
		return nil
	}
	b.reached = err == nil
	return err
}

// reach waits for the external NATS and makes sure that its streams are as
// promised.
func (b *bridge) reach(ctx context.Context) error {
	if err := b.bus.Ready(ctx); err != nil {
		return err
	}
	return b.bus.Ensure(ctx)
}

// forward runs the spool. Until the hub's streams have been found as promised
// nothing leaves it.
func (b *bridge) forward(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.spool.Run(ctx) })
	if b.reached {
		return group.Wait()
	}
	group.Go(func() error {
		said := ""
		for ctx.Err() == nil {
			err := b.reach(ctx)
			if err == nil {
				b.spool.Hold(false)
				return nil
			}
			if ctx.Err() == nil && err.Error() != said {
				said = err.Error()
				b.log.Error().Err(err).Msg("nats is not used; what comes stays in the spool")
			}
			_ = retry.Wait(ctx, reachEvery) // the loop sees the end
		}
		return nil
	})
	return group.Wait()
}

// awaitSessions waits, for a while, for what other bridges left at an external hub.
func (b *bridge) awaitSessions(ctx context.Context) {
	if b.spool == nil || b.bus.Connected() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstContact)
	defer cancel()
	if err := b.spool.Loaded(ctx); err != nil {
		b.log.Warn().Err(err).Msg("sessions are taken as they were last known here")
	}
}

// externalOptions are how to reach the hub that the configuration names.
func externalOptions(n config.NATS, o bus.Options) bus.Options {
	o.URL, o.CredentialsFile = n.URL, n.CredentialsFile
	o.User, o.Password = n.User, n.Password.Reveal()
	o.KeepAssets = !n.ManageStreams
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
