package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/conform"
	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
)

func newSchema() *cobra.Command {
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the contract, or hold a hub against it",
		Long: "Print the JSON Schemas of all messages, of what the buckets hold, and of what bridges are asked\n" +
			"and answer, and the AsyncAPI document; or hold all that a hub has against them.",
		Example: "  bridge schema ls\n  bridge schema show aicc.v1.event\n  bridge schema validate --nats nats://127.0.0.1:4222",
		Args:    knownCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use: "ls", Short: "List the types", Example: "  bridge schema ls", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, t := range conform.Types() {
				if _, err := fmt.Fprintln(c.OutOrStdout(), t); err != nil {
					return err
				}
			}
			return nil
		},
	}, &cobra.Command{
		Use: "show TYPE", Short: "Print the JSON Schema of a type", Example: "  bridge schema show aicc.v1.row.cdr", Args: oneArgument("a type"),
		ValidArgs: conform.Types(),
		RunE: func(c *cobra.Command, args []string) error {
			doc, ok := conform.JSONSchema(args[0])
			if !ok {
				return usageError{fmt.Errorf("there is no type %q; `bridge schema ls` lists them", args[0])}
			}
			_, err := c.OutOrStdout().Write(doc)
			return err
		},
	}, &cobra.Command{
		Use: "asyncapi", Short: "Print the AsyncAPI document", Example: "  bridge schema asyncapi > asyncapi.yaml", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(schemas.AsyncAPI())
			return err
		},
	}, newValidate())
	return c
}

// validation is what one stream or bucket has.
type validation struct {
	Where   string   `json:"where"`
	Checked int      `json:"checked"`
	Invalid int      `json:"invalid"`
	First   []string `json:"first,omitempty"` // what is wrong with the first few
}

// firstOnes are so many that are spelt out.
const firstOnes = 5

func (v *validation) note(what string, err error) {
	v.Checked++
	if err == nil {
		return
	}
	v.Invalid++
	if len(v.First) < firstOnes {
		v.First = append(v.First, what+": "+err.Error())
	}
}

func newValidate() *cobra.Command {
	o := &askOptions{}
	c := &cobra.Command{
		Use:   "validate",
		Short: "Hold all messages and entries of a hub against the contract",
		Long: "Read all streams and buckets of a hub, and hold every message and entry against its JSON\n" +
			"Schema, its CloudEvents attributes and its subject. Exit code 1 if something is not as the\n" +
			"contract says. Says where it differs, never what is there.",
		Example: "  bridge schema validate -c bridge.yaml\n  bridge schema validate --nats nats://127.0.0.1:4222 --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c, func(ctx context.Context, l looking) error { return validate(ctx, l) })
		},
	}
	o.register(c)
	return c
}

func validate(ctx context.Context, l looking) error {
	invalid := 0
	for _, p := range l.holdings(conform.New(l.Names)) {
		v := &validation{Where: p.name}
		if err := p.check(ctx, v.note); err != nil {
			return err
		}
		if err := printValidation(l.out, l.asJSON, v); err != nil {
			return err
		}
		invalid += v.Invalid
	}
	if invalid > 0 {
		return errReported
	}
	return nil
}

// holding is a stream or a bucket; check says of all that it has what is wrong, nil if nothing is.
type holding struct {
	name  string
	check func(ctx context.Context, note func(what string, err error)) error
}

func (l looking) holdings(c *conform.Checker) (all []holding) {
	for _, s := range schemas.Streams() {
		all = append(all, holding{l.Names.Stream(s), func(ctx context.Context, note func(string, error)) error {
			return l.bus.Read(ctx, s, "", 0, func(m schemas.Stored) error {
				note(fmt.Sprintf("message %d", m.Sequence), c.Message(s, m))
				return nil
			})
		}})
	}
	for _, b := range entries.Buckets() {
		all = append(all, holding{l.Names.Bucket(b), func(ctx context.Context, note func(string, error)) error {
			err := kv.Open(l.bus.Conn(), b).Each(ctx, ">", func(key string, e schemas.Stored) error {
				note("key "+key, c.Entry(b, key, e.Body))
				return nil
			})
			if bus.Denied(err) {
				_, err = fmt.Fprintf(l.out, "%s may not be read by this user\n", l.Names.Bucket(b))
			}
			return err
		}})
	}
	return all
}

func printValidation(out io.Writer, asJSON bool, v *validation) error {
	if asJSON {
		return json.NewEncoder(out).Encode(v)
	}
	_, err := fmt.Fprintf(out, "%-18s %d checked, %d invalid\n", v.Where, v.Checked, v.Invalid)
	for _, first := range v.First {
		fmt.Fprintln(out, "  "+first)
	}
	return err
}
