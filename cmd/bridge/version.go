package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"
)

type versions struct {
	Bridge string `json:"bridge"`
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
	NATS   string `json:"nats_server"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of the bridge and of the NATS server in it",
		Example: "  bridge version --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			v := currentVersions()
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(v)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "bridge %s (%s, embedded nats-server %s)\n", v.Bridge, v.Go, v.NATS)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func currentVersions() versions {
	v := versions{Bridge: "devel", Go: runtime.Version(), NATS: server.VERSION}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Bridge = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}
