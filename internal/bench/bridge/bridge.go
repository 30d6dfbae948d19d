// Package bridge runs the built program as the benchmarks need it: against the lean
// platform, with a server in it or in a second process, and tells when a file is in the
// stream.
package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aiccbridge/internal/bench/platform"
	"aiccbridge/internal/bench/process"
)

// Tenant is the contact centre, or the begin of the names of several.
const Tenant = "bench"

// Options say how to run it. Binary, Dir, PlatformDir and a part of Platform are required.
type Options struct {
	Binary      string
	Dir         string // its data, and its configuration
	PlatformDir string // where the platform left its files
	Platform    platform.Ready
	NATS        string // of a server in a second process; empty: one in the bridge

	Files  bool      // extract the calls of yesterday
	To     time.Time // its end, as of Yesterday
	Sweeps int       // how many further extractions of the same day may be made, five seconds apart

	Agents    int // polled; 0: none
	PerTenant int // how many of them a tenant has at most; 0: all
}

// Bridge is a running one.
type Bridge struct {
	*process.Child
	NATS    string         // where consumers connect
	Metrics string         // URL
	files   chan time.Time // when each file was done
	ready   chan struct{}
}

// Yesterday is when the last day ended, in UTC: a window of a day is due at once, and no
// further one during a run that does not last past midnight.
func Yesterday() time.Time { return time.Now().UTC().Truncate(24 * time.Hour) }

// freePort is one that nobody listens at, now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// Start runs a bridge until Stop or the end of ctx; it returns once the bridge says that it
// runs.
func Start(ctx context.Context, o Options) (*Bridge, error) {
	ports := [3]string{}
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			return nil, err
		}
	}
	b := &Bridge{Metrics: "http://" + ports[1] + "/metrics", NATS: o.NATS, files: make(chan time.Time, 64), ready: make(chan struct{}, 1)}
	if o.NATS == "" {
		b.NATS = "nats://" + ports[2]
	}
	if err := writeAgents(o); err != nil {
		return nil, err
	}
	file := filepath.Join(o.Dir, "bridge.yaml")
	if err := os.WriteFile(file, []byte(configOf(o, ports)), 0o600); err != nil {
		return nil, fmt.Errorf("write the bridge's configuration: %w", err)
	}
	var err error
	b.Child, err = process.Start(ctx, process.Options{Name: "bridge", Path: o.Binary, Args: []string{"run", "-c", file}, Log: b.listen})
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(3 * time.Minute)
	defer wait.Stop()
	select {
	case <-b.ready:
		return b, nil
	case <-b.Ended():
		err = b.Failure("has ended")
	case <-wait.C:
		err = b.Failure("does not start")
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.Stop()
	return nil, err
}

// configOf is the bridge's configuration: its defaults, but for where things are, and no
// pause between requests.
func configOf(o Options, ports [3]string) string {
	at := func(name string) string { return filepath.Join(o.PlatformDir, name) }
	var c strings.Builder
	fmt.Fprintf(&c, "nats: { url: %q }\ndata_dir: data\n", o.NATS)
	fmt.Fprintf(&c, "listen: { callbacks: %q, admin: %q, nats: %q }\n", ports[0], ports[1], ports[2])
	fmt.Fprintf(&c, "callbacks: { public_url: \"https://%s/\", certificate_file: %q, key_file: %q }\n", ports[0], at(platform.CertificateFile), at(platform.KeyFile))
	c.WriteString("log: { format: json }\nworker: { max_zip: 10GiB, max_unpacked: 100GiB }\ntenants:\n")
	if o.Files {
		var sweeps []string
		for age := time.Since(o.To).Round(time.Second); len(sweeps) < o.Sweeps; {
			age += 5 * time.Second
			sweeps = append(sweeps, age.String())
		}
		fmt.Fprintf(&c, "  - name: %s\n    timezone: UTC\n", Tenant)
		fmt.Fprintf(&c, "    files:\n      url: %q\n      ca_file: %q\n      access_key: %s\n      secret_key_file: %q\n", o.Platform.FilesURL, at(platform.CertificateFile), platform.AccessKey, at(platform.SecretKeyFile))
		fmt.Fprintf(&c, "      request_spacing: 0s\n      calls: false\n      extracts:\n        cdr: { window: 24h, settle: 0s, sweep_again: [%s], since: %q }\n", strings.Join(sweeps, ", "), o.To.Add(-24*time.Hour).Format(time.RFC3339))
	}
	for i := range tenants(o) {
		fmt.Fprintf(&c, "  - name: %s-%d\n    timezone: UTC\n", Tenant, i)
		fmt.Fprintf(&c, "    gateway: { url: %q, ca_file: %q, agents_file: %q, secrets_file: %q }\n", o.Platform.GatewayURL, at(platform.CertificateFile), agentsFile(o, i), agentsFile(o, i)+".secret.csv")
	}
	return c.String()
}

// tenants is how many have agents.
func tenants(o Options) int {
	if o.PerTenant == 0 {
		return min(o.Agents, 1)
	}
	return (o.Agents + o.PerTenant - 1) / o.PerTenant
}

func agentsFile(o Options, tenant int) string {
	return filepath.Join(o.Dir, fmt.Sprintf("agents-%d.csv", tenant))
}

// writeAgents writes the files with the agents of each tenant, from work number 100001 on.
func writeAgents(o Options) error {
	for i := range tenants(o) {
		agents, secrets := "id,phone\n", "id,password\n"
		per := cmp.Or(o.PerTenant, o.Agents)
		for n := i * per; n < min((i+1)*per, o.Agents); n++ {
			agents += fmt.Sprintf("%d,7%d\n", 100_001+n, 100_001+n)
			secrets += fmt.Sprintf("%d,secret\n", 100_001+n)
		}
		err := os.WriteFile(agentsFile(o, i), []byte(agents), 0o600)
		if err = cmp.Or(err, os.WriteFile(agentsFile(o, i)+".secret.csv", []byte(secrets), 0o600)); err != nil {
			return fmt.Errorf("write the agents: %w", err)
		}
	}
	return nil
}

// listen looks for what the bridge logs when it is ready, and when a file is in the stream.
func (b *Bridge) listen(line []byte) {
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(line, &said) != nil {
		return
	}
	switch {
	case said.Message == "bridge runs":
		b.ready <- struct{}{}
	case strings.HasPrefix(said.Message, "window complete"), strings.HasPrefix(said.Message, "window unchanged"):
		select {
		case b.files <- time.Now():
		default: // nobody wants to know any more
		}
	}
}

// FileDone waits until the bridge has said of the next file that it is in the stream, and
// returns when it did.
func (b *Bridge) FileDone(ctx context.Context) (time.Time, error) {
	select {
	case at := <-b.files:
		return at, nil
	case <-b.Ended():
		return time.Time{}, b.Failure("has ended")
	case <-ctx.Done():
		return time.Time{}, errors.Join(b.Failure("has brought no file"), ctx.Err())
	}
}
