package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/trial"
)

// simulateOptions are the flags of the simulator.
type simulateOptions struct {
	agents                     int
	seed                       uint64
	dir, zone, faults          string
	gateway, files, management string
	creations                  int
	slow, asJSON               bool
}

func newSimulate() *cobra.Command {
	o := simulateOptions{}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "The platform simulator alone, with fault switches",
		Long: "Run CC-Gateway and CC-FS as one seeded contact centre over HTTPS. Certificates,\n" +
			"keys and passwords for a bridge are written to --dir. Faults can be set at start\n" +
			"(--faults) and while it runs, at the management address it prints.",
		Example: "  bridge simulate\n" +
			"  bridge simulate --faults faults.json\n" +
			"  curl -X PUT --data '{\"rules\":[{\"fault\":\"download.flipped\",\"next\":1}]}' http://127.0.0.1:18043/faults",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			for flag, address := range map[string]string{"--gateway": o.gateway, "--files": o.files, "--management": o.management} {
				if err := checkAddress(flag, address); err != nil {
					return err
				}
			}
			return simulate(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.agents, "agents", 5, "how many agents, from 101 on")
	f.Uint64Var(&o.seed, "seed", 1, "seed of every choice")
	f.StringVar(&o.dir, "dir", "sim", "folder for ca.pem, bridge.crt, bridge.key, secret_key and agents/<id>")
	f.StringVar(&o.zone, "timezone", "Asia/Shanghai", "the tenant's time zone (IANA)")
	f.StringVar(&o.gateway, "gateway", "127.0.0.1:8043", "address of CC-Gateway")
	f.StringVar(&o.files, "files", "127.0.0.1:28443", "address of CC-FS")
	f.StringVar(&o.management, "management", "127.0.0.1:18043", "address of the management listener, loopback only")
	f.StringVar(&o.faults, "faults", "", "JSON file with the faults to begin with")
	f.IntVar(&o.creations, "creations-per-minute", 30, "extracts accepted a minute before 0300009 is answered")
	f.BoolVar(&o.slow, "realistic", false, "calls of minutes instead of seconds, files after up to 15 s")
	f.BoolVar(&o.asJSON, "json", false, "print the settings as one JSON object")
	c.AddCommand(newCompare())
	return c
}

func simulate(ctx context.Context, o simulateOptions, out, errOut io.Writer) error {
	options, err := o.platform()
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

func (o simulateOptions) platform() (platformsim.Options, error) {
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return platformsim.Options{}, usageError{fmt.Errorf("--timezone %s: no such zone; give an IANA name such as Asia/Shanghai", o.zone)}
	}
	faults, err := readFaults(o.faults)
	if err != nil {
		return platformsim.Options{}, err
	}
	p := platformsim.Options{
		Faults: faults, Seed: o.seed, Agents: o.agents, Timezone: zone, Dir: o.dir,
		GatewayListen: o.gateway, FilesListen: o.files, ManagementListen: o.management,
		Files: filestore.Options{CreationsPerMinute: o.creations},
	}
	if !o.slow {
		p.Pace = trial.Lively()
		p.World.SyncDelay = time.Second
		p.Files.GenerationMax = 2 * time.Second
	}
	return p, nil
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
	_, err := fmt.Fprintf(out, `CC-Gateway       %s
CC-FS            %s
CA certificate   %s
access key       %s, secret key in %s
agents           %s to %s, passwords in %s
management       %s   (GET / lists what it can do)

bridge.example.yaml has these settings. Windows of an hour are long to wait for;
in another terminal:

  AICC_SINCE=%s AICC_WINDOW=20s AICC_SETTLE=5s AICC_SPACING=2s %[11]s run -c bridge.example.yaml

and to see what arrives, or to end the calls and compare it with what happened here:

  nats sub 'aicc.v1.>'
  %[11]s simulate compare

Ctrl-C ends the simulator.
`, s.GatewayURL, s.FilesURL, s.CAFile, s.AccessKey, s.SecretKeyFile, first.ID, last.ID,
		filepath.Dir(first.PasswordFile), s.ManagementURL, time.Now().Truncate(time.Second).Format(time.RFC3339), program)
	return err
}
