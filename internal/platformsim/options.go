package platformsim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/monitor"
	"aiccbridge/internal/platformsim/world"
)

// Options describes a platform. The zero value is five agents from 101 in
// UTC, both services on free loopback ports, no management listener.
type Options struct {
	// Seed makes every choice of the world and of the faults.
	Seed uint64 `yaml:"seed"`
	// Agents and FirstAgent: default 5, from 101.
	Agents     int `yaml:"agents"`
	FirstAgent int `yaml:"first_agent"`
	// Timezone of the tenant, default UTC.
	Timezone *time.Location `yaml:"-"`
	// Now is the clock of everything but the certificates, default time.Now.
	Now func() time.Time `yaml:"-"`
	// GatewayListen, FilesListen and MonitorListen are the services' addresses,
	// default 127.0.0.1:0. ManagementListen must be a loopback address; empty: none.
	GatewayListen    string `yaml:"gateway_listen"`
	FilesListen      string `yaml:"files_listen"`
	MonitorListen    string `yaml:"monitor_listen"`
	ManagementListen string `yaml:"management_listen"`
	// CallbackHosts are the names and IP addresses of the client's callback
	// listener; its certificate is issued for them. Default 127.0.0.1 and
	// localhost.
	CallbackHosts []string `yaml:"callback_hosts"`
	// Dir, when set, receives ca.pem, bridge.crt, bridge.key, secret_key and
	// the agents' passwords as agents/<id>, readable by the owner only.
	Dir string `yaml:"dir"`
	// Pace is how fast the world turns; the zero value is realistic.
	Pace world.Pace `yaml:"pace"`
	// World has the rest of the contact centre: SyncDelay, columns. Fields that Options has itself are taken from there.
	World world.Options `yaml:"world"`
	// Gateway, Files and Monitor have the behaviour of the services. What connects
	// them with the world, the clock and truth is set here. Files.AccessKey
	// and Files.SecretKey are made up from the seed when empty;
	// Files.CallbackRoots and Gateway.Push.Roots are trusted beside the platform's own authority.
	Gateway gateway.Options   `yaml:"gateway"`
	Files   filestore.Options `yaml:"files"`
	Monitor monitor.Options   `yaml:"monitor"`
	// Faults are in force from the start; see FaultKinds.
	Faults []fault.Rule `yaml:"faults"`
	// Logger, zero value: discard.
	Logger zerolog.Logger `yaml:"-"`
}

func (o Options) withDefaults() (_ Options, err error) {
	o.Timezone = cmp.Or(o.Timezone, time.UTC)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.GatewayListen = cmp.Or(o.GatewayListen, "127.0.0.1:0")
	o.FilesListen = cmp.Or(o.FilesListen, "127.0.0.1:0")
	o.MonitorListen = cmp.Or(o.MonitorListen, "127.0.0.1:0")
	if len(o.CallbackHosts) == 0 {
		o.CallbackHosts = []string{"127.0.0.1", "localhost"}
	}
	if o.ManagementListen != "" {
		host, _, err := net.SplitHostPort(o.ManagementListen)
		if err != nil {
			return o, fmt.Errorf("platform simulator: management address %q: %w", o.ManagementListen, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return o, fmt.Errorf("platform simulator: management address %q is not on loopback; it hands out secrets without asking", o.ManagementListen)
		}
	}
	o.Files.AccessKey = cmp.Or(o.Files.AccessKey, "testak01")
	r := rand.New(rand.NewPCG(o.Seed, 0x5ec7e7))
	o.Files.SecretKey = cmp.Or(o.Files.SecretKey, fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()))
	o.World.Seed, o.World.Agents, o.World.FirstAgent = o.Seed, o.Agents, o.FirstAgent
	if o.World.Written, err = o.Files.Form.Written(o.Timezone); err != nil {
		return o, fmt.Errorf("platform simulator: %w", err)
	}
	o.World.Location, o.World.Now, o.World.Pace = o.Timezone, o.Now, o.Pace
	o.World.Developer = o.Files.AccessKey
	return o, nil
}
