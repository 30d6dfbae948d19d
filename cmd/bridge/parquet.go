package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/bus"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/rowfile/folder"
	"aiccbridge/schemas"
)

// followEvery is how often a folder that is kept up to date is looked at.
const followEvery = 15 * time.Second

// rowHub is a hub whose rows are written into a folder.
type rowHub struct{ *bus.Bus }

// ReadBack calls f for the headers of a window's messages.
func (h rowHub) ReadBack(ctx context.Context, subject string, f func(h schemas.RowHeader, seq uint64)) (uint64, error) {
	return h.Rows().ReadBack(ctx, subject, f)
}

// toParquet brings a folder of Parquet files up to date, and keeps it so if that is wanted.
func (o *replayOptions) toParquet(c *cobra.Command, from, to time.Time) error {
	if o.Agent != "" || o.Call != "" {
		return usageError{errors.New("a folder of Parquet files has whole windows: leave --agent and --call to its readers")}
	}
	return o.with(c, func(ctx context.Context, l looking) (err error) {
		rows, err := folder.Open(o.parquet, o.allRevisions)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		bring := func() (folder.Summary, error) { return rows.Run(ctx, rowHub{l.bus}, o.windows(from, to)) }
		s, err := bring()
		if err == nil {
			err = o.report(l, s)
		}
		for err == nil && o.follow && retry.Wait(ctx, followEvery) == nil {
			s, failure := bring()
			switch {
			case failure != nil && ctx.Err() == nil: // the hub may be away for a while
				fmt.Fprintf(c.ErrOrStderr(), "bridge: %v; trying again\n", failure)
			case failure == nil && s.Added+s.Replaced > 0:
				err = o.report(l, s)
			}
		}
		return err
	})
}

// windows says which windows the flags ask for.
func (o *replayOptions) windows(from, to time.Time) func(tenant string, kind schemas.Kind, w schemas.Window) bool {
	return func(tenant string, kind schemas.Kind, w schemas.Window) bool {
		return (o.Tenant == "" || o.Tenant == tenant) && (o.Kind == "" || o.Kind == kind) && w.To.After(from) && w.From.Before(to)
	}
}

func (o *replayOptions) report(l looking, s folder.Summary) error {
	if o.asJSON {
		return lines(l.out, []folder.Summary{s})
	}
	_, err := fmt.Fprintf(l.out, "files: %d added, %d replaced, %d unchanged, %s in all; %d rows written; %d windows are not complete yet\n",
		s.Added, s.Replaced, s.Unchanged, decimal(s.Bytes), s.Rows, s.Incomplete)
	return err
}

// decimal is a size in units of a thousand.
func decimal(bytes int64) string {
	size := float64(bytes)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if size < 1000 {
			return fmt.Sprintf("%.3g %s", size, unit)
		}
		size /= 1000
	}
	return fmt.Sprintf("%.4g TB", size)
}
