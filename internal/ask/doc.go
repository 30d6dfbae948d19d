// Package ask answers what people ask of a contact centre and its bridges: where the agents
// stand, and stood; how far the windows are; which calls there were, and all that is known of
// one. Answers are made of what the hub holds, so that they are the same whether a bridge gives
// them or a command reads the hub itself, and while no bridge runs.
//
// Invariants:
//
//   - A question changes nothing, and leaves nothing on the hub.
//   - An answer says what is not known, and never guesses it.
//   - No answer holds a session's id, sealed or not.
//
// Answers are JSON documents; package view shows them to people. Of ours it imports schemas
// and schemas/events.
package ask
