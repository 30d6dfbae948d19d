package worker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// Suspicion is that the times of a kind's files are those of another zone than the one they
// are read in.
type Suspicion struct {
	Kind           schemas.Kind
	Zone           string // in which they are read
	Offset         string // of the times from UTC, as the last file shows it: +00:00
	ExpectedOffset string // of the zone at that time
	// Setting is what the zone would have to be set to: utc, tenant, or "" for one that
	// has this offset.
	Setting string
}

// Zones are the suspicions that the files worked off last have raised. The zero value has
// none. It is safe for concurrent use.
type Zones struct {
	mu        sync.Mutex
	suspected map[string]map[schemas.Kind]Suspicion // by tenant
}

// Suspected are a tenant's, by kind.
func (z *Zones) Suspected(tenant string) (all []Suspicion) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range z.suspected[tenant] {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Suspicion) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return all
}

func (z *Zones) raise(tenant string, s Suspicion) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.suspected == nil {
		z.suspected = map[string]map[schemas.Kind]Suspicion{}
	}
	if z.suspected[tenant] == nil {
		z.suspected[tenant] = map[schemas.Kind]Suspicion{}
	}
	z.suspected[tenant][s.Kind] = s
}

func (z *Zones) end(tenant string, k schemas.Kind) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.suspected[tenant], k)
}

// written is the zone in which the file's rows of a kind are read.
func (x *export) written(k schemas.Kind) *time.Location {
	return cmp.Or(x.tenant.Written[k], x.tenant.Zone)
}

// newEncoder makes the encoder of the file's rows of a kind. Without a count none are
// identified.
func (x *export) newEncoder(k schemas.Kind, count func([16]byte) (int, error)) *rows.Encoder {
	return rows.NewEncoder(x.w.o.Names, x.file, k, rows.Options{
		Zone: x.tenant.Zone, Written: x.written(k), Edition: x.tenant.Edition, NoNames: x.tenant.NoNames, Count: count,
	})
}

// watchZone has the zone check see a record, before anything of it is concealed.
func (p *publication) watchZone(record []string) {
	if p.zone.knows() {
		return
	}
	p.walls = p.encoder.WallClocks(p.walls[:0], record)
	p.zone.row(p.encoder.CallID(record), p.walls)
}

// judgeZone says what the file shows of the zone of its times. They are read in the zone
// that is set, whatever it shows.
func (p *publication) judgeZone(ctx context.Context) error {
	f := p.zone.finding()
	switch {
	case f.agrees:
		p.w.o.Zones.end(p.file.Tenant, p.kind)
		return nil
	case !f.suspect:
		return nil
	}
	at := p.file.Window.From
	s := Suspicion{
		Kind: p.kind, Zone: p.zone.zone.String(), Offset: offsetText(f.offset), ExpectedOffset: offsetText(offsetAt(p.zone.zone, at)),
	}
	switch f.offset {
	case 0:
		s.Setting = "utc"
	case offsetAt(p.tenant.Zone, at):
		s.Setting = "tenant"
	}
	p.w.o.Zones.raise(p.file.Tenant, s)
	return p.say(ctx, schemas.Drift{
		Kind: p.kind, What: schemas.DriftZone, Rows: f.rows, Zone: s.Zone, Offset: s.Offset, ExpectedOffset: s.ExpectedOffset,
	})
}
