package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/expiry"
	"aiccbridge/internal/tlsadvice"
)

func newCheck() *cobra.Command {
	var path string
	var asJSON, effective bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration: every error at once, with line and column",
		Long: "Check a configuration without starting or changing anything. Every error is printed with\n" +
			"file, line, column, key, cause and remedy. Exit code 1 when there is one. A data\n" +
			"folder that could not be written is one; an address in use is a warning, unless a\n" +
			"bridge runs on that data folder. Where the configuration's NATS server answers, or that\n" +
			"of a bridge that runs on the data folder, files whose times were found to be of another\n" +
			"zone than the one that is set are a warning, too.",
		Example: "  bridge check -c bridge.yaml\n  bridge check -c bridge.yaml --effective",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(path)
			var found config.Errors
			if err != nil && !errors.As(err, &found) {
				return err
			}
			collector, wrong := tracing()
			if err == nil {
				var warnings []config.Finding
				found, warnings = place(cfg)
				cfg.Warnings = append(append(cfg.Warnings, warnings...), wrong...)
				warnOfCertificates(cfg, time.Now())
				warnOfZones(c.Context(), cfg)
			}
			if asJSON && effective {
				return usageError{errors.New("--json and --effective exclude each other")}
			}
			if asJSON {
				return checkJSON(c.OutOrStdout(), cfg, found, collector)
			}
			if err := checkText(c.OutOrStdout(), c.ErrOrStderr(), path, cfg, found, effective); err != nil || effective {
				return err
			}
			sayTraced(c.OutOrStdout(), collector)
			return nil
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "bridge.yaml", "configuration file")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.Flags().BoolVar(&effective, "effective", false, "print the configuration as it is understood, defaults filled in, secrets masked")
	return c
}

func checkJSON(out io.Writer, cfg *config.Config, found config.Errors, collector string) error {
	report := struct {
		OK       bool             `json:"ok"`
		Errors   []config.Finding `json:"errors"`
		Warnings []config.Finding `json:"warnings"`
		Agents   []agentsFrom     `json:"agents"`           // a line for each tenant with a gateway
		Traces   string           `json:"traces,omitempty"` // where files are traced to
	}{Traces: collector, OK: len(found) == 0, Errors: append([]config.Finding{}, found...), Warnings: []config.Finding{}, Agents: []agentsFrom{}}
	if cfg != nil {
		report.Warnings = append(report.Warnings, cfg.Warnings...)
		report.Agents = origins(cfg)
	}
	if err := json.NewEncoder(out).Encode(report); err != nil {
		return err
	}
	if len(found) > 0 {
		return errReported
	}
	return nil
}

func checkText(out, errOut io.Writer, path string, cfg *config.Config, found config.Errors, effective bool) error {
	if len(found) > 0 {
		return printFindings(errOut, path, found)
	}
	warn(errOut, cfg)
	if effective {
		text, err := cfg.Effective()
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	}
	agents := 0
	for _, o := range origins(cfg) {
		agents += o.Listed + o.FromFile
		if o.File != "" {
			fmt.Fprintf(out, "%s: %s from %s, %d from %s\n", o.Tenant, count(o.Listed, "agent"), path, o.FromFile, o.File)
		}
	}
	verdict := "sound"
	if n := len(cfg.Warnings); n > 0 {
		verdict += ", " + count(n, "warning")
	}
	_, err := fmt.Fprintf(out, "%s: %s (%s, %s)\n", path, verdict, count(len(cfg.Tenants), "tenant"), count(agents, "agent"))
	return err
}

// agentsFrom says where a tenant's agents come from.
type agentsFrom struct {
	Tenant   string `json:"tenant"`
	Listed   int    `json:"listed"` // in the configuration itself
	FromFile int    `json:"from_file"`
	File     string `json:"file,omitempty"`
}

func origins(cfg *config.Config) (all []agentsFrom) {
	for _, t := range cfg.Tenants {
		if g := t.Gateway; g != nil {
			all = append(all, agentsFrom{t.Name, len(g.Listed), len(g.Agents) - len(g.Listed), g.AgentsFile})
		}
	}
	return all
}

// printFindings prints every error, one a line, and how many they are.
func printFindings(w io.Writer, path string, found config.Errors) error {
	fmt.Fprintf(w, "%s\n%s: %s\n", found.Error(), path, count(len(found), "error"))
	return errReported
}

// warn prints what is allowed but worth a look.
func warn(w io.Writer, cfg *config.Config) {
	for _, f := range cfg.Warnings {
		fmt.Fprintf(w, "warning: %s\n", f)
	}
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ownCertificates are those that the bridge shows, by the keys that name them; nil: there is none.
func ownCertificates(c *config.Config) map[string]*tls.Certificate {
	return map[string]*tls.Certificate{
		"callbacks.certificate_file": c.Callbacks.Certificate, "listen.admin_certificate_file": c.Listen.AdminCertificate,
		"listen.gateway_certificate_file": c.Listen.GatewayCertificate,
		"listen.nats_certificate_file":    c.Listen.NATSCertificate, "nats.certificate_file": c.NATS.ClientCertificate,
	}
}

// newCertificates shows until when certificates are valid.
func newCertificates(b base, h *hub) *expiry.Book {
	what := map[string]string{
		"callbacks.certificate_file": "callbacks", "listen.admin_certificate_file": "admin",
		"listen.gateway_certificate_file": "gateway_listener",
		"listen.nats_certificate_file":    "nats", "nats.certificate_file": "nats_client",
	}
	return expiry.New(expiry.Options{Registerer: b.metrics, Hub: h.bus.Conn().Encrypted, Own: func() map[string]*tls.Certificate {
		all := map[string]*tls.Certificate{}
		for key, one := range ownCertificates(b.changes.config()) {
			all[what[key]] = one
		}
		return all
	}})
}

// expiring is what is wrong with the certificates that the bridge shows, by the keys that
// name them.
func expiring(c *config.Config, now time.Time) map[string]error {
	wrong := map[string]error{}
	for key, one := range ownCertificates(c) {
		if one == nil {
			continue
		}
		if err := tlsadvice.Expiry(*one, now); err != nil {
			wrong[key] = err
		}
	}
	return wrong
}

// renew is what to do about the certificate that a key names.
func renew(key string) string {
	if strings.Contains(key, "nats") {
		return "put a new one there and restart the bridge"
	}
	return "put a new one there; the bridge takes it while it runs"
}

// warnOfCertificates adds a warning for each that is about to expire, or worse.
func warnOfCertificates(c *config.Config, now time.Time) {
	wrong := expiring(c, now)
	for _, key := range slices.Sorted(maps.Keys(wrong)) {
		c.Warnings = append(c.Warnings, c.Finding(key, wrong[key].Error(), renew(key)))
	}
}
