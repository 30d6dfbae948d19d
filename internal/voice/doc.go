// Package voice reads WAV files as telephony has them, and says whether an IVR can play one.
//
// Invariants: a file is read from its first byte to its last without trusting what it says
// of itself; what is wrong comes as a sentence for the person who made the file, together
// with the command that makes a good one of it. It does no I/O.
package voice
