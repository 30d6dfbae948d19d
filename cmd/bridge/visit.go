package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/config"
	"aiccbridge/exporter/ledger"
	"aiccbridge/schemas"
)

// visit is the hub for a command that is no bridge, while one runs or not.
type visit struct {
	names  schemas.Names
	bus    *bus.Bus
	ledger *ledger.Ledger
	serve  func(ctx context.Context, group *errgroup.Group) // what the two need until ctx ends
}

// visiting calls f with the hub: the external one; else the one in the bridge that runs on
// the data folder, by way of its listener; else the folder's own, opened for as long as
// f works. NATS is waited for so long.
func visiting(ctx context.Context, cfg *config.Config, log zerolog.Logger, wait time.Duration, f func(ctx context.Context, v visit) error) (err error) {
	var open closers
	defer func() { open.close() }()
	patient, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	v, err := openVisit(patient, cfg, log, &open)
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	group, within := errgroup.WithContext(serving)
	v.serve(within, group)
	working, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(within, stop)() // what serves has failed
	err = v.ledger.Await(patient)
	if err == nil {
		err = f(working, v)
	}
	end()
	return cmp.Or(group.Wait(), err)
}

func openVisit(ctx context.Context, cfg *config.Config, log zerolog.Logger, open *closers) (v visit, err error) {
	if v.names, err = schemas.NewNames(cfg.NATS.SubjectPrefix); err != nil {
		return v, err
	}
	o, there, err := runningHub(cfg, true)
	if err != nil {
		return v, err
	}
	if !there {
		return openFolder(ctx, cfg, log, v, open)
	}
	o.Names, o.Instance, o.Logger = v.names, uuid.NewString(), log
	v.bus, v.ledger, err = openBus(base{cfg: cfg, log: log, names: v.names}, o, open)
	if err == nil {
		err = v.bus.Ready(ctx)
	}
	v.serve = func(ctx context.Context, group *errgroup.Group) {
		group.Go(func() error { return named("ledger", v.ledger.Run(ctx)) })
	}
	return v, err
}

// runningHub is how to reach the hub that is there without this command: the external one, or
// that of a bridge that runs on the data folder; there is false when there is neither. writes
// says that reading is not enough.
func runningHub(cfg *config.Config, writes bool) (o bus.Options, there bool, err error) {
	switch {
	case cfg.NATS.External():
		return externalOptions(cfg.NATS, o), true, nil
	case embedded.Locked(cfg.DataDir):
		o, err = listenerOptions(cfg.Listen, writes)
		return o, true, err
	}
	return o, false, nil
}

// hasRun is an error where there is nothing to look at: the hub is a data folder's, and
// there is none. Who only looks makes no folder.
func hasRun(cfg *config.Config) error {
	if _, err := os.Stat(cfg.DataDir); cfg.NATS.External() || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("no bridge has run here: data_dir %s does not exist; start the bridge, or name the configuration that it has", cfg.DataDir)
}

// openFolder opens the hub of a data folder that no bridge has in use, as a bridge would.
func openFolder(ctx context.Context, cfg *config.Config, log zerolog.Logger, v visit, open *closers) (visit, error) {
	lock, err := embedded.Lock(cfg.DataDir)
	if err != nil {
		return v, inDataDir(cfg.DataDir, err)
	}
	open.add(func() { _ = lock.Close() }) // nothing was written to it
	b, err := newBase(cfg, log)
	if err != nil {
		return v, inDataDir(cfg.DataDir, err)
	}
	h, err := openHub(ctx, b, nil, open)
	if err != nil {
		return v, err
	}
	v.bus, v.ledger, v.serve = h.bus, h.ledger, h.serve
	return v, nil
}

// listenerOptions are how to reach the server of a bridge that runs on this machine.
func listenerOptions(l config.Listen, writes bool) (o bus.Options, err error) {
	if l.NATS == "" {
		return o, errors.New("a bridge runs on data_dir, and its NATS server can't be reached: name an address in listen.nats, or stop the bridge meanwhile")
	}
	host, port, err := net.SplitHostPort(l.NATS)
	if err != nil {
		return o, fmt.Errorf("listen.nats: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	o.URL = "nats://" + net.JoinHostPort(host, port)
	if l.NATSCertificate != nil {
		o.TLS = onlyServer(l.NATSCertificate.Certificate[0])
	}
	if len(l.NATSUsers) == 0 {
		return o, nil
	}
	i := slices.IndexFunc(l.NATSUsers, func(u config.NATSUser) bool { return embedded.Role(u.Role) == embedded.RoleAdmin })
	switch {
	case i < 0 && !writes:
		i, o.InboxPrefix = 0, assets.ReaderInbox
	case i < 0:
		return o, errors.New("a bridge runs on data_dir, and nobody in listen.nats_users may write: add one with role admin, or stop the bridge meanwhile")
	}
	o.User, o.Password = l.NATSUsers[i].Name, l.NATSUsers[i].Password.Reveal()
	return o, nil
}

// onlyServer trusts the server with this certificate, whatever names are in it: the
// configuration has it.
func onlyServer(certificate []byte) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, certificate) {
				return errors.New("another server than the bridge's listens on listen.nats")
			}
			return nil
		},
	}
}
