package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"aiccbridge/config"
	"aiccbridge/exporter/backfill"
	"aiccbridge/internal/ask"
	"aiccbridge/internal/ask/view"
	"aiccbridge/schemas"
)

// scope is what one kind of a tenant is looked over for, and how far apart its requests are.
type scope struct {
	backfill.Scope
	pace time.Duration
}

// span is the time that the flags name.
func (o *backfillOptions) span() (from, to time.Time, err error) {
	if from, err = o.from.read(o.zone()); err == nil {
		to, err = o.to.read(o.zone())
	}
	switch {
	case err != nil:
		return from, to, err
	case from.IsZero():
		return from, to, usageError{errors.New("give --from")}
	case to.IsZero():
		to = time.Now()
	}
	if !from.Before(to) {
		return from, to, usageError{errors.New("--to is not after --from")}
	}
	if o.kind != "" {
		if err := schemas.Kind(o.kind).Validate(); err != nil {
			return from, to, usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	return from, to, nil
}

// scopes are what the flags name, by the configuration or by what the ledger shows.
func (o *backfillOptions) scopes(ctx context.Context, r repairing) (all []scope, err error) {
	from, to, err := o.span()
	if err != nil {
		return nil, err
	}
	if o.url != "" || o.context != "" {
		all, err = o.shown(ctx, r)
	} else {
		all, err = o.configured()
	}
	all = slices.DeleteFunc(all, func(s scope) bool {
		return o.tenant != "" && s.Tenant != o.tenant || o.kind != "" && string(s.Kind) != o.kind
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s extracts %s: see the names in the configuration, tenants and files.extracts, or those of `bridge windows`", cmp.Or(o.tenant, "no tenant"), cmp.Or(o.kind, "nothing"))
	}
	for i := range all {
		all[i].From, all[i].To, all[i].Again = from, to, o.again
	}
	return all, err
}

// configured are the extracts of the configuration.
func (o *backfillOptions) configured() (all []scope, err error) {
	cfg, err := config.Load(o.path)
	if err != nil {
		return nil, err
	}
	for _, t := range cfg.Tenants {
		if t.Files == nil {
			continue
		}
		for _, x := range t.Files.Extracts.Each() {
			s := backfill.Scope{Tenant: t.Name, Kind: schemas.Kind(x.Kind), Zone: t.Timezone, Length: x.Window, Settle: x.Settle, Begin: x.Since}
			all = append(all, scope{s, paceOf(t.Files)})
		}
	}
	return all, nil
}

// usualSettle is how long after its end a window is asked for by default.
const usualSettle = 15 * time.Minute

// shown are the kinds that are extracted as far as the ledger shows: those of which it has a
// window of the last days. They are as long as most of the last ten.
func (o *backfillOptions) shown(ctx context.Context, r repairing) (all []scope, err error) {
	if o.zoneName == "" {
		return nil, usageError{errors.New("give --timezone, the tenant's, or the configuration with -c: windows are cut by the tenant's clock")}
	}
	zone, err := time.LoadLocation(o.zoneName)
	if err != nil {
		return nil, usageError{fmt.Errorf("--timezone: %w", err)}
	}
	tenants, err := r.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		for _, k := range schemas.Kinds() {
			own := slices.DeleteFunc(r.windows.Entries(t, k), func(e schemas.WindowEntry) bool { return e.Unplanned })
			if len(own) == 0 || time.Since(own[len(own)-1].Window.To) > 4*24*time.Hour {
				continue
			}
			s := backfill.Scope{Tenant: t, Kind: k, Zone: zone, Length: usualLength(own[max(0, len(own)-10):]), Settle: usualSettle}
			all = append(all, scope{s, usualPace})
		}
	}
	return all, nil
}

// usualLength is how long most windows are.
func usualLength(windows []schemas.WindowEntry) (length time.Duration) {
	of := map[time.Duration]int{}
	for _, e := range windows {
		d := e.Window.To.Sub(e.Window.From)
		of[d]++
		if of[d] > of[length] {
			length = d
		}
	}
	return length
}

// planned is what a scope lacks, and what getting it costs.
type planned struct {
	backfill.Plan
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"` // that its requests take at least
}

// find looks over what the flags name.
func (o *backfillOptions) find(ctx context.Context, c *cobra.Command, r repairing) (all []planned, err error) {
	scopes, err := o.scopes(ctx, r)
	if err != nil {
		return nil, err
	}
	meter := newMeter(c.ErrOrStderr())
	defer meter.end()
	find := backfill.Options{Ledger: r.windows, Lacking: r.bus.Rows().Lacking}
	for _, s := range scopes {
		meter.say(func() string { return fmt.Sprintf("counting rows: %s %s", s.Tenant, s.Kind) })
		p, err := find.Find(ctx, s.Scope, time.Now())
		if err != nil {
			return nil, err
		}
		all = append(all, planned{p, len(p.Missing), (time.Duration(len(p.Missing)) * s.pace).Seconds()})
	}
	return all, nil
}

func (o *backfillOptions) plan(c *cobra.Command, _ []string) error {
	return o.repair(c, func(ctx context.Context, r repairing) error {
		all, err := o.find(ctx, c, r)
		if err != nil {
			return err
		}
		if o.asJSON {
			return lines(r.out, all)
		}
		return r.print(all)
	})
}

// print says what is missing.
func (r repairing) print(all []planned) error {
	var spans []view.Span
	requests, complete, coming, takes := 0, 0, 0, map[string]float64{}
	for _, p := range all {
		spans = append(spans, spansOf(p.Plan)...)
		requests, complete, coming = requests+p.Requests, complete+p.Complete, coming+p.Coming
		takes[p.Tenant] += p.Seconds // tenants are asked side by side
	}
	longest := 0.0
	for _, t := range takes {
		longest = max(longest, t)
	}
	if len(spans) > 0 {
		if err := r.screen().Spans(spans); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(r.out, "\n%d windows are missing; %d are complete, %d come by themselves\n", requests, complete, coming)
	if err == nil && requests > 0 {
		_, err = fmt.Fprintf(r.out, "%d requests, which take at least %s behind live windows\n", requests, (time.Duration(longest) * time.Second).String())
	}
	return err
}

// spansOf puts neighbouring windows together that are missing for the same reason.
func spansOf(p backfill.Plan) (all []view.Span) {
	for _, m := range p.Missing {
		why := strings.ReplaceAll(string(m.Why), "_", " ")
		if m.Reason != "" {
			why += ": " + ask.InWords(m.Reason)
		}
		if last := len(all) - 1; last >= 0 && all[last].Why == why && all[last].Span.To.Equal(m.Window.From) {
			all[last].Span.To = m.Window.To
			all[last].Windows++
			continue
		}
		all = append(all, view.Span{Tenant: p.Tenant, Kind: p.Kind, Span: m.Window, Windows: 1, Why: why})
	}
	return all
}
