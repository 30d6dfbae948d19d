package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/config"
	"aiccbridge/internal/trial"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// compareOptions are the flags of the comparison.
type compareOptions struct {
	management, nats, prefix, tenant, zone string
	credentials, user, passwordFile, ca    string
	wait                                   time.Duration
	asJSON, calls                          bool
}

func newCompare() *cobra.Command {
	o := compareOptions{}
	c := &cobra.Command{
		Use:   "compare",
		Short: "Hold the streams of a bridge against what the simulator did",
		Long: "Let a running simulator make no new calls, and compare every event, row and call when the\n" +
			"bridge has caught up. Exit code 1 if something is missing, twice, out of order, altered (as by a\n" +
			"privacy policy), or lost without a gap record. For another round start anew, without the data folder.",
		Example: "  bridge simulate compare --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			log := newLogger(config.Log{Level: "warn", Format: "auto"}, c.ErrOrStderr())
			report, err := o.run(c.Context(), log)
			if err != nil {
				return err
			}
			return conclude(c.OutOrStdout(), o.asJSON, report, "")
		},
	}
	f := c.Flags()
	f.StringVar(&o.management, "management", "http://127.0.0.1:18043", "the simulator's management address")
	f.StringVar(&o.nats, "nats", "nats://127.0.0.1:4222", "where the bridge's streams are")
	f.StringVar(&o.credentials, "credentials", "", "NATS credentials file")
	f.StringVar(&o.user, "user", "", "NATS user; reading is enough")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the user's password")
	f.StringVar(&o.ca, "ca-file", "", "CA certificates (PEM) for tls://")
	f.StringVar(&o.prefix, "prefix", "aicc", "subject prefix of the bridge")
	f.StringVar(&o.tenant, "tenant", "acme", "the tenant's name in the bridge's configuration")
	f.StringVar(&o.zone, "timezone", "Asia/Shanghai", "the tenant's time zone")
	f.DurationVar(&o.wait, "wait", 2*time.Minute, "how long the bridge may take to catch up")
	f.BoolVar(&o.calls, "calls", true, "the bridge makes calls; false where files.calls is false")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return c
}

// run connects and compares.
func (o compareOptions) run(ctx context.Context, log zerolog.Logger) (report truthcheck.Report, err error) {
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return report, usageError{fmt.Errorf("--timezone %s: no such zone", o.zone)}
	}
	names, err := schemas.NewNames(o.prefix)
	if err != nil {
		return report, usageError{err}
	}
	sim, err := trial.NewSimulator(o.management)
	if err != nil {
		return report, usageError{fmt.Errorf("--management %s: %w", o.management, err)}
	}
	options, err := o.busOptions(names, log)
	if err != nil {
		return report, err
	}
	deadline := time.Now().Add(o.wait)
	waiting, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	b, err := bus.Connect(waiting, options)
	if err != nil {
		return report, fmt.Errorf("no NATS at %s: %w; is `bridge run` running? set --nats", redacted(o.nats), err)
	}
	defer b.Close()
	return trial.Compare(ctx, b, sim, trial.CompareOptions{Tenant: o.tenant, Zone: zone, Deadline: deadline, Calls: o.calls})
}

// busOptions are those of a reader.
func (o compareOptions) busOptions(names schemas.Names, log zerolog.Logger) (bus.Options, error) {
	var b bus.Options
	b.Names, b.Instance, b.Logger = names, uuid.NewString(), log
	b.URL, b.CredentialsFile, b.InboxPrefix = o.nats, o.credentials, assets.ReaderInbox
	if (o.user == "") != (o.passwordFile == "") {
		return b, usageError{errors.New("give --user with --password-file")}
	}
	if o.user != "" {
		password, err := readLine("--password-file", o.passwordFile)
		if err != nil {
			return b, err
		}
		b.User, b.Password = o.user, password
	}
	if o.ca == "" {
		return b, nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return b, usageError{fmt.Errorf("--ca-file: %w", err)}
	}
	b.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !b.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return b, usageError{fmt.Errorf("--ca-file: %s holds no certificate", o.ca)}
	}
	return b, nil
}

// redacted is a NATS address without the password that it may hold.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address of --nats"
	}
	return u.Redacted()
}
