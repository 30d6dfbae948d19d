package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/optionfile"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/trial"
)

// simulateOptions are the flags of the simulator.
type simulateOptions struct {
	agents                     int
	seed                       uint64
	dir, zone                  string
	settings, faults           string // files
	profile                    string
	gateway, files, management string
	monitor                    string
	creations                  int
	hold                       time.Duration
	staticGUID, noCookie       bool
	allAgents                  bool
	shape                      []string
	slow, asJSON, softphone    bool
}

func newSimulate() *cobra.Command {
	o := simulateOptions{}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "The platform simulator alone, with fault switches",
		Long: "Run CC-Gateway, CC-FS and CC-CMS as one seeded contact centre over HTTPS. What a bridge needs is in --dir,\n" +
			"what platforms differ in is set by --settings, faults by --faults and the management address.",
		Example: "  bridge simulate settings > sim.yaml && bridge simulate --settings sim.yaml\n" +
			"  bridge simulate --faults faults.json\n" +
			"  curl -X PUT --data '{\"rules\":[{\"fault\":\"download.flipped\",\"next\":1}]}' http://127.0.0.1:18043/faults",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return simulate(c.Context(), o, c.Flags().Changed, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.register(c)
	c.AddCommand(newCompare(), newDouble(),
		printing("faults", "Every fault of the simulator, and how to wish for it", fault.Help(platformsim.FaultKinds())),
		printing("settings", "A commented file for --settings, with all defaults", optionfile.Example()))
	return c
}

// register binds the flags, which sets their defaults.
func (o *simulateOptions) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.settings, "settings", "", "file (YAML or JSON) with any settings of the platform; flags outdo it")
	f.StringVar(&o.profile, "profile", "", "edition of the platform: "+editions())
	f.IntVar(&o.agents, "agents", 5, "how many agents, from 101 on")
	f.Uint64Var(&o.seed, "seed", 1, "seed of every choice")
	f.StringVar(&o.dir, "dir", "sim", "folder for ca.pem, bridge.crt, bridge.key, secret_key and agents/ID")
	f.StringVar(&o.zone, "timezone", "Asia/Shanghai", "the tenant's time zone (IANA)")
	f.StringVar(&o.gateway, "gateway", "127.0.0.1:8043", "address of CC-Gateway")
	f.StringVar(&o.files, "files", "127.0.0.1:28443", "address of CC-FS")
	f.StringVar(&o.monitor, "monitor", "127.0.0.1:28444", "address of CC-CMS")
	f.StringVar(&o.management, "management", "127.0.0.1:18043", "address of the management listener, loopback only")
	f.StringVar(&o.faults, "faults", "", "JSON file with the faults to begin with")
	f.IntVar(&o.creations, "creations-per-minute", 30, "extracts accepted a minute before 0300009 is answered")
	f.DurationVar(&o.hold, "hold", 10*time.Second, "how long an idle poll is held; 0: AGENT_POLL_WAIT_FLAG=OFF")
	f.BoolVar(&o.staticGUID, "static-guid", false, "AUTHMODE=1: the GUID of the sign-in stays")
	f.BoolVar(&o.noCookie, "no-cookie", false, "set no cookie")
	f.BoolVar(&o.allAgents, "all-agents", false, "GET_EVENT_MODE=2: events of all agents by allagentevent only")
	f.StringSliceVar(&o.shape, "shape", nil, "how the gateway's answers look: any of "+strings.Join(shapeWords(), ", "))
	f.BoolVar(&o.softphone, "softphone", false, "calls wait for the agents' clients to answer them")
	f.BoolVar(&o.slow, "realistic", false, "calls of minutes instead of seconds, files after up to 15 s")
	f.BoolVar(&o.asJSON, "json", false, "print where and how to connect as one JSON object")
}

// printing is a command that prints a text.
func printing(name, short, text string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Example: "  bridge simulate " + name, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
}

// simulate runs a platform. given says which flags were on the command line.
func simulate(ctx context.Context, o simulateOptions, given func(flag string) bool, out, errOut io.Writer) error {
	options, err := o.platform(given)
	if err != nil {
		return err
	}
	options.Logger = newLogger(config.Log{Level: "warn", Format: "auto"}, errOut)
	sim, err := platformsim.New(options)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- sim.Run(running) }()
	select {
	case err := <-done:
		return err
	case <-sim.Ready():
	}
	if err := printSettings(out, sim.Settings(), o.asJSON); err != nil {
		stop()
		return errors.Join(err, <-done)
	}
	err = <-done
	if ctx.Err() != nil {
		return nil // stopped by the user
	}
	return err
}

// editions are the names that --profile takes.
func editions() string {
	names, _ := optionfile.Profiles()
	return strings.Join(names, ", ")
}

// platform is what the flags say by default, then what the profile says, then the
// settings file, then the flags on the command line.
func (o simulateOptions) platform(given func(flag string) bool) (p platformsim.Options, err error) {
	if err := o.apply(&p, func(string) bool { return true }); err != nil || o.settings == "" && o.profile == "" {
		return p, err
	}
	if o.profile != "" {
		if p, err = optionfile.Profile(o.profile, p); err != nil {
			return p, usageError{fmt.Errorf("--profile %s: %w", o.profile, err)}
		}
	}
	if o.settings != "" {
		if p, err = optionfile.Load(o.settings, p); err != nil {
			return p, err
		}
	}
	return p, o.apply(&p, given)
}

// apply sets the options of those flags that are wanted.
func (o simulateOptions) apply(p *platformsim.Options, wanted func(flag string) bool) error {
	for flag, address := range map[string]string{"--gateway": o.gateway, "--files": o.files, "--monitor": o.monitor, "--management": o.management} {
		if err := checkAddress(flag, address); err != nil {
			return err
		}
	}
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return usageError{fmt.Errorf("--timezone %s: no such zone; give an IANA name such as Asia/Shanghai", o.zone)}
	}
	faults, err := readFaults(o.faults)
	if err != nil {
		return err
	}
	set(wanted("agents"), &p.Agents, o.agents)
	set(wanted("seed"), &p.Seed, o.seed)
	set(wanted("dir"), &p.Dir, o.dir)
	set(wanted("timezone"), &p.Timezone, zone)
	set(wanted("gateway"), &p.GatewayListen, o.gateway)
	set(wanted("files"), &p.FilesListen, o.files)
	set(wanted("monitor"), &p.MonitorListen, o.monitor)
	set(wanted("management"), &p.ManagementListen, o.management)
	set(wanted("faults"), &p.Faults, faults)
	set(wanted("creations-per-minute"), &p.Files.CreationsPerMinute, o.creations)
	set(wanted("static-guid"), &p.Gateway.StaticGUID, o.staticGUID)
	set(wanted("no-cookie"), &p.Gateway.NoCookie, o.noCookie)
	set(wanted("softphone"), &p.World.Softphone, o.softphone)
	set(wanted("all-agents"), &p.Gateway.AllAgents, o.allAgents)
	for _, word := range o.shape {
		form, known := shapes[word]
		if !known {
			return usageError{fmt.Errorf("--shape %s: no such form; there are %s", word, strings.Join(shapeWords(), ", "))}
		}
		form(&p.Gateway.Shape)
	}
	if wanted("hold") {
		const step = 100 * time.Millisecond
		p.Gateway.NoHold, p.Gateway.WaitInterval, p.Gateway.WaitTimes = o.hold < step, step, int(o.hold/step)
	}
	if wanted("realistic") {
		p.Pace, p.World.SyncDelay, p.Files.GenerationMax = trial.Lively(), time.Second, 2*time.Second
		if o.slow {
			p.Pace, p.World.SyncDelay, p.Files.GenerationMax = world.Pace{}, 0, 0
		}
	}
	return nil
}

// shapes are the forms of answers that --shape can name.
var shapes = map[string]func(*gateway.Shape){
	"idle-null":     func(s *gateway.Shape) { s.Idle = "null" },
	"idle-list":     func(s *gateway.Shape) { s.Idle = "list" },
	"no-gen-time":   func(s *gateway.Shape) { s.NoGenTime = true },
	"reversed":      func(s *gateway.Shape) { s.Order = "reversed" },
	"json-key":      func(s *gateway.Shape) { s.JSONKey = true },
	"leading-space": func(s *gateway.Shape) { s.LeadingSpace = true },
	"variants":      func(s *gateway.Shape) { s.Variants = true },
}

func shapeWords() []string { return slices.Sorted(maps.Keys(shapes)) }

func set[T any](wanted bool, option *T, value T) {
	if wanted {
		*option = value
	}
}

// readFaults reads the file of --faults, which has the form of PUT /faults.
func readFaults(file string) ([]fault.Rule, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	rules, err := fault.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rules, nil
}

// checkAddress reports the value of a flag that is no host:port.
func checkAddress(flag, address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usageError{fmt.Errorf("%s: %q is not an address with a port; write for example 127.0.0.1:4222", flag, address)}
	}
	return nil
}

func printSettings(out io.Writer, s platformsim.Settings, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	first, last := s.Agents[0], s.Agents[len(s.Agents)-1]
	program := os.Args[0]
	const nowhere = "not written, there is no --dir; --json prints it"
	secret, passwords := nowhere, nowhere
	if s.SecretKeyFile != "" {
		secret, passwords = "in "+s.SecretKeyFile, "in "+filepath.Dir(first.PasswordFile)
	}
	_, err := fmt.Fprintf(out, `CC-Gateway       %s
CC-FS            %s
CC-CMS           %s
CA certificate   %s
access key       %s, secret key %s
agents           %s to %s, passwords %s
management       %s   (GET / lists what it can do)

bridge.example.yaml has these settings. Windows of an hour are long to wait for;
in another terminal:

  AICC_SINCE=%s AICC_WINDOW=20s AICC_SETTLE=5s AICC_SPACING=2s %[12]s run -c bridge.example.yaml

and to see what arrives, or to end the calls and compare it with what happened here:

  nats sub 'aicc.v1.>'
  %[12]s simulate compare

Ctrl-C ends the simulator.
`, s.GatewayURL, s.FilesURL, s.MonitorURL, cmp.Or(s.CAFile, nowhere), s.AccessKey, secret, first.ID, last.ID, passwords,
		cmp.Or(s.ManagementURL, "none"), time.Now().Truncate(time.Second).Format(time.RFC3339), program)
	return err
}
