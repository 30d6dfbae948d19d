package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/config"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// compareOptions are the flags of the comparison.
type compareOptions struct {
	management, nats, prefix, tenant, zone string
	credentials, user, passwordFile, ca    string
	wait                                   time.Duration
	asJSON                                 bool
}

func newCompare() *cobra.Command {
	o := compareOptions{}
	c := &cobra.Command{
		Use:   "compare",
		Short: "Hold the streams of a bridge against what the simulator did",
		Long: "Ask a running simulator to make no new calls, wait until the bridge has caught up,\n" +
			"and compare every event and every row. Exit code 1 if something is missing, twice,\n" +
			"out of order, altered (as by a privacy policy), or lost without a gap record. Calls do\n" +
			"not begin again: for another round start anew, without the data folder.",
		Example: "  bridge simulate compare --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			log := newLogger(config.Log{Level: "warn", Format: "auto"}, c.ErrOrStderr())
			report, err := o.run(c.Context(), log)
			if err != nil {
				return err
			}
			if o.asJSON {
				err = json.NewEncoder(c.OutOrStdout()).Encode(report)
			} else {
				printReport(c.OutOrStdout(), report)
			}
			if err == nil && !report.OK {
				err = errReported
			}
			return err
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
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	return c
}

// run compares again and again until nothing is missing or the time is over:
// files under way are no mistake, only unfinished.
func (o compareOptions) run(ctx context.Context, log zerolog.Logger) (report truthcheck.Report, err error) {
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return report, usageError{fmt.Errorf("--timezone %s: no such zone", o.zone)}
	}
	names, err := schemas.NewNames(o.prefix)
	if err != nil {
		return report, usageError{err}
	}
	waiting, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	options, err := o.busOptions(names, log)
	if err != nil {
		return report, err
	}
	b, err := bus.Connect(waiting, options)
	if err != nil {
		return report, fmt.Errorf("no NATS at %s: %w; is `bridge run` running? set --nats", redacted(o.nats), err)
	}
	defer b.Close()
	if err := o.request(waiting, http.MethodPost, "/quiesce", nil); err != nil {
		return report, err
	}
	until(waiting, func() bool {
		var quiet struct {
			Quiet bool `json:"quiet"`
		}
		err = o.request(ctx, http.MethodGet, "/quiet", &quiet)
		return err != nil || quiet.Quiet
	})
	ended := time.Now()
	for err == nil {
		var s truth.Snapshot
		if err = o.request(ctx, http.MethodGet, "/truth", &s); err == nil {
			report, err = compareStreams(ctx, b, zone, o.tenant, ended, s)
		}
		if err != nil || report.OK || retry.Wait(waiting, 2*time.Second) != nil {
			break
		}
	}
	return report, err
}

// busOptions are those of a reader.
func (o compareOptions) busOptions(names schemas.Names, log zerolog.Logger) (bus.Options, error) {
	b := bus.Options{
		Names: names, Instance: uuid.NewString(), URL: o.nats, CredentialsFile: o.credentials,
		InboxPrefix: bus.ReaderInbox, Logger: log,
	}
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

// request calls the simulator's management listener and decodes its answer into
// v, if v is not nil.
func (o compareOptions) request(ctx context.Context, method, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, o.management+path, nil)
	if err != nil {
		return usageError{fmt.Errorf("--management %s: %w", o.management, err)}
	}
	client := http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("no simulator at %s: %w; start `bridge simulate`, or set --management", o.management, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("ask the simulator: %s %s answered %s", method, path, answer.Status)
	}
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(answer.Body).Decode(v); err != nil {
		return fmt.Errorf("read the simulator's answer: %w", err)
	}
	return nil
}

// compareStreams holds the streams of one tenant against the simulator's truth.
// Every kind that is extracted must be complete up to ended, when the last call
// was over: rows of windows not asked for yet are in no file.
func compareStreams(ctx context.Context, b *bus.Bus, zone *time.Location, tenant string, ended time.Time, s truth.Snapshot) (truthcheck.Report, error) {
	c := truthcheck.New(zone, tenant)
	for _, stream := range []schemas.Stream{schemas.StreamEvents, schemas.StreamFiles, schemas.StreamRows, schemas.StreamDeadLetters} {
		err := b.Read(ctx, stream, "", 0, func(m schemas.Stored) error { c.Message(m); return nil })
		if err != nil {
			return truthcheck.Report{}, err
		}
	}
	report := c.Compare(s)
	last := map[schemas.Kind]schemas.Coverage{}
	err := b.Read(ctx, schemas.StreamCoverage, "", 0, func(m schemas.Stored) error {
		var said schemas.Coverage
		if json.Unmarshal(m.Body, &said) == nil && said.Tenant == tenant {
			last[said.Kind] = said
		}
		return nil
	})
	for _, k := range schemas.Kinds() {
		if said, extracted := last[k]; extracted && said.CompleteTo.Before(ended) {
			report.OK = false
			report.Problems = append(report.Problems, fmt.Sprintf("%s is complete up to %s only, calls went on until %s",
				k, said.CompleteTo.In(zone).Format(time.DateTime), ended.In(zone).Format(time.DateTime)))
		}
	}
	return report, err
}
