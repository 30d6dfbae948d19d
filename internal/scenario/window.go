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

// known has the last revisions of the rows of a window: of each, by its id, and of each natural
// key.
type known struct{ rows, keys map[string]int }

// window publishes the rows of a window that are new or have changed, and its marker.
func (p *player) window(ctx context.Context, s Step, at time.Time) error {
	w := schemas.Window{From: p.Begin.Add(s.Window.From).UTC(), To: p.Begin.Add(s.Window.To).UTC()}
	subject := p.Names.Row(p.Tenant, s.Window.Kind, w)
	there, extracts := known{map[string]int{}, map[string]int{}}, 0
	last, err := p.Hub.ReadRows(ctx, subject, func(h schemas.RowHeader, _ uint64) {
		if h.Revision == 0 {
			extracts++
			return
		}
		there.rows[rows.BaseID(h.ID)], there.keys[h.Key] = h.Revision, h.Revision
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", subject, extracts))
	id := hex.EncodeToString(sum[:16])
	file := schemas.FileReady{Tenant: p.Tenant, Kind: s.Window.Kind, Window: w, ResponseID: id, FileName: at.Format("20060102") + "_" + id + ".zip", ReceivedAt: at, Via: schemas.ViaManual}
	all, complete, err := p.rows(file, s, there)
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

// rows are the messages of the rows that the window lacks, and what its marker says of all. A
// natural key of which a row is new, or has changed, comes as its next revision with all its rows.
func (p *player) rows(file schemas.FileReady, s Step, there known) (all []schemas.Message, c schemas.WindowComplete, err error) {
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
	records, ids, changed := make([][]string, len(s.Rows)), make([]rows.Identity, len(s.Rows)), map[string]bool{}
	for i, row := range s.Rows {
		for _, name := range header {
			records[i] = append(records[i], row[name])
		}
		if ids[i], err = encoder.Identify(records[i]); err != nil {
			return nil, c, err
		}
		revision, known := there.rows[ids[i].ID]
		changed[ids[i].Key] = changed[ids[i].Key] || !known || revision < there.keys[ids[i].Key]
	}
	for i, id := range ids {
		if !changed[id.Key] {
			continue
		}
		revision := there.keys[id.Key] + 1
		if there.rows[id.ID] > 0 {
			id = id.Again(revision)
		}
		m, err := encoder.Message(records[i], id, revision)
		if err != nil {
			return nil, c, err
		}
		if c.Added++; revision > 1 {
			c.Revised++
		}
		all = append(all, m)
	}
	return all, c, nil
}
