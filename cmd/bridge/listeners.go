package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"aiccbridge/callbacks"
	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
)

// callbackStore is what the callbacks need: the ledger's memory, and the store.
type callbackStore struct{ b *bridge }

func (s callbackStore) Accept(ctx context.Context, n schemas.FileNotice) error {
	if s.b.spool != nil {
		return s.b.spool.Accept(ctx, n) // which hands it to the ledger
	}
	return s.b.ledger.Accept(ctx, n)
}

func (s callbackStore) Knows(tenant, responseID string) bool {
	return s.b.ledger.Knows(tenant, responseID)
}

func (s callbackStore) Publish(ctx context.Context, m schemas.Message) error {
	return s.b.store.Publish(ctx, m)
}

// newCallbacks returns nil when no tenant has a file store.
func (b *bridge) newCallbacks() (*callbacks.Server, error) {
	keys, tenants, policies := map[string][]c2sign.Key{}, map[string]string{}, map[string]*privacy.Policy{}
	for _, t := range b.tenants {
		if t.files != nil {
			key := t.key()
			keys[key.AccessKey], tenants[key.AccessKey] = append(keys[key.AccessKey], key), t.cfg.Name
			policies[t.cfg.Name] = t.privacy
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
		Allow: c.Allow, TrustedProxies: c.TrustedProxies, Tokens: b.tokens,
		Text:   func(tenant string, text []byte) []byte { return policies[tenant].Text(text) },
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
		config = serverTLS(*c.Certificate)
	}
	return callbacks.NewServer(l, config, handler, b.log), nil
}

// admin serves health and metrics: on loopback, or with TLS to who has the token.
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
	if c := b.cfg.Listen.AdminCertificate; c != nil {
		l = tls.NewListener(l, serverTLS(*c))
	}
	return &admin{listener: l, server: &http.Server{
		Handler: withToken(b.cfg.Listen.AdminToken.Reveal(), mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}}, nil
}

// withToken answers only who sends the token, if there is one.
func withToken(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token of listen.admin_token_file is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
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
