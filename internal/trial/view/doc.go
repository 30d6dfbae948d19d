// Package view shows a trial to a person: what a consumer sees on the streams while it
// runs, counted ([Stats]) and drawn ([Show]), and the outcome at its end ([Print]).
//
// It judges nothing: what it counts may be incomplete, the report never is. It knows
// schemas and truthcheck's report, and writes to what it is given.
package view
