// Package requests is the contract of what bridges are asked on NATS, and answer: a JSON
// Schema for the request and the answer of each endpoint of their service. Neither is a
// CloudEvent. As messages, they only grow.
//
// Each schema stands for itself: of a call's record it says the type, and windows are written
// out as in their bucket.
//
// Of ours it imports nothing, and does no I/O.
package requests

import (
	"embed"
	"slices"
	"strings"
)

// The endpoints; each is asked on <prefix>.ask.<endpoint>.
const (
	Status  = "status"  // each bridge answers, of itself
	Agents  = "agents"  // where agents stand, or stood
	Windows = "windows" // how far the windows are
	Call    = "call"    // everything known of a call
	Calls   = "calls"   // calls, the newest first
	Schema  = "schema"  // a JSON Schema of the contract
	// Handover and Handback are for a system that signs agents in itself.
	Handover = "handover" // the bridge polls an agent's session from now on
	Handback = "handback" // the bridge stops, and gives the session back
)

// Endpoints are all of them.
func Endpoints() []string {
	return []string{Status, Agents, Windows, Call, Calls, Schema, Handover, Handback}
}

// Request is the type of what an endpoint takes.
func Request(endpoint string) string { return prefix + "request." + endpoint }

// Answer is the type of what an endpoint gives.
func Answer(endpoint string) string { return prefix + "answer." + endpoint }

const prefix = "aicc.v1."

// Types are those of all requests and answers.
func Types() (all []string) {
	for _, e := range Endpoints() {
		all = append(all, Request(e), Answer(e))
	}
	return all
}

//go:embed *.json
var published embed.FS

// JSONSchema is the JSON Schema (draft 2020-12) of a type; false for an unknown one.
func JSONSchema(t string) ([]byte, bool) {
	if !slices.Contains(Types(), t) {
		return nil, false
	}
	data, err := published.ReadFile(strings.TrimPrefix(t, prefix) + ".json")
	return data, err == nil
}
