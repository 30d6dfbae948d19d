package reconcile

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
	"aiccbridge/schemas/rows"
)

// reconstruct tells of a state that only an operation proves, once: a comparison of the same
// window, after a crash or a later extract, finds what was told.
func (c *matcher) reconstruct(ctx context.Context, x closing) error {
	m, err := comparison.Reconstructed{
		Tenant: c.o.Tenant, Agent: x.row.Agent, State: schemas.State(x.what), From: x.row.Begin.UTC(), To: x.row.End.UTC(), Source: schemas.ProofOperation,
		Row: x.row.id, Window: c.said.Window, Gap: x.gap.Position, At: time.Now().UTC(),
	}.Message(c.o.Names, rows.BaseID(x.row.id))
	if err != nil {
		return err
	}
	told, err := c.o.Stored(ctx, m, c.said.Window.From)
	if err == nil && !told {
		err = c.o.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("tell of a reconstructed state: %w", err)
	}
	return nil
}
