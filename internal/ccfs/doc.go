// Package ccfs is the client of the platform's file store (CC-FS): it asks for extractions
// of call records, recording indexes, agent operations and skill changes, and downloads the
// ZIP files they produce (cec_07_0814, 0815, 0818 to 0821); it fetches recordings (0813,
// 0816, 0817, 0822 to 0825) and keeps the voice files of the IVR (0826 to 0829). It speaks
// the platform's language only.
//
// Invariants:
//   - Every request is signed over exactly the bytes sent: JSON marshalled once, fixed
//     length, explicit Host, HTTP/1.1, no redirects, no proxy but one that is named.
//   - An answer is judged by its first bytes. The platform reports failures as JSON with
//     status 200, even labelled as octet-stream, so neither status nor content type tells.
//   - A refused signature is never repeated blindly: the platform locks source addresses.
//     One request at a time waits for its answer, so that a wrong key costs two calls, not
//     as many as there are workers; files stream in parallel. See the drawing at circuit.
//   - Files are streamed, bounded in size, and never held in memory.
//   - No error carries an Authorization header, a key, a listening token or an address that
//     holds a secret.
//   - An address in an object store is opened without Authorization, and never where
//     package dialguard forbids; a request for it says nothing about the platform's lock.
//
// A repeated query creates a second extraction: there is no idempotency key. Record the
// attempt before calling, and expect a callback for it even when the call failed.
package ccfs
