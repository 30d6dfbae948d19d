package custody

import (
	"context"
)

// RotatedSince notes that the GUID is not the one used, because an answer told another.
func (c *Custody) RotatedSince(used string) { c.rotates = c.rotates || c.kept.guid != used }

// MayHaveMissed notes a poll of unknown outcome: its answer may have told a new GUID.
func (c *Custody) MayHaveMissed() { c.doubt, c.doubtedGUID = true, c.kept.guid }

// Renew follows a poll of unknown outcome, as soon as the gateway answers
// again. The lost answer may have told a new GUID, without which the old one dies
// within 120 s. In a session whose GUID rotates and was not replaced since, ask for
// another.
func (c *Custody) Renew(ctx context.Context) error {
	if !c.doubt {
		return nil
	}
	c.doubt = false
	if !c.rotates || c.kept.guid != c.doubtedGUID {
		return nil
	}
	side, cancel := context.WithTimeout(ctx, sideLimit)
	defer cancel()
	if err := c.session.UpdateGUID(side); err != nil {
		c.log.Warn().Err(err).Msg("guid is not renewed; the session may end within two minutes")
	}
	return c.Keep(ctx)
}
