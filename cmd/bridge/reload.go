package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/privacy"
	"aiccbridge/internal/reload"
	"aiccbridge/internal/stopsignal"
)

func newReload() *cobra.Command {
	var path string
	var asJSON bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running bridge take a changed configuration",
		Long: "Check a configuration, and have the bridge that runs with it read it again, by a request\n" +
			"to its listen.admin; SIGHUP does the same without an answer. Printed is what changed.\n" +
			"When something is wrong, or a key has changed that needs a restart, the bridge goes on as\n" +
			"it was, and the exit code is 1. Files that the configuration names (*_file) are noticed\n" +
			"by themselves when they change. Run it as the bridge's user and with its environment: it\n" +
			"reads the same files. What the bridge runs with is the file that it was started with.",
		Example: "  bridge reload -c bridge.yaml\n  bridge reload -c bridge.yaml --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			answer, err := reload.Ask(c.Context(), cfg.Listen)
			if err != nil {
				return err
			}
			return printReload(c.OutOrStdout(), answer, asJSON)
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "bridge.yaml", "configuration file")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func printReload(out io.Writer, a reload.Answer, asJSON bool) (err error) {
	if asJSON {
		err = json.NewEncoder(out).Encode(a)
		if err == nil && a.Error != "" {
			err = errReported
		}
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if len(a.Changes) == 0 {
		_, err = fmt.Fprintln(out, "nothing has changed")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tFROM\tTO\tDETAIL")
	for _, c := range a.Changes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Key, c.From, c.To, c.Detail)
	}
	return w.Flush()
}

// change prepares a part of the bridge for another configuration. take has it go on with that,
// and cannot fail. take may be nil: nothing is to be done.
type change func(old, new *config.Config) (take func(), err error)

// changeable is what of a bridge can be changed while it runs.
type changeable struct {
	reloader *reload.Reloader // nil: nobody reloads
	cfg      *config.Config   // without a reloader
	parts    []change
}

func (c *changeable) add(part change) { c.parts = append(c.parts, part) }

// config is what the bridge runs with now.
func (c *changeable) config() *config.Config {
	if c.reloader == nil {
		return c.cfg
	}
	return c.reloader.Config()
}

// apply changes all parts, or none.
func (c *changeable) apply(old, new *config.Config) error {
	var all []func()
	for _, part := range c.parts {
		take, err := part(old, new)
		if err != nil {
			return err
		}
		if take != nil {
			all = append(all, take)
		}
	}
	for _, take := range all {
		take()
	}
	return nil
}

// tenantIn is a tenant as another configuration has it.
func tenantIn(c *config.Config, name string) config.Tenant {
	for _, t := range c.Tenants {
		if t.Name == name {
			return t
		}
	}
	return config.Tenant{} // never: tenants come and go by a restart
}

// reloading is how a command has a bridge reload.
type reloading struct {
	first   reload.Reading
	hangups <-chan struct{}
	level   *logLevel
	begin   func() (done func()) // that of reload.Options
}

// newChangeable makes the reloader, if there is to be one. Parts add themselves afterwards.
func newChangeable(b base, r *reloading) *changeable {
	c := &changeable{cfg: b.cfg}
	if r == nil {
		return c
	}
	c.reloader = reload.New(reload.Options{First: r.first, Apply: c.apply, Begin: r.begin, Hangups: r.hangups, Logger: b.log, Registerer: b.metrics})
	c.add(func(_, new *config.Config) (func(), error) {
		return func() { r.level.set(new.Log.Level) }, nil
	})
	return c
}

// reloadParts is what runs of it by itself.
func reloadParts(c *changeable) []part {
	if c.reloader == nil {
		return nil
	}
	return []part{{"reload", func(intake, _ context.Context) error { return c.reloader.Run(intake) }}}
}

// logLevel is the least level that is logged. It is asked before a line is made.
type logLevel struct{ least atomic.Int32 }

// Sample is for a logger that has all levels.
func (l *logLevel) Sample(level zerolog.Level) bool { return int32(level) >= l.least.Load() }

func (l *logLevel) set(name string) {
	level, err := zerolog.ParseLevel(name)
	if err != nil {
		level = zerolog.InfoLevel
	}
	l.least.Store(int32(level))
}

// certificate is what a listener shows, which may be changed.
type certificate struct {
	now atomic.Pointer[tls.Certificate]
}

func (c *certificate) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil }}
}

// shown is a listener's TLS; nil without a certificate, which of says which it is.
func (c *changeable) shown(first *config.Config, of func(*config.Config) *tls.Certificate) *tls.Config {
	if of(first) == nil {
		return nil
	}
	shown := &certificate{}
	shown.now.Store(of(first))
	c.add(func(_, new *config.Config) (func(), error) {
		return func() { shown.now.Store(of(new)) }, nil
	})
	return shown.tls()
}

// policy is a tenant's privacy policy, which may be changed.
type policy struct {
	now atomic.Pointer[privacy.Policy]
}

// active is the policy of now, or nil when it alters nothing.
func (p *policy) active() *privacy.Policy {
	if now := p.now.Load(); now.Active() {
		return now
	}
	return nil
}

// newPolicy is the policy of a tenant.
func newPolicy(b base, c config.Tenant) (*policy, error) {
	p := &policy{}
	now, err := newPrivacy(c.Privacy)
	if err != nil {
		return nil, err
	}
	p.now.Store(now)
	b.changes.add(func(_, new *config.Config) (func(), error) {
		next, err := newPrivacy(tenantIn(new, c.Name).Privacy)
		return func() { p.now.Store(next) }, err
	})
	return p, nil
}

// hasTerminal reports whether the process has a terminal that could hang up.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// takeHangups takes a SIGHUP for the wish to reload. One that comes because the terminal from
// which the bridge was started has gone ends it, as any program.
func takeHangups(ctx context.Context) <-chan struct{} {
	hangups, terminal := make(chan struct{}, 1), hasTerminal()
	stopsignal.OnHangup(ctx, func() bool {
		if terminal && !hasTerminal() {
			return false
		}
		select {
		case hangups <- struct{}{}:
		default: // one that is still to be done will do
		}
		return true
	})
	return hangups
}
