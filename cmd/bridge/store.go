package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/internal/ccfs"
)

// storeOptions are the flags of commands that ask a tenant's file store themselves.
type storeOptions struct {
	path, tenant string
	asJSON       bool
}

func (o *storeOptions) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&o.path, "config", "c", "bridge.yaml", "configuration file")
	f.StringVar(&o.tenant, "tenant", "", "whose file store, when the configuration has several")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
}

// with calls f with a client of the tenant's file store.
func (o *storeOptions) with(errOut io.Writer, f func(tenant string, client *ccfs.Client) error) error {
	cfg, err := load(o.path, errOut)
	if err != nil {
		return err
	}
	t, err := o.choose(cfg)
	if err != nil {
		return err
	}
	client, err := storeClient(cfg, t, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	return f(t.Name, client)
}

// choose is the tenant that is named, or the only one, of those with a file store.
func (o *storeOptions) choose(cfg *config.Config) (config.Tenant, error) {
	all := slices.DeleteFunc(slices.Clone(cfg.Tenants), func(t config.Tenant) bool { return t.Files == nil })
	if len(all) == 0 {
		return config.Tenant{}, fmt.Errorf("%s has no tenant with a file store (files)", o.path)
	}
	return pick(all, o.tenant)
}

// pick is the tenant of that name, or the only one.
func pick(all []config.Tenant, name string) (config.Tenant, error) {
	var names []string
	for _, t := range all {
		names = append(names, t.Name)
		if t.Name == name {
			return t, nil
		}
	}
	switch {
	case name != "":
		return config.Tenant{}, usageError{fmt.Errorf("--tenant %s: there is no such tenant for this command; there is %s", name, strings.Join(names, ", "))}
	case len(all) > 1:
		return config.Tenant{}, usageError{fmt.Errorf("give --tenant, one of %s", strings.Join(names, ", "))}
	}
	return all[0], nil
}

// oneArgument wants exactly that.
func oneArgument(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return usageError{errors.New(what + " is missing")}
		case len(args) > 1:
			return usageError{fmt.Errorf("%q is too much: the command takes %s and flags", args[1], what)}
		}
		return nil
	}
}
