// Package calls makes call records of rows: one document for each call, out of its legs,
// recordings and operations, published again when what complete windows say of it changes.
//
//	tick ─► which homes are not what the ledger's windows say? ─► of each, the oldest first:
//	        read its rows and those of every window that its calls touch ─► put calls together
//	     ─► publish those that differ, in batches ─► homes elsewhere that the new rows touch
//	     ─► the marker, with what it was all made from
//
//	      ─► what has been said of recordings since? ─► put it into the newest revisions of their
//	        calls, and publish those again ─► the marker, with up to where it was heard
//
// A call's home is the window of call detail records in which its first leg was published,
// for good. Its marker, the last message of a home's subject, names the complete windows that
// were read, and their completion; a home is due when the ledger has another.
//
// Invariants:
//
//   - Everything is derived: rows, ledger and stream say what is missing, so that a crash at
//     any point, or a second bridge, repeats work and no message.
//   - A batch goes out behind the last message of all calls of the tenant. What is known of
//     them is therefore what is in the stream; whoever is refused reads it anew.
//   - A revision is published only of a call that says something else than the one before.
//   - A window's marker is written after every call, of whatever home, that its rows touch.
//   - Calls are made of rows, and of what was said of their audio, so that what the privacy
//     policy took from those is in no call.
//   - What was said of a recording is in its call: either it has a home when it is said, and
//     is published again, or whoever makes it looks back to when the row came. The last that
//     was said counts.
//   - A call that the stream does not take is a dead letter, and holds up no other.
//   - A call id that comes again within reach of two homes is of the one nearest in time.
//   - Windows that become complete while there is much to be made do not wait for all of it.
//   - One window's rows are in memory at a time, and of others those of its calls.
//
// Of rows with one natural key the last one stored counts. An operation belongs to the call
// that it names; which call one without a call id was on, nobody knows. The package sees
// schemas and exporter/tenure; stream, rows and ledger come in as interfaces.
package calls
