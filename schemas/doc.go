// Package schemas is the contract between the bridge and everybody who
// subscribes to it: every message, subject, id, key and table that crosses the
// bus. Besides the standard library it imports internal/jsonwalk only, and it does no I/O.
// How a record of a file becomes a row is told below it, in schemas/rows, which it does
// not import.
//
// Invariants:
//
//   - A subject is made of lower-case tokens; whatever comes from outside
//     (tenant, agent, window, unknown event names) passes [EncodeToken] first,
//     so no foreign byte can add a token or a wildcard.
//   - The same fact always gets the same id. Ids are computed, never random.
//   - The values of [SecretFields] in an event's content are never published,
//     whatever the event ([EventInfo.Fill]).
//   - v1 is additive: fields may be added, none changes its meaning.
package schemas
