// Package doctor looks at what a bridge needs around it, before it runs or while it does:
// addresses, certificates, clocks, time zones, the NATS server, the machine.
//
// Invariants:
//
//   - A look changes nothing, and asks nobody twice: what refuses a key may lock it.
//   - Each line says what was seen. A warning or a failure says what to do as well, in the words
//     of the configuration.
//   - What cannot be seen from here is a warning that says so, never a line that is well.
//
// It gets what the configuration says as plain values, and knows no other part of the bridge
// but what explains errors of TLS.
package doctor
