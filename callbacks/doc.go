// Package callbacks takes the file store's signed callbacks ("this file is
// ready", cec_07_0814 and cec_07_0818) and answers them.
//
// The order is fixed: who calls, how often, path and its token, method, raw body,
// signature, decode, store, answer. Invariants:
//
//   - 200 is answered only after [Store.Accept] returned nil, and always with a
//     body: the platform repeats a callback every ten minutes until it gets a
//     success response that has one.
//   - A repeat is ordinary traffic and is answered with success.
//   - The signature is checked over the raw bytes, before any JSON is read.
//   - What a callback says is a hint: nothing is downloaded here, and a file is
//     fetched only for an extract that was asked for.
//   - Nobody learns from an answer why a signature was refused.
package callbacks
