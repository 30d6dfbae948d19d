// Package reload has a running bridge take a changed configuration.
//
//	SIGHUP, POST /-/reload ─► read everything ─┐
//	a *_file is another one ─► read the files ─┴─► wrong? ─► compare ─► a key that needs a restart? ─► apply
//	                                                 └─────────────────────┴─► refused, the old one goes on
//
// Invariants:
//
//   - All or nothing: what is refused changes nothing, and says what it is refused for.
//   - Every key of the configuration is in the table of those that can be changed while the
//     bridge runs, or a change of it is refused ([Compare]).
//   - Files that the configuration names are looked at all the time, and taken when two looks
//     in a row found the same: a file that is being written is not taken. The YAML file itself
//     is read when somebody says so, and never by itself: a person may be in the middle of it.
//   - No secret, no phone number and no password is in a [Change].
//
// It imports config.
package reload
