// Package sabotage names the places where a bridge can be killed, so that the
// tests can show what a crash costs.
//
// In a program built without the tag "faults" its one function is empty and costs
// nothing. With it, an environment variable counts:
//
//	KILL_AT=poll.stored:3        kills the process, as kill -9 does, when it
//	                             passes the point poll.stored for the third time
//
//	STOP_AT=rows.staged:2        stops it, as kill -STOP does, after a line on
//	                             stderr (see [Stopped]); SIGCONT lets it go on
//
// A point's name is <part>.<what has just happened>. All names are in [Points]; an
// unknown one in the environment ends the process at once, so that a mistyped name
// can't pass as a survived kill.
//
// Nothing here breaks a promise: that is done to a copy of the source, see package
// internal/proof. It imports nothing of this module.
package sabotage

// Stopped is the message of a process that kills or stops itself.
func Stopped(point string) string { return "sabotaged at " + point }

// Points are the names that [Point] is called with, in the order of the data's way.
var Points = []string{
	"poll.before_send", "poll.sent", "poll.answered", "poll.stored", "poll.acked", "push.stored", "lease.renewing",
	"spool.fetched", "spool.hub_stored", "spool.hub_acked", "spool.trimmed",
	"callback.verified", "callback.stored", "callback.answered",
	"request.before_ledger", "request.ledger_written", "request.sent", "request.id_stored",
	"download.half", "download.whole", "download.renamed",
	"audio.half", "audio.fetched", "audio.kept", "audio.said",
	"rows.staged", "rows.committed", "rows.between_batches", "rows.marker_written",
	"calls.staged", "calls.committed", "calls.between_batches",
	"parquet.row", "parquet.written", "parquet.renamed",
}
