// Package filestore simulates CC-FS, the file store of the contact centre
// platform, as an http.Handler: the extraction of call detail records,
// recording indexes, agent operations and skill changes, from the signed
// request over the signed callback to the download of the ZIP; the sound of the
// recordings, in every way the platform hands it out, an object store's addresses
// included; and the voice files of the IVR.
//
// It is written from the platform's pages (cec_07_0003 authentication,
// 0813–0829 operations, 0831–0833 files, 0835/0836 codes) with its own wire
// structs, so that a client's misreading of them shows. What the pages leave
// open is an option; what they contradict themselves about, and what goes
// wrong in real life, is a fault, see [FaultKinds].
//
// The life of an extraction:
//
//	query… ──valid──► waiting ──0..GenerationMax──► generated ──► callback
//	   │                                              │            │   ▲
//	   └─ code 03000xx, nothing made                  │    refused │   │ RepeatEvery,
//	                                                  │            ▼   │ RepeatLimit times
//	                        download… ◄── until Expiry┘          repeat ──► given up
//	                                                               │
//	                                             2xx with a body   └──► acknowledged
//
// Invariants:
//   - the rows of a file are those known at its generation, not at the query;
//   - a file is generated once: every download gives the same bytes, unless a
//     download fault damages the answer;
//   - a create request is answered before its first callback is sent, unless
//     the fault callback.before_answer says otherwise;
//   - every file, callback try, recording and download is in the truth log, a
//     file with the exact cells it holds, a recording with its digest; requests
//     are counted there by operation;
//   - every request is signed, but for those that browsers make: playVoice and
//     the object store's addresses, which a secret opens for a while;
//   - the package itself has the requests: signatures, validation, limits,
//     downloads. Of ours it imports its rooms archive (the formats), content
//     (what is in a file), callback (telling the client) and voice (what is to
//     be heard), and c2sign, fault,
//     pause, truth and world;
//   - generation and callbacks happen only inside Run, which returns when the
//     last of its goroutines has ended. Requests made before Run wait for it.
package filestore
