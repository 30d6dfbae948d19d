// Package planner fills the ledger with windows and asks the file store for the extracts of
// those that are due; it states up to when a tenant is complete.
//
// Invariants:
//
//   - Windows tile time: no holes, no overlaps, neither as instants nor as the
//     wall-clock texts that the platform is asked with (see nextWindow).
//   - An attempt stands in the ledger before its request is sent.
//   - Of all planners of a tenant one works, the one that has the lease: the platform's budget
//     is the tenant's. After a change of hands only the ledger counts.
//   - One request at a time, so far apart and so many extracts under way as the settings
//     allow, those of backfills aside; less while the platform refuses.
//   - Windows of backfills go in a lane of their own: they are asked for when no live one is
//     due, at a share of the pace.
//   - A window that comes without rows is complete, and is asked for once more an hour
//     later: the platform says the same of records that it has not copied yet.
//
// What becomes of a window is read from the ledger only: the planner does not know the
// worker, nor callbacks. It imports schemas, exporter/ledger, and the file store's client
// (internal/ccfs) for what its errors say.
package planner
