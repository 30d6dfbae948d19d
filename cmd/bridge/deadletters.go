package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// lettersOptions are the flags of `bridge deadletters`.
type lettersOptions struct {
	askOptions
	tenant, reason string
	from           timeFlag
	all            bool
}

func newDeadLetters() *cobra.Command {
	o := &lettersOptions{}
	c := &cobra.Command{
		Use:   "deadletters [ls | show ID | redrive ID… | drop ID…]",
		Short: "Show what could not be processed, and have it tried again",
		Long: "Show the dead letters: files, callbacks, rows and events that could not be processed, and\n" +
			"why. `redrive` has the window asked for again that a letter is about, or a callback taken\n" +
			"once more; its rows keep their identity, and the letter is resolved once the window is\n" +
			"complete. `drop` leaves it as it is, and resolves it.",
		Example: "  bridge deadletters --reason damaged_zip\n  bridge deadletters redrive --reason damaged_zip --from 24h\n  bridge deadletters drop 3f2a",
		Args:    knownCommand,
		RunE:    o.ls,
	}
	f := c.PersistentFlags()
	o.register(c)
	f.StringVar(&o.tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.reason, "reason", "", "only of this reason")
	f.StringVar(&o.from.text, "from", "", "only those after this time")
	o.from.name = "from"
	ls := &cobra.Command{Use: "ls", Short: "List them", Example: "  bridge deadletters ls --all", Args: noArguments, RunE: o.ls}
	for _, with := range []*cobra.Command{c, ls} {
		with.Flags().BoolVar(&o.all, "all", false, "list those that are resolved, too")
	}
	c.AddCommand(ls, &cobra.Command{
		Use: "show ID", Short: "Show one, with what failed", Example: "  bridge deadletters show 3f2a", Args: oneArgument("the letter's id"), RunE: o.show,
	}, &cobra.Command{
		Use: "redrive [ID…]", Short: "Have what failed worked on once more", Example: "  bridge deadletters redrive --reason damaged_zip", RunE: o.redrive,
	}, &cobra.Command{
		Use: "drop [ID…]", Short: "Leave some as they are for good", Example: "  bridge deadletters drop 3f2a", RunE: o.drop,
	})
	o.completeFlags(c)
	return c
}

// chosen are the unresolved letters with these ids, or that the flags ask for: one of both
// has to be given.
func (o *lettersOptions) chosen(ctx context.Context, l looking, ids []string) ([]ask.Letter, error) {
	if len(ids) == 0 && o.reason == "" && o.tenant == "" && o.from.text == "" {
		return nil, usageError{errors.New("give the ids of letters, or say which by --reason, --tenant or --from")}
	}
	all, err := o.letters(ctx, l)
	if err != nil {
		return nil, err
	}
	var some []ask.Letter
	seen := map[string]bool{}
	for _, letter := range all {
		wanted := len(ids) == 0
		for _, id := range ids {
			if letter.ID == id {
				wanted, seen[id] = true, true
			}
		}
		if wanted && !letter.Resolved {
			some = append(some, letter)
		}
	}
	for _, id := range ids {
		if !seen[id] {
			return nil, fmt.Errorf("dead letter %s: %w; `bridge deadletters ls --all` lists them", id, ask.ErrNone)
		}
	}
	return some, nil
}

// letters are those that the flags ask for.
func (o *lettersOptions) letters(ctx context.Context, l looking) ([]ask.Letter, error) {
	from, err := o.from.read(o.zone())
	if err != nil {
		return nil, err
	}
	return l.Letters(ctx, o.tenant, from, func(letter ask.Letter) bool {
		return (o.reason == "" || string(letter.Reason) == o.reason) && !letter.LastAt.Before(from)
	})
}

func (o *lettersOptions) ls(c *cobra.Command, _ []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := o.letters(ctx, l)
		if err != nil {
			return err
		}
		some := all[:0]
		for _, letter := range all {
			if o.all || !letter.Resolved {
				some = append(some, letter)
			}
		}
		switch {
		case o.asJSON:
			return lines(l.out, some)
		case len(some) == 0:
			_, err := fmt.Fprintln(l.out, "no dead letter")
			return err
		}
		return l.screen().Letters(some)
	})
}

func (o *lettersOptions) show(c *cobra.Command, args []string) error {
	return o.with(c, func(ctx context.Context, l looking) error {
		all, err := l.Letter(ctx, o.tenant, args[0])
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("dead letter %s: %w; `bridge deadletters ls --all` lists them", args[0], ask.ErrNone)
		}
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(l.out)
		if !o.asJSON {
			encoder.SetIndent("", "  ")
		}
		for _, letter := range all {
			if err := encoder.Encode(letter); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *lettersOptions) redrive(c *cobra.Command, ids []string) error {
	return o.repair(c, func(ctx context.Context, r repairing) error {
		some, err := o.chosen(ctx, r.looking, ids)
		if err != nil {
			return err
		}
		asked := map[string]bool{} // of several letters of one window the first will do
		for _, letter := range some {
			err = errors.Join(err, r.redrive(ctx, letter, asked))
		}
		if err == nil {
			_, err = fmt.Fprintf(r.out, "%d redriven\n", len(some))
		}
		return err
	})
}

// redrive has what a letter is about worked on once more.
func (r repairing) redrive(ctx context.Context, letter ask.Letter, asked map[string]bool) error {
	if letter.Reason == schemas.ReasonUnknownResponse {
		var n schemas.FileNotice
		if err := json.Unmarshal(letter.Original, &n); err == nil && n.Validate() == nil {
			return r.takeNotice(ctx, letter, n)
		}
	}
	e, ok := r.windows.About(letter.DeadLetter)
	switch {
	case !ok:
		return fmt.Errorf("dead letter %s (%s) is about no window, and what it holds was refused for good; look at it with `bridge deadletters show %[1]s`, and drop it", letter.ID, letter.Reason)
	case asked[e.Key()]:
		return nil
	}
	asked[e.Key()] = true
	return r.redriveWindow(ctx, letter, e)
}

// redriveWindow has a letter's window asked for again, unless it is about to be.
func (r repairing) redriveWindow(ctx context.Context, letter ask.Letter, e schemas.WindowEntry) error {
	var busy *ledger.UnderWay
	if err := r.retry(ctx, e, letter.ID); !errors.As(err, &busy) {
		return err
	}
	_, err := fmt.Fprintf(r.out, "under way already: %s window %s of %s\n", e.Kind, e.Window, e.Tenant)
	return err
}

// takeNotice takes a callback once more.
func (r repairing) takeNotice(ctx context.Context, letter ask.Letter, n schemas.FileNotice) error {
	if e, ok := r.windows.About(letter.DeadLetter); ok { // somebody has asked for it since
		return r.redriveWindow(ctx, letter, e)
	}
	n.ReceivedAt = time.Now().UTC() // it waits for its window as long as a new one
	patient, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	if err := r.windows.Accept(patient, n); err != nil {
		return err
	}
	if err := r.audit(ctx, schemas.Audit{Tenant: letter.Tenant, What: schemas.AuditLetterRedrive, Letter: letter.ID, Detail: "its callback was taken once more"}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(r.out, "taken once more: the callback of file %s of %s\n", n.FileName, n.Tenant)
	return err
}

func (o *lettersOptions) drop(c *cobra.Command, ids []string) error {
	return o.repair(c, func(ctx context.Context, r repairing) error {
		some, err := o.chosen(ctx, r.looking, ids)
		if err != nil {
			return err
		}
		for _, letter := range some {
			if err := r.drop(ctx, letter); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(r.out, "%d dropped\n", len(some))
		return err
	})
}

func (r repairing) drop(ctx context.Context, letter ask.Letter) error {
	m, err := r.Names.ResolvedMessage(schemas.Resolved{
		Tenant: letter.Tenant, Letter: letter.ID, Reason: letter.Reason, Dropped: true, Kind: letter.Kind, Window: letter.Window, ResponseID: letter.ResponseID, At: time.Now().UTC(),
	})
	if err == nil {
		patient, cancel := context.WithTimeout(ctx, r.wait)
		defer cancel()
		err = r.bus.Publish(patient, m)
	}
	if err != nil {
		return err
	}
	return r.audit(ctx, schemas.Audit{Tenant: letter.Tenant, What: schemas.AuditLetterDrop, Letter: letter.ID, Detail: "it was one of " + string(letter.Reason)})
}
