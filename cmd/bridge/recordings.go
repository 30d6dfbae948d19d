package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/internal/ccfs"
)

func newRecordings() *cobra.Command {
	c := &cobra.Command{
		Use:     "recordings",
		Short:   "Recordings of calls: list and get what is kept, or listen at the platform",
		Example: "  bridge recordings ls\n" + `  bridge recordings url 'Y:\39\0\20240501\101\32460000.V3'`,
		Args:    knownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRecordingsLs(), newRecordingsGet(), newRecordingURL())
	return c
}

// listening is what `bridge recordings url --json` prints.
type listening struct {
	Tenant    string    `json:"tenant"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func newRecordingURL() *cobra.Command {
	o := &storeOptions{}
	c := &cobra.Command{
		Use:   "url NAME",
		Short: "Print an address where a recording can be heard for 30 minutes",
		Long: "Ask the platform for an address where a recording can be heard, with a browser or\n" +
			"with curl. NAME is original_file_name of the recording's row. Whoever has the\n" +
			"address can listen for 30 minutes: it is a secret, and stands in no log.",
		Example: `  bridge recordings url 'Y:\39\0\20240501\101\32460000.V3'` + "\n  bridge recordings url NAME --json | jq -r .url",
		Args:    oneArgument("the recording's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.ErrOrStderr(), func(tenant string, client *ccfs.Client) error {
				a, err := client.RequestPlay(c.Context(), args[0])
				if err != nil {
					return err
				}
				if o.asJSON {
					return json.NewEncoder(c.OutOrStdout()).Encode(listening{tenant, a.Reveal(), a.Until.UTC().Truncate(time.Second)})
				}
				if _, err := fmt.Fprintln(c.OutOrStdout(), a.Reveal()); err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.ErrOrStderr(), "good until %s; whoever has it can listen\n", a.Until.Local().Format(time.TimeOnly))
				return err
			})
		},
	}
	o.register(c)
	return c
}
