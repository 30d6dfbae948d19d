// Package sabotage names the places where a bridge can be killed and the
// promises it can be made to break, so that the tests can show what a crash costs
// and that a broken promise is noticed.
//
// In a program built without the tag "faults" both functions are empty and cost
// nothing. With it, two environment variables count:
//
//	KILL_AT=poll.stored:3        kills the process, as kill -9 does, when it
//	                             passes the point poll.stored for the third time
//	BREAK=ack_first,no_fence     makes Broken true for these names
//
// A point's name is <part>.<what has just happened>. All names are in [Points]
// and [Mutants]; an unknown one in the environment ends the process at once, so
// that a mistyped name can't pass as a survived kill.
package sabotage

// Points are the names that [Point] is called with, in the order of the data's way.
var Points = []string{
	"poll.before_send", "poll.sent", "poll.answered", "poll.stored", "poll.acked", "lease.renewing",
	"spool.fetched", "spool.hub_stored", "spool.hub_acked", "spool.trimmed",
	"callback.verified", "callback.stored", "callback.answered",
	"request.before_ledger", "request.ledger_written", "request.sent", "request.id_stored",
	"download.half", "download.whole", "download.renamed",
	"rows.staged", "rows.committed", "rows.between_batches", "rows.marker_written",
}

// Mutants are the names that [Broken] is asked for.
var Mutants = []string{
	"ack_before_store",      // the next poll goes out before the last one's events are stored
	"replayable_get",        // net/http may send a poll again by itself
	"rows_before_check",     // rows go out before the whole file was found sound
	"five_minute_window",    // a callback's signature is refused after 5 minutes, whatever is pending
	"no_expected_sequence",  // batches of rows carry no fence
	"content_hash_id",       // an event's id is the hash of its content
	"answer_before_store",   // a callback is answered before it is stored
	"no_gap",                // a poll of unknown outcome leaves no gap record
	"cancel_poll_on_stop",   // the end of intake cancels the poll in flight
	"trust_duplicate_ack",   // an acknowledgement that says "duplicate" counts, without a look
	"forward_without_look",  // the forwarder goes on after an outage without asking what the hub has
	"sync_later",            // the embedded server syncs every two minutes
	"forget_rows_there",     // rows that are in the stream already are not read back
	"planner_overlap",       // a hole between windows is filled with whole windows
	"ack_file_first",        // a file is acknowledged before its rows are stored
	"ledger_before_message", // a window is marked ready before its message is stored
}
