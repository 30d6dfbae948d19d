// Package schemas is the contract between the bridge and everybody who
// subscribes to it: every message, subject, id, key and table that crosses the
// bus. It imports the standard library only, and does no I/O. What the platform's events
// mean, and how a record of a file becomes a row, is told in schemas/events and
// schemas/rows, which it does not import.
//
// Invariants:
//
//   - A subject is made of lower-case tokens; whatever comes from outside
//     (tenant, agent, window, unknown event names) passes [EncodeToken] first,
//     so no foreign byte can add a token or a wildcard.
//   - The same fact always gets the same id. Ids are computed, never random.
//   - v1 is additive: fields may be added, none changes its meaning.
package schemas
