// Package platformsim is a contact centre platform in one process: a seeded
// world of agents and calls, the CC-Gateway that hands out their live events,
// and the CC-FS that makes files of their records.
//
//	              ┌────────── world ──────────┐
//	              │ events               rows │
//	              ▼                           ▼
//	HTTPS ──► gateway                     filestore ──► HTTPS callback
//	              ├───────► truth ◄───────────┤
//	              └───────► fault ◄───────────┘ (and world)
//	                          ▲
//	HTTP (loopback) ──► management: truth, faults, settings
//
// A further interface of the platform (the agents' phones, monitoring)
// is a package beside gateway and filestore: an http.Handler with Options, a list
// of its own faults that FaultKinds takes in, and what it did in truth. Editions of
// the platform are values of Options, which the settings file (optionfile) can
// name one by one.
//
// Invariants:
//   - Whatever a client should have seen is in the truth log: events handed
//     out, files made, callbacks tried, downloads served, recordings with their
//     digests.
//   - All that can go wrong is wished for in one language and decided in one
//     book, package fault; each part lists its own faults, FaultKinds all.
//   - Both services present certificates of one authority made by New, valid
//     for the listen address; the file store trusts the same authority when
//     it calls back.
//   - Run returns only when everything it started has ended.
//   - Nothing global: several platforms run in one process.
//   - The simulator shares no code with the clients it is made to test, apart
//     from the signature, which is proved by vectors of its own.
//     Of ours it imports c2sign and the packages below it.
package platformsim
