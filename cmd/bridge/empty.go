package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// newAcceptEmpty is `bridge windows accept-empty`.
func newAcceptEmpty(o *windowsOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "accept-empty KIND WINDOW",
		Short: "Take a window for complete although the platform gives no file of it",
		Long: "Take a window for complete with the rows that it has, none if it has none: a file without\n" +
			"rows is imported into it. For windows of which the platform will never give a file. One\n" +
			"that comes all the same, or a later `retry`, brings its rows. Needs the configuration.",
		Example: "  bridge windows accept-empty cdr 20261130t000000z-20261130t010000z --tenant acme",
		Args:    twoArguments("a kind and a window"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.url != "" || o.context != "" {
				return usageError{errors.New("this needs the bridge's configuration: give -c instead of --nats and --context")}
			}
			w, err := schemas.ParseWindow(args[1])
			if err != nil {
				return usageError{err}
			}
			dir, err := os.MkdirTemp("", "bridge-empty-")
			if err != nil {
				return fmt.Errorf("make a folder for the file: %w", err)
			}
			defer os.RemoveAll(dir)
			kind := schemas.Kind(args[0])
			path := filepath.Join(dir, "empty.zip")
			if err := writeEmpty(path, kind, w); err != nil {
				return err
			}
			span := w.From.Format(time.RFC3339) + "/" + w.To.Format(time.RFC3339)
			i := importOptions{path: o.path, tenant: o.tenant, kind: args[0], window: span, asJSON: o.asJSON, wait: o.wait}
			if err := i.run(c.Context(), path, c.OutOrStdout(), c.ErrOrStderr()); err != nil {
				return err
			}
			return o.repair(c, func(ctx context.Context, r repairing) error {
				tenant, err := o.tenantOf(ctx, r.looking, kind, w)
				if err != nil {
					return err
				}
				return r.audit(ctx, schemas.Audit{Tenant: tenant, What: schemas.AuditWindowEmpty, Kind: kind, Window: w})
			})
		},
	}
}

// writeEmpty writes a file of a kind that has a header line and no row. Its bytes differ from
// window to window, and with them the extract's id.
func writeEmpty(path string, kind schemas.Kind, w schemas.Window) error {
	if err := kind.Validate(); err != nil {
		return usageError{err}
	}
	var names []string
	for _, c := range rows.Columns(kind) {
		names = append(names, c.Name)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write a file without rows: %w", err)
	}
	z := zip.NewWriter(f)
	member, err := z.Create(w.From.Format("20060102150405") + w.To.Format("150405") + "_" + rows.FilePart(kind) + ".csv")
	if err == nil {
		_, err = fmt.Fprintln(member, strings.Join(names, ","))
	}
	if err = errors.Join(err, z.Close(), f.Close()); err != nil {
		return fmt.Errorf("write a file without rows: %w", err)
	}
	return nil
}
