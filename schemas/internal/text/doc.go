// Package text writes foreign text so that it can stand where the contract has it: as a
// token of a subject, and as a string of JSON.
//
// Invariants: no two texts have the same token, and every token can be read back; what is
// not UTF-8 never makes a body that is not. It imports nothing of ours.
package text
