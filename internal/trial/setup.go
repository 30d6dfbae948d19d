package trial

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
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
)

// tenant is the name of the demo's contact centre: that of the README's examples, which
// can be tried while the demo runs.
const tenant = "acme"

// settleDelay is that of the demo's windows.
const settleDelay = 3 * time.Second

// bridgeConfig is the configuration of a bridge on the simulator, with windows
// short enough to watch.
func bridgeConfig(s platformsim.Settings, dir, natsAddress string, recordings bool) (*config.Config, error) {
	callbacks := freeAddress("127.0.0.1:0")
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p("data_dir: %s", filepath.Join(dir, "data"))
	p("listen: {callbacks: %q, admin: %q, nats: %q}", callbacks, "127.0.0.1:0", natsAddress)
	p("callbacks: {public_url: %q, certificate_file: %q, key_file: %q}", "https://"+callbacks+"/", s.CallbackCertFile, s.CallbackKeyFile)
	p("tenants:")
	p("  - name: %s", tenant)
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
	if recordings {
		p("      recordings: {mode: fetch, per_minute: 6000, retry_after: 1s, give_up_after: 15s}")
	}
	p("      extracts:")
	since := time.Now().Truncate(time.Second).Format(time.RFC3339)
	for _, k := range schemas.Kinds() {
		p("        %s: {window: 10s, settle: %s, sweep_again: [], since: %q}", k, settleDelay, since)
	}
	return config.Parse(filepath.Join(dir, "demo.yaml"), []byte(b.String()), config.Environment{})
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

// simOptions are those of the demo's platform, which is lively, and quick to make files.
func simOptions(o DemoOptions, dir string) (platformsim.Options, error) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	return platformsim.Options{
		Seed: o.Seed, Agents: o.Agents, Timezone: zone, Dir: dir, Pace: Lively(),
		World:   world.Options{SyncDelay: -1},
		Gateway: gateway.Options{WaitTimes: 20, NeedCookie: true},
		Files: filestore.Options{GenerationMax: 1500 * time.Millisecond, CreationsPerMinute: -1, ParallelDownloads: -1,
			Audio: voice.Settings{Absent: 0.1, Late: 0.15, LateBy: 5 * time.Second}},
	}, err
}

// folder begins the name of a demo's temporary folder.
const folder = "bridge-demo-"

// Lively is a pace with calls of seconds, so that there is something to see.
func Lively() world.Pace {
	return world.Pace{
		Idle: 2 * time.Second, Queue: time.Second, Ring: time.Second, Talk: 4 * time.Second,
		WrapUp: time.Second, Rest: 4 * time.Second, Signal: 50 * time.Millisecond,
	}
}

// tidy removes the folders of demos that were ended at once, by a second
// signal. A folder that is in use is locked, or too young to be locked yet.
func tidy(now time.Time) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), folder+"*"))
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
