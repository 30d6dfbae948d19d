package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus/embedded"
	"aiccbridge/config"
	"aiccbridge/internal/ccgateway"
	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/doctor"
	"aiccbridge/internal/viaproxy"
	"aiccbridge/schemas"
)

// doctorOptions are the flags of `bridge doctor`.
type doctorOptions struct {
	path, agent, tenant string
	archive, log        string   // --bundle, --log
	weaker              []string // --accept-weaker
	asJSON              bool
	wait                time.Duration
	now                 func() time.Time                // nil: time.Now
	limits              func(dir string) doctor.Machine // of this machine; nil: doctor.Limits
}

func newDoctor() *cobra.Command {
	o := &doctorOptions{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at all that a bridge needs around it, and say what to do",
		Long: "Look at what a bridge needs around it, whether one runs or not: names, ports, certificates\n" +
			"and clocks of the platform, one signed request, the way of callbacks, NATS and its\n" +
			"streams, time zones, disk, files and memory; hold and poll_timeout against what a bridge\n" +
			"that runs has measured. Nothing is changed, and nothing that was refused is tried again.\n" +
			"Exit code 1 if something would keep a bridge from working.\n" +
			"With --agent one agent is signed in, polled once and signed out: not while he works.",
		Example: "  bridge doctor -c bridge.yaml\n  bridge doctor -c bridge.yaml --agent 291\n  bridge doctor --bundle support.zip --log bridge.log",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := load(o.path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			return o.run(c.Context(), cfg, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.path, "config", "c", "bridge.yaml", "configuration file")
	f.StringVar(&o.agent, "agent", "", "sign this agent of the configuration in, poll once, and sign him out")
	f.StringVar(&o.tenant, "tenant", "", "with --agent: his tenant, if there are several")
	f.StringArrayVar(&o.weaker, "accept-weaker", nil, "a stream setting that may be weaker, as of bridge run")
	f.StringVar(&o.archive, "bundle", "", "write a support archive to this ZIP file: configuration, versions, metrics, health, without secrets")
	f.StringVar(&o.log, "log", "", "with --bundle: the bridge's log, of which the archive has the end")
	f.BoolVar(&o.asJSON, "json", false, "print JSON, one object a line")
	f.DurationVar(&o.wait, "wait", 15*time.Second, "how long each look may take")
	return c
}

func (o *doctorOptions) run(ctx context.Context, cfg *config.Config, out io.Writer) error {
	looks, end, err := o.looks(cfg)
	if err != nil {
		return err
	}
	defer end.close()
	if err := o.mayBundle(); err != nil {
		return err
	}
	count, report := map[doctor.Status]int{}, []doctor.Line{}
	doctor.Run(ctx, looks, o.wait, func(l doctor.Line) {
		count[l.Status]++
		report = append(report, l)
		if o.asJSON {
			_ = json.NewEncoder(out).Encode(l) // a pipe that is closed ends the command
			return
		}
		fmt.Fprintf(out, "%-8s %s: %s: %s\n", l.Status, l.About, l.Check, l.Says)
		if l.Cure != "" {
			fmt.Fprintf(out, "%-8s → %s\n", "", l.Cure)
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if o.archive != "" {
		if err := o.bundle(ctx, cfg, report); err != nil {
			return err
		}
	}
	if !o.asJSON {
		fmt.Fprintf(out, "%d ok, %d warnings, %d failures\n", count[doctor.OK], count[doctor.Warning], count[doctor.Failure])
	}
	if count[doctor.Failure] > 0 {
		return errReported
	}
	return nil
}

// looks are all things to look at; end closes what they use.
func (o *doctorOptions) looks(cfg *config.Config) (all []doctor.Look, end closers, err error) {
	agents, files := 0, false
	for _, t := range cfg.Tenants {
		now := time.Now()
		all = append(all, said(doctor.Zone("tenant "+t.Name, t.Timezone, now)))
		if t.Gateway != nil {
			agents += len(t.Gateway.Agents)
			all = append(all, o.gateway(t)...)
			all = append(all, said(doctor.Takeover("gateway of "+t.Name, t.Gateway.PollTimeout, schemas.LeaseTTL)))
		}
		if t.Files != nil {
			files = true
			all = append(all, o.files(t)...)
		}
		if t.Monitor != nil {
			all = append(all, o.monitor(t)...)
		}
	}
	asked, err := signed(cfg, &end)
	if err != nil {
		return nil, end, err
	}
	all = append(all, asked...)
	if o.agent != "" {
		look, err := o.signIn(cfg, &end)
		if err != nil {
			return nil, end, err
		}
		all = append(all, look)
	}
	if files && cfg.Callbacks.PublicURL != nil {
		c := doctor.Callback{URL: cfg.Callbacks.PublicURL, Listen: cfg.Listen.Callbacks, Certificate: cfg.Callbacks.Certificate}
		if embedded.Locked(cfg.DataDir) {
			c.Listen = ""
		}
		all = append(all, c.Look)
	}
	if agents > 0 && cfg.Listen.Admin != "" {
		all = append(all, func(ctx context.Context) []doctor.Line { return measured(ctx, cfg) })
	}
	all = append(all, lookAtTraces)
	all = append(all, o.servers(cfg)...)
	return append(all, func(ctx context.Context) []doctor.Line { return lookAtHub(ctx, cfg, o.weaker, o.machine(cfg, agents)) }), end, nil
}

// measured holds settings against what the bridge that runs has measured, if one does.
func measured(ctx context.Context, cfg *config.Config) (lines []doctor.Line) {
	found := doctor.ReadSwitchovers(adminSays(ctx, cfg, "/metrics"))
	for _, t := range cfg.Tenants {
		if s, ok := found[t.Name]; ok && t.Gateway != nil {
			lines = append(lines, s.Judge("gateway of "+t.Name, t.Gateway.Hold, t.Gateway.PollTimeout))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, doctor.Line{Check: "measured", About: "gateways", Status: doctor.OK, Says: "no bridge that polls answers on listen.admin: nothing was measured"})
	}
	return lines
}

// said is a look at what is known already.
func said(l doctor.Line) doctor.Look {
	return func(context.Context) []doctor.Line { return []doctor.Line{l} }
}

// machine is what this machine gives, and what is wanted of it.
func (o *doctorOptions) machine(cfg *config.Config, agents int) doctor.Machine {
	limits := o.limits
	if limits == nil {
		limits = doctor.Limits
	}
	m := limits(cfg.DataDir)
	m.Agents = agents
	if cfg.NATS.External() {
		m.Spool = int64(cfg.NATS.SpoolBytes)
	}
	return m
}

// signature says how a file store's requests are signed.
func signature(f *config.Files) string {
	says := "signed_headers: " + f.SignedHeaders
	if f.EmptyQueryLine {
		says += ", empty_query_line: true"
	}
	return says
}

func (o *doctorOptions) gateway(t config.Tenant) []doctor.Look {
	g := t.Gateway
	a := doctor.Address{
		About: "gateway of " + t.Name, Key: "gateway.url", URL: g.URL, TLS: clientTLS(g.URL, g.RootCAs, g.InsecureSkipVerify), AllowLinkLocal: g.AllowLinkLocal, Clock: true, Now: o.now,
	}
	return o.through(a, forwardProxy(g.ProxyURL, g.ProxyCredentials, g.ProxyRootCAs))
}

func (o *doctorOptions) files(t config.Tenant) []doctor.Look {
	f := t.Files
	a := doctor.Address{
		About: "file store of " + t.Name, Key: "files.url", URL: f.URL, TLS: clientTLS(f.URL, f.RootCAs, f.InsecureSkipVerify), AllowLinkLocal: f.AllowLinkLocal, Now: o.now,
	}
	return o.through(a, forwardProxy(f.ProxyURL, f.ProxyCredentials, f.ProxyRootCAs))
}

func (o *doctorOptions) monitor(t config.Tenant) []doctor.Look {
	m := t.Monitor
	a := doctor.Address{
		About: "monitor of " + t.Name, Key: "monitor.url", URL: m.URL, TLS: clientTLS(m.URL, m.RootCAs, m.SkipVerify), AllowLinkLocal: m.AllowLinkLocal, Now: o.now,
	}
	return o.through(a, forwardProxy(m.ProxyURL, m.ProxyCredentials, m.ProxyRootCAs))
}

// through looks at an address by way of a proxy, if there is one, and at that. What a proxy does
// with plain HTTP is seen with the requests themselves.
func (o *doctorOptions) through(a doctor.Address, p *viaproxy.Proxy) []doctor.Look {
	if p == nil {
		return []doctor.Look{a.Look}
	}
	before := doctor.Address{About: "proxy to " + a.About, Key: "proxy_url", Authority: "proxy_ca_file", URL: p.URL, TLS: clientTLS(p.URL, p.RootCAs, false), AllowLinkLocal: a.AllowLinkLocal, Now: o.now}
	if a.URL.Scheme != "https" {
		return []doctor.Look{before.Look}
	}
	a.Dial = p.Use(&http.Transport{}, a.URL.Scheme, dialguard.Dialer(net.Dialer{}, a.AllowLinkLocal).DialContext, a.AllowLinkLocal)
	return []doctor.Look{before.Look, a.Look}
}

// clientTLS is nil for an address without TLS.
func clientTLS(u *url.URL, roots *x509.CertPool, anybody bool) *tls.Config {
	if u.Scheme != "https" {
		return nil
	}
	return &tls.Config{RootCAs: roots, InsecureSkipVerify: anybody, MinVersion: tls.VersionTLS12}
}

// signIn looks at the agent that is named.
func (o *doctorOptions) signIn(cfg *config.Config, end *closers) (doctor.Look, error) {
	t, err := pick(slices.DeleteFunc(slices.Clone(cfg.Tenants), func(t config.Tenant) bool { return t.Gateway == nil }), o.tenant)
	if err != nil {
		return nil, err
	}
	for _, a := range agents(t.Gateway.Agents) {
		if a.ID != o.agent {
			continue
		}
		client, err := gatewayClient(t.Name, t.Gateway, zerolog.Nop())
		if err != nil {
			return nil, err
		}
		end.add(client.Close)
		in := ccgateway.SignIn{Password: a.Password, Phone: a.Phone, Status: a.Status, AutoAnswer: a.AutoAnswer, AutoEnterIdle: a.AutoEnterIdle}
		return doctor.Agent{About: "agent " + a.ID, Agent: client.Agent(a.ID), SignIn: in, Poll: t.Gateway.PollTimeout}.Look, nil
	}
	return nil, usageError{fmt.Errorf("--agent %s: tenant %s has no such agent", o.agent, t.Name)}
}

// servers are the addresses of an external NATS, of which one is enough.
func (o *doctorOptions) servers(cfg *config.Config) []doctor.Look {
	var all []doctor.Address
	for one := range strings.SplitSeq(cfg.NATS.URL, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		if u, err := url.Parse(one); err == nil {
			all = append(all, doctor.Address{About: "nats", Key: "nats.url", URL: u, AllowLinkLocal: true, Now: o.now}) // TLS comes after its first line
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []doctor.Look{doctor.AnyOf(all)}
}
