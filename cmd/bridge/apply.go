package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/schemas"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	path, credentials, user, passwordFile string
	dryRun                                bool
	weaker                                []string
	wait                                  time.Duration
}

func newApply() *cobra.Command {
	o := applyOptions{}
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make or mend the streams and buckets on an external NATS",
		Long: "Make the streams, buckets and the workers' consumer that the bridge needs on the\n" +
			"NATS server of nats.url, with credentials that may do so, so that `bridge run`\n" +
			"can do without those rights (nats.manage_streams: false). What exists is never\n" +
			"weakened. docs/nats has the permissions of both.",
		Example: "  bridge apply -c bridge.yaml --credentials admin.creds\n  bridge apply -c bridge.yaml --user apply --password-file apply.password --dry-run",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.path, "config", "c", "bridge.yaml", "configuration file")
	f.StringVar(&o.credentials, "credentials", "", "NATS credentials file to use instead of the configuration's")
	f.StringVar(&o.user, "user", "", "NATS user to sign in as instead of the configuration's")
	f.StringVar(&o.passwordFile, "password-file", "", "file with that user's password")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what is missing or weaker; exit code 1 if something is")
	f.StringArrayVar(&o.weaker, "accept-weaker", nil, "a stream setting that may be weaker than the bridge wants, by the name that its refusal prints")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for the server")
	return c
}

func (o applyOptions) run(ctx context.Context, out, errOut io.Writer) error {
	if (o.user == "") != (o.passwordFile == "") || o.user != "" && o.credentials != "" {
		return usageError{errors.New("give --user with --password-file, or --credentials, or neither")}
	}
	cfg, err := load(o.path, errOut)
	if err != nil {
		return err
	}
	if !cfg.NATS.External() {
		return errors.New("nats.url and nats.context are empty: the embedded server's streams are made by `bridge run` itself")
	}
	names, err := schemas.NewNames(cfg.NATS.SubjectPrefix)
	if err != nil {
		return err
	}
	options := externalOptions(cfg.NATS, bus.Options{})
	options.Names, options.Instance = names, uuid.NewString()
	options.Logger = zerolog.New(zerolog.ConsoleWriter{Out: errOut, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName}}).Level(zerolog.InfoLevel)
	switch {
	case o.credentials != "":
		options.CredentialsFile, options.User, options.Password = o.credentials, "", ""
	case o.user != "":
		password, err := readLine("--password-file", o.passwordFile)
		if err != nil {
			return err
		}
		options.CredentialsFile, options.User, options.Password = "", o.user, password
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	b, err := bus.Connect(ctx, options)
	if err != nil {
		return whoMay(err)
	}
	defer b.Close()
	table := assets.NewTable(b.Conn(), assets.Options{AcceptWeaker: o.weaker, Replicas: cfg.NATS.Replicas})
	if o.dryRun {
		err = table.Check(ctx)
	} else {
		err = table.Ensure(ctx)
	}
	if err != nil {
		return whoMay(err)
	}
	_, err = fmt.Fprintln(out, "streams, buckets and consumer are as the bridge needs them")
	return err
}

// whoMay adds to the server's refusal what to do.
func whoMay(err error) error {
	if !bus.Denied(err) {
		return err
	}
	return fmt.Errorf("%w\nthis user may not make streams: give --user with --password-file, or --credentials, of one who may", err)
}

// readLine reads the file that a flag names, without the end of its line.
func readLine(flag, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
