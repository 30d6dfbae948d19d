// Package trial runs the bridge against the simulator and judges what the streams hold
// by what the simulator really did: [Demo] in one process, [Compare] beside a simulator
// and a bridge that run already.
//
// Invariants: the judgement is truthcheck's alone; a trial sees of a bridge only what
// [Bridge] and [Streams] name; nothing of a demo remains on the disk, also of those
// that were ended at once.
//
// The package may import config, schemas, the simulator, truthcheck and bus/embedded
// (for the lock of a data folder), never cmd/bridge or bus: how a bridge is run comes in
// as a value of type [Run]. What a person sees of it is in the package view.
package trial
