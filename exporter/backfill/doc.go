// Package backfill finds out which windows of a span of time are missing, and orders them: the
// planner asks for ordered windows in a lane of their own, behind live ones.
//
// Invariants:
//
//   - An order is nothing but its windows in the ledger: it survives whatever they survive, and
//     any bridge that plans for their tenant works on it.
//   - Windows that are in the ledger stay as they are cut; only time without one is cut anew, as
//     the planner does.
//   - What comes by itself is not ordered: windows that have a time of their next extract, and
//     those whose extract is under way.
//   - Windows before the planner's own are none of it: coverage does not begin with them, and
//     they are asked for only as long as they are ordered.
//
// It imports schemas, exporter/ledger, and exporter/planner for how time is cut.
package backfill
