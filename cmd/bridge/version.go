package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"aiccbridge/internal/buildinfo"
)

// versions are what `bridge version` prints.
type versions struct {
	Bridge string `json:"bridge"`
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
	NATS   string `json:"nats_server"`
}

// versionsAndBill is what `bridge version --json` prints.
type versionsAndBill struct {
	versions
	SBOM json.RawMessage `json:"sbom"` // as --sbom has it
}

func (v versions) String() string {
	return fmt.Sprintf("%s (%s, embedded nats-server %s)", v.Bridge, v.Go, v.NATS)
}

func newVersion() *cobra.Command {
	var asJSON, bill bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the bridge and of the NATS server in it",
		Long: "Print the version of the bridge, which is that of the commit that it was built of, and of\n" +
			"the NATS server in it; or all modules in it, as CycloneDX in JSON, without licences, alone or\n" +
			"with the versions in one object.",
		Example: "  bridge version --json\n  bridge version --sbom > bridge.cdx.json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			v := currentVersions()
			if bill {
				return buildinfo.Current().WriteBOM(c.OutOrStdout())
			}
			if asJSON {
				var all bytes.Buffer
				if err := buildinfo.Current().WriteBOM(&all); err != nil {
					return err
				}
				return json.NewEncoder(c.OutOrStdout()).Encode(versionsAndBill{v, all.Bytes()})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "bridge %s\n", v)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, the bill of materials in it")
	c.Flags().BoolVar(&bill, "sbom", false, "print the software bill of materials, as CycloneDX in JSON")
	c.MarkFlagsMutuallyExclusive("json", "sbom")
	return c
}

func currentVersions() versions {
	b := buildinfo.Current()
	return versions{Bridge: b.Version, Commit: b.Commit, Go: runtime.Version(), NATS: server.VERSION}
}

// newBuildMetric says in a metric what `bridge version` does.
func newBuildMetric() prometheus.Collector {
	v := currentVersions()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "aicc", Subsystem: "build", Name: "info", Help: "1; the labels are the versions of the bridge, of Go and of the NATS server in it.",
	}, []string{"version", "commit", "go", "nats_server"})
	g.WithLabelValues(v.Bridge, v.Commit, v.Go, v.NATS).Set(1)
	return g
}
