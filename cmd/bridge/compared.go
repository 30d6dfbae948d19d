package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// newCompared is `bridge windows compared`.
func newCompared(o *windowsOptions) *cobra.Command {
	return &cobra.Command{
		Use: "compared", Short: "Show how live events and files agree",
		Long: "Show what was said last of each window that was held against live events: how much agrees, and\n" +
			"each difference that nothing explains. With --json the whole statements.",
		Example: "  bridge windows compared\n  bridge windows compared --kind cdr --json",
		Args:    noArguments, RunE: o.compared,
	}
}

func (o *windowsOptions) compared(c *cobra.Command, _ []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := o.statements(ctx, l)
		if err != nil {
			return err
		}
		if o.asJSON {
			return lines(l.out, all)
		}
		text := "no window has been compared; it takes live events and complete windows of one tenant\n"
		if len(all) > 0 {
			text = o.sheet(all)
		}
		_, err = fmt.Fprint(l.out, text)
		return err
	})
}

// sheet is a line for each window, and one for each difference that nothing explains.
func (o *windowsOptions) sheet(all []comparison.Statement) string {
	var text strings.Builder
	for _, s := range all {
		fmt.Fprintf(&text, "%s %s %s  agree %.1f %%  live %d, in files %d, explained %d, unexplained %d\n",
			s.Tenant, s.Kind, s.Window, s.Score(), s.Live, s.Recorded, s.Explained, s.Unexplained)
		for _, f := range s.Findings {
			if f.By == "" && f.What != comparison.Gap {
				text.WriteString("  " + difference(f, o.zone()) + "\n")
			}
		}
	}
	return text.String()
}

// difference is one that nothing explains, in a line.
func difference(f comparison.Finding, zone *time.Location) string {
	words := []string{f.At.In(zone).Format("15:04:05"), string(f.What), "agent " + f.Agent}
	if f.CallID != "" {
		words = append(words, "call "+f.CallID)
	}
	if f.What == comparison.TalkDiffers {
		words = append(words, fmt.Sprintf("%.1f s live, %.1f s in the record", f.Live, f.Rows))
	}
	return strings.TrimSpace(strings.Join(append(append(words, f.Name), f.Missing...), " "))
}

// statements are the newest of each window that the flags ask for, by time.
func (o *windowsOptions) statements(ctx context.Context, l looking) ([]comparison.Statement, error) {
	newest := map[string]comparison.Statement{}
	err := l.bus.Read(ctx, schemas.StreamCoverage, l.Names.Reconciled(), 0, func(m schemas.Stored) error {
		var s comparison.Statement
		if m.Get("ce-type") != schemas.TypeReconcile || json.Unmarshal(m.Body, &s) != nil {
			return nil
		}
		if (o.tenant == "" || o.tenant == s.Tenant) && (o.kind == "" || o.kind == string(s.Kind)) {
			newest[schemas.WindowKey(s.Tenant, s.Kind, s.Window)] = s
		}
		return nil
	})
	return slices.SortedFunc(maps.Values(newest), func(a, b comparison.Statement) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.Window.From.Compare(b.Window.From), cmp.Compare(a.Kind, b.Kind))
	}), err
}
