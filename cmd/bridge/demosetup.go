package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aiccbridge/bus/embedded"
	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
)

// demoTenant is the name of the demo's contact centre.
const demoTenant = "demo"

// demoSettle is the settle delay of the demo's windows.
const demoSettle = 3 * time.Second

var demoKinds = [...]schemas.Kind{schemas.KindCDR, schemas.KindRecording, schemas.KindOperation}

// demoConfig is the configuration of a bridge on the simulator, with windows
// short enough to watch.
func demoConfig(s platformsim.Settings, dir, natsAddress string) (*config.Config, error) {
	callbacks := freeAddress("127.0.0.1:0")
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p("data_dir: %s", filepath.Join(dir, "data"))
	p("listen: {callbacks: %q, admin: %q, nats: %q}", callbacks, "", natsAddress)
	p("callbacks: {public_url: %q, certificate_file: %q, key_file: %q}", "https://"+callbacks+"/", s.CallbackCertFile, s.CallbackKeyFile)
	p("tenants:")
	p("  - name: %s", demoTenant)
	p("    timezone: %s", s.Timezone)
	p("    gateway:")
	p("      url: %q", s.GatewayURL)
	p("      ca_file: %q", s.CAFile)
	p("      agents:")
	for i, a := range s.Agents { // every second one answers by hand and has wrap-up, for more kinds of events
		p("        - {id: %q, phone: %q, password_file: %q, auto_answer: %t, auto_enter_idle: %[4]t}", a.ID, a.Phone, a.PasswordFile, i%2 == 0)
	}
	p("    files:")
	p("      url: %q", s.FilesURL)
	p("      ca_file: %q", s.CAFile)
	p("      access_key: %q", s.AccessKey)
	p("      secret_key_file: %q", s.SecretKeyFile)
	p("      request_spacing: 200ms")
	p("      max_outstanding: 6")
	p("      extracts:")
	since := time.Now().Truncate(time.Second).Format(time.RFC3339)
	for _, k := range demoKinds {
		p("        %s: {window: 10s, settle: %s, sweep_again: [], since: %q}", k, demoSettle, since)
	}
	return config.Parse(filepath.Join(dir, "demo.yaml"), []byte(b.String()), config.Environment{})
}

// checkAddress reports the value of a flag that is no host:port.
func checkAddress(flag, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usageError{fmt.Errorf("%s: %q is not an address with a port; write for example 127.0.0.1:4222", flag, address)}
	}
	return nil
}

// freeAddress returns address if it can be listened on, or the same host with a
// free port.
func freeAddress(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address // the configuration will say what is wrong
	}
	for _, a := range []string{address, net.JoinHostPort(host, "0")} {
		if l, err := net.Listen("tcp", a); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return address
}

// demoSim is the demo's platform: lively, and quick to make files.
func demoSim(o demoOptions, dir string) (platformsim.Options, error) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	return platformsim.Options{
		Seed: o.seed, Agents: o.agents, Timezone: zone, Dir: dir, Pace: livelyPace,
		World:   world.Options{SyncDelay: -1},
		Gateway: gateway.Options{WaitTimes: 20},
		Files:   filestore.Options{GenerationMax: 1500 * time.Millisecond, CreationsPerMinute: -1, ParallelDownloads: -1},
	}, err
}

// demoFolder begins the name of a demo's temporary folder.
const demoFolder = "bridge-demo-"

// tidyDemos removes the folders of demos that were ended at once, by a second
// signal. A folder that is in use is locked, or too young to be locked yet.
func tidyDemos(now time.Time) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), demoFolder+"*"))
	if err != nil {
		return // the pattern is good
	}
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || now.Sub(info.ModTime()) < time.Minute {
			continue
		}
		if lock, err := embedded.Lock(filepath.Join(dir, "data")); err == nil {
			_ = errors.Join(os.RemoveAll(dir), lock.Close()) // another user's stays
		}
	}
}
