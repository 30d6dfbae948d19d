package scenario

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// known is a row that a window has.
type known struct {
	id       string
	revision int
}

// window publishes the rows of a window that are new or have changed, and its marker.
func (p *player) window(ctx context.Context, s Step, at time.Time) error {
	w := schemas.Window{From: p.Begin.Add(s.Window.From).UTC(), To: p.Begin.Add(s.Window.To).UTC()}
	subject := p.Names.Row(p.Tenant, s.Window.Kind, w)
	ids, newest, extracts := map[string]bool{}, map[string]known{}, 0
	last, err := p.Hub.ReadRows(ctx, subject, func(h schemas.RowHeader, _ uint64) {
		if h.Revision == 0 {
			extracts++
			return
		}
		ids[rows.BaseID(h.ID)] = true
		newest[h.Key] = known{h.ID, h.Revision}
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", subject, extracts))
	id := hex.EncodeToString(sum[:16])
	file := schemas.FileReady{Tenant: p.Tenant, Kind: s.Window.Kind, Window: w, ResponseID: id, FileName: at.Format("20060102") + "_" + id + ".zip", ReceivedAt: at, Via: schemas.ViaManual}
	all, complete, err := p.rows(file, s, ids, newest)
	if err != nil {
		return err
	}
	complete.CompletedAt, complete.SHA256 = at, hex.EncodeToString(sum[:])
	marker, err := p.Names.WindowCompleteMessage(complete)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(append(all, marker), schemas.MaxBatch) {
		if last, err = p.Hub.AppendRows(ctx, batch, last); err != nil {
			return err
		}
		p.sent += len(batch)
	}
	return p.publish(ctx, func() (schemas.Message, error) {
		return p.Names.CoverageMessage(schemas.Coverage{Tenant: p.Tenant, Kind: s.Window.Kind, From: p.from(s.Window.Kind), CompleteTo: w.To, At: at})
	})
}

// from is where the windows of a kind begin.
func (p *player) from(k schemas.Kind) time.Time {
	first := time.Duration(math.MaxInt64)
	for _, s := range p.Steps {
		if s.Window != nil && s.Window.Kind == k {
			first = min(first, s.Window.From)
		}
	}
	return p.Begin.Add(first).UTC()
}

// rows are the messages of the rows that the window lacks, and what its marker says of all.
func (p *player) rows(file schemas.FileReady, s Step, ids map[string]bool, newest map[string]known) (all []schemas.Message, c schemas.WindowComplete, err error) {
	encoder := rows.NewEncoder(p.Names, file, file.Kind, rows.Options{Zone: p.zone})
	names := map[string]bool{}
	for _, row := range s.Rows {
		for name := range row {
			names[name] = true
		}
	}
	header := slices.Sorted(maps.Keys(names))
	if len(header) > 0 {
		if err := encoder.Header(header); err != nil {
			return nil, c, err
		}
	}
	c = schemas.WindowComplete{
		Tenant: file.Tenant, Kind: file.Kind, Window: file.Window, ResponseID: file.ResponseID, Rows: len(s.Rows), RequestedAt: file.ReceivedAt,
		Files: []schemas.CompleteFile{{Name: rows.FilePart(file.Kind) + ".csv", Rows: len(s.Rows), Header: true, Encoding: "utf-8"}},
	}
	for _, row := range s.Rows {
		record := make([]string, len(header))
		for i, name := range header {
			record[i] = row[name]
		}
		id, err := encoder.Identify(record)
		if err != nil {
			return nil, c, err
		}
		before, there := newest[id.Key]
		if ids[id.ID] && rows.BaseID(before.id) == id.ID {
			continue // as it is
		}
		base, revision := id.ID, before.revision+1
		if there {
			c.Revised++
		}
		if ids[base] { // as an earlier revision was
			id = id.Again(revision)
		}
		m, err := encoder.Message(record, id, revision)
		if err != nil {
			return nil, c, err
		}
		c.Added++
		all = append(all, m)
		ids[base], newest[id.Key] = true, known{id.ID, revision}
	}
	return all, c, nil
}
