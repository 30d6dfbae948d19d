// Package agents measures agents and their events: memory of each, CPU of an idle poll,
// how long an event takes until it is durable, how many a second go through, and what they
// cost; beside a plain client of net/http that polls as many agents, and beside raw
// publishes to a server of its own.
package agents
