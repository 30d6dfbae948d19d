// Package fault is the language in which the simulated platform is told to
// misbehave, and the engine that decides what goes wrong when.
//
// A fault has a name, "<operation>.<what goes wrong>". A [Rule] wishes for one:
// where (agent, operation, kind of file, path), how often (the next so many
// times, for a while, a share of all times), and with which settings. The
// [Book] holds the rules in force, and the parts of the platform ask it at each
// occasion:
//
//	PUT /faults, --faults, settings file ─► rules ─► Book ◄─ First, All ─ gateway, file store, world
//
// A part says in a table of [Kind] which faults it knows; from these tables the
// rules are checked and the help is printed.
//
// Invariants:
//   - A rule that could never strike is refused: an unknown name (with the
//     nearest known one), a scope or a setting that the fault does not take.
//   - An occasion that the part does not ask about uses up no count.
//   - What is decided by chance follows from the seed: one generator for each
//     operation, so that files do not change the draws of polls. An occasion with
//     a key is decided by seed and key alone, whatever came before.
//   - The package knows nothing of a contact centre and imports nothing of ours.
package fault
