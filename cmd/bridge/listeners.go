package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"aiccbridge/callbacks"
	"aiccbridge/internal/c2sign"
	"aiccbridge/schemas"
)

// callbackStore is what the callbacks need: the ledger's memory and the bus.
type callbackStore struct{ b *bridge }

func (s callbackStore) Accept(ctx context.Context, n schemas.FileNotice) error {
	return s.b.ledger.Accept(ctx, n)
}

func (s callbackStore) Knows(tenant, responseID string) bool {
	return s.b.ledger.Knows(tenant, responseID)
}

func (s callbackStore) Publish(ctx context.Context, m schemas.Message) error {
	return s.b.bus.Publish(ctx, m)
}

// newCallbacks returns nil when no tenant has a file store.
func (b *bridge) newCallbacks() (*callbacks.Server, error) {
	keys, tenants := map[string][]c2sign.Key{}, map[string]string{}
	for _, t := range b.tenants {
		if t.store != nil {
			key := t.key()
			keys[key.AccessKey], tenants[key.AccessKey] = append(keys[key.AccessKey], key), t.cfg.Name
		}
	}
	if len(tenants) == 0 {
		return nil, nil
	}
	c := b.cfg.Callbacks
	handler, err := callbacks.New(callbacks.Options{
		Names: b.names, Store: callbackStore{b}, Tenants: tenants,
		Keys:      func(accessKey string) []c2sign.Key { return keys[accessKey] },
		PublicURL: c.PublicURL, Window: noneIfZero(c.Window), Verify: callbacks.Mode(c.Verify),
		Logger: b.log, Registerer: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	l, err := listen("listen.callbacks", b.cfg.Listen.Callbacks)
	if err != nil {
		return nil, err
	}
	var config *tls.Config
	if c.Certificate != nil {
		config = &tls.Config{Certificates: []tls.Certificate{*c.Certificate}, MinVersion: tls.VersionTLS12}
	}
	return callbacks.NewServer(l, config, handler, b.log), nil
}

// admin serves health and metrics, on loopback unless configured otherwise.
type admin struct {
	listener net.Listener
	server   *http.Server
}

// newAdmin returns nil when listen.admin is empty.
func (b *bridge) newAdmin(health http.Handler) (*admin, error) {
	if b.cfg.Listen.Admin == "" {
		return nil, nil
	}
	l, err := listen("listen.admin", b.cfg.Listen.Admin)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.metrics, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", health)
	return &admin{listener: l, server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}}, nil
}

// Run serves until intake ends.
func (a *admin) Run(intake, work context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- a.server.Serve(a.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", a.listener.Addr(), err)
	case <-intake.Done():
	}
	err := a.server.Shutdown(work)
	if err != nil {
		err = errors.Join(err, a.server.Close())
	}
	<-failed
	return err
}
