// Package voice is what the file store has of sound: the recordings of the calls and of
// the IVR flows, the passes that open them for a while, and the voice files that
// developers put into the IVR.
//
//	rows of the recording index ─► Library ─► Find ─► Recording.WAV
//	                                  │ every recording once, with its digest
//	                                  └──► truth
//
// A recording is a short tone in G.711 A-law in a RIFF container, made of its name when it
// is asked for: nothing is stored, and every download gives the same bytes.
//
// Invariants:
//   - what exists is decided by the rows of the recording index alone, those that faults
//     invented included; a row's sound is there, late or absent for ever by its name and
//     the seed, whatever is asked for in between;
//   - the sound of every row that was in a file, or was looked up, is in the truth log;
//   - it knows nothing of HTTP and does no I/O; of ours it imports world and truth.
package voice
