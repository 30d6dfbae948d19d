// Package monitor is the simulated monitor (CC-CMS): where agents stand, by looking, and the
// calls of yesterday and today. What it says it takes from the simulated world, so that it and
// the gateway can't disagree; nothing that it is asked changes anything.
//
// Written from the pages cec_07_0598, 0599, 0606 to 0610, 0627, 0632, 0687, 0696, 0697, 0708
// and 0709.
//
// Invariants: a request is looked at only when it is signed as the file store wants it, and
// counted with its wrong signatures; success is HTTP 200 with "0100000"; a refusal has its text
// where the data of a success are. It is safe for concurrent use and does no I/O of its own.
package monitor
