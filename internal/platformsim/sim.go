package platformsim

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/monitor"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// Sim is a platform. Create it with New and run it once with Run.
type Sim struct {
	o       Options
	ca      *authority
	log     *truth.Log
	faults  *fault.Book
	world   *world.World
	gateway *gateway.Gateway
	files   *filestore.Store
	monitor *monitor.Monitor
	ready   chan struct{}

	mu       sync.Mutex
	settings Settings
}

// New builds a platform. It makes keys, and does no I/O.
func New(o Options) (*Sim, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sim{o: o, log: truth.New(), ready: make(chan struct{}), faults: fault.NewBook(FaultKinds(), o.Seed, o.Now)}
	if err := s.faults.Set(o.Faults); err != nil {
		return nil, err
	}
	if s.ca, err = newAuthority(); err != nil {
		return nil, err
	}
	if s.world, err = world.New(s.worldOptions()); err != nil {
		return nil, err
	}
	if s.gateway, err = gateway.New(s.gatewayOptions()); err != nil {
		return nil, err
	}
	if s.files, err = filestore.New(s.filesOptions()); err != nil {
		return nil, err
	}
	if s.monitor, err = monitor.New(s.monitorOptions()); err != nil {
		return nil, err
	}
	chain, key, err := s.ca.issue(o.CallbackHosts)
	if err != nil {
		return nil, err
	}
	s.settings = Settings{
		CAPEM: string(s.ca.pem), AccessKey: o.Files.AccessKey, SecretKey: o.Files.SecretKey,
		AccountID: s.world.AccountID(), Spaces: o.Files.Spaces, Agents: agentSettings(s.world.Agents()), Timezone: o.Timezone.String(),
		CallbackCertPEM: string(chain), CallbackKeyPEM: string(key),
	}
	return s, nil
}

func (s *Sim) worldOptions() world.Options {
	w := s.o.World
	w.Faults, w.Moved = s.faults, s.log.Moved
	return w
}

func (s *Sim) gatewayOptions() gateway.Options {
	g := s.o.Gateway
	g.Floor, g.Truth, g.Now, g.Faults = s.world, s.log, s.o.Now, s.faults
	g.Push.Roots = s.ca.pool(g.Push.Roots)
	g.Logger, g.VDN = s.o.Logger, cmp.Or(g.VDN, s.o.World.VDN)
	return g
}

func (s *Sim) filesOptions() filestore.Options {
	f := s.o.Files
	f.Source, f.Truth, f.Now, f.Seed, f.Faults = s.world, s.log, s.o.Now, s.o.Seed, s.faults
	f.Timezone, f.AccountID = s.o.Timezone, s.world.AccountID()
	f.CallbackRoots = s.ca.pool(s.o.Files.CallbackRoots)
	f.Logger = s.o.Logger
	return f
}

func (s *Sim) monitorOptions() monitor.Options {
	m := s.o.Monitor
	m.Floor, m.Truth, m.Now, m.Faults = s.world, s.log, s.o.Now, s.faults
	m.Admit, m.CC, m.VDN = s.files.Admit, s.o.World.CC, s.o.World.VDN
	m.Timezone = cmp.Or(s.o.World.Written, s.o.Timezone)
	return m
}

// Run listens, serves and drives the world until ctx ends, and returns when
// all has ended. Ready tells when the listeners are open; if they cannot be
// opened it returns the reason at once.
func (s *Sim) Run(ctx context.Context) error {
	services, err := s.listen(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.world.Run(ctx) })
	group.Go(func() error { return s.gateway.Run(ctx) })
	group.Go(func() error { return s.files.Run(ctx) })
	for _, v := range services {
		group.Go(func() error { return v.run(ctx) })
	}
	s.o.Logger.Info().Str("gateway", s.Settings().GatewayURL).Str("files", s.Settings().FilesURL).Msg("platform simulator is ready")
	close(s.ready)
	return group.Wait()
}

// listen opens the listeners and completes the settings.
func (s *Sim) listen(ctx context.Context) (services []*service, err error) {
	defer func() {
		for _, v := range services {
			if err != nil {
				_ = v.listener.Close()
			}
		}
	}()
	next := s.Settings()
	for _, w := range []struct {
		address, scheme, path string
		url                   *string
		handler               http.Handler
		timeouts              timeouts
	}{
		{s.o.GatewayListen, "https", "/agentgateway/resource", &next.GatewayURL, s.gateway, gatewayTimeouts},
		{s.o.FilesListen, "https", "/CCFS/resource/ccfs", &next.FilesURL, s.files, filesTimeouts},
		{s.o.ManagementListen, "http", "", &next.ManagementURL, s.management(), managementTimeouts},
		{s.o.MonitorListen, "https", strings.TrimSuffix(monitor.Base, "/"), &next.MonitorURL, s.monitor, filesTimeouts},
	} {
		if w.address == "" {
			continue
		}
		l, err := s.open(ctx, w.address, w.scheme == "https")
		if err != nil {
			return services, err
		}
		*w.url = w.scheme + "://" + reachable(l.Addr()) + w.path
		services = append(services, newService(l, w.handler, w.timeouts))
	}
	if s.o.Dir != "" {
		if err := next.save(s.o.Dir); err != nil {
			return services, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = next
	return services, nil
}

func (s *Sim) open(ctx context.Context, address string, secure bool) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the simulator's listener: %w", err)
	}
	if !secure {
		return l, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err == nil {
		var conf *tls.Config
		if conf, err = s.ca.serverConfig(host); err == nil {
			return tls.NewListener(l, conf), nil
		}
	}
	_ = l.Close()
	return nil, fmt.Errorf("prepare TLS for %s: %w", address, err)
}

// reachable is the address for a client on this machine.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// Ready is closed when the listeners are open and Settings is complete.
func (s *Sim) Ready() <-chan struct{} { return s.ready }

// Settings returns what a client needs. URLs and files are filled in from
// Ready on.
func (s *Sim) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.settings
	out.Agents = append([]AgentSettings(nil), out.Agents...)
	return out
}

// Truth returns what has happened so far.
func (s *Sim) Truth() truth.Snapshot {
	t := s.log.Snapshot()
	t.Withheld = s.world.Withheld()
	return t
}

// Quiesce stops new activities of the agents; running ones end soon. It
// cannot be undone.
func (s *Sim) Quiesce() { s.world.Quiesce() }

// Quiet reports whether no activity runs and every agent's queue is empty.
func (s *Sim) Quiet() bool { return s.world.Running() == 0 && s.gateway.Pending() == 0 }

// Faults returns the rules in force, with what is left of their counts.
func (s *Sim) Faults() []fault.Rule { return s.faults.Rules() }

// SetFaults replaces all rules. The error names one that makes no sense; then
// nothing is replaced.
func (s *Sim) SetFaults(rules ...fault.Rule) error { return s.faults.Set(rules) }

// AddFaults puts rules behind those in force, all or none.
func (s *Sim) AddFaults(rules ...fault.Rule) error { return s.faults.Add(rules) }

// FaultKinds lists every fault there is, in the order of the help.
func FaultKinds() []fault.Kind {
	return slices.Concat(gateway.FaultKinds(), filestore.FaultKinds(), monitor.FaultKinds(), world.FaultKinds())
}

// Expel signs an agent out as an inspector does; false when he was not in.
func (s *Sim) Expel(agent string) bool { return s.gateway.Expel(agent) }
