// Package recordings fetches the audio that the rows of the recording index name, keeps it,
// and says what became of each recording.
//
//	row of AICC_ROWS ─► wanted? ─► kept already? ─► ask the interfaces, in their order
//	                                   │                  │ check the audio
//	                                   │                  ▼
//	                                   │         encrypt ─► put away ─► say "stored" ─► ack
//	                                   └──────────────────────────────►     │
//	no audio, and it is late enough ──────────────────────► say "missing" ──┘
//
// Invariants:
//
//   - Only a row makes a job: nothing is asked for of which no row says that it exists.
//   - Nothing that matters is remembered here: what is learnt of a platform ([habit]) saves
//     requests, and no interface is left out before a recording is missing. Whether audio is kept tells the place where it is kept,
//     whether a job is done tells the consumer; a crash between two steps repeats one.
//   - Names and messages are made of the row alone, so that what is repeated is the same.
//     They hold no phone number.
//   - What is put away is what the platform sent, found to be sound; its digest is that of
//     the audio, whether it is kept encrypted or not.
//   - A failure that says nothing of the recording (no answer, no rights, too many requests)
//     never makes it missing, however long it lasts.
//   - It asks by a budget of its own that all bridges share, one request after the other for
//     each worker, and nothing waits for it.
//   - A bridge that does not fetch a tenant's audio says nothing of its rows while another
//     one does; what is kept is deleted in its time all the same.
//
// It imports schemas, the file store's client (internal/ccfs) for what its errors say, and
// internal/voice, which reads WAV files.
package recordings
