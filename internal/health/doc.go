// Package health looks after what the bridge's promises rest on while it runs, says
// what is wrong, and stops what must not go on meanwhile.
//
// A [Watch] looks at its checks again and again. Each check has one alarm, which is a
// log line when it begins, changes and ends, the metric aicc_alarm, and a line of the
// answer to who asks how the bridge is. What else follows is the business of whoever
// made the check, such as shutting a [Gate].
//
// Invariants: a repetition is never logged; what does not answer in time is no
// finding; the log, the metric and the answer say the same.
//
// The package knows no component: checks are values. Of ours it imports
// internal/retry and internal/trouble only.
package health
