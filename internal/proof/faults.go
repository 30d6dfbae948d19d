package main

// fault is one row of the test plan.
type fault struct {
	number           int
	title, invariant string
}

// faults are those that this run must show to be survived, by number. The numbers of those
// that no run shows yet are left out; see [notTested].
var faults = []fault{
	{1, "`kill -9` at 31 points", "nothing stored is lost, rows once, what was popped and not stored is in a gap"},
	{2, "NATS restarted under load", "nothing lost or repeated, order per agent kept"},
	{3, "acknowledgements swallowed, connections cut", "no duplicate"},
	{4, "NATS away for longer than its dedupe window", "polling goes on, all arrives in order, once"},
	{5, "NATS slower than the timeout", "a late acknowledgement and a retry are one message"},
	{6, "disk full, store limit reached", "said at once, polling goes on, recovers by itself"},
	{7, "streams deleted, purged, weakened while running", "an alarm each; no stream with other settings appears"},
	{8, "connection closed after the poll was sent", "no silent re-send; a gap record"},
	{9, "the same callback many times at once", "one effect, every answer a success"},
	{10, "callback before its query's answer, or after a restart", "matched, one download"},
	{11, "callback never comes", "the file is fetched all the same, the window completes"},
	{12, "wrong, old, replayed, smuggled signatures", "refused or accepted exactly as documented, no side effect"},
	{13, "slow, many and huge callers", "limits hold, a good callback is served meanwhile"},
	{14, "damaged and hostile ZIP files", "quarantined with the right reason, no row"},
	{15, "odd and damaged CSV files", "rows in = rows out + rejected"},
	{16, "downloads cut, hanging, of wrong length", "repeated, nothing published in part"},
	{17, "the platform's errors", "classified, spaced, no hot loop"},
	{18, "no connection: DNS, refused, TLS", "no gap record, a clear message"},
	{19, "clocks: jumps, nights of clock changes, leap day", "windows tile the year"},
	{20, "sign-out, lost and expired sessions", "the agent signs in again, a gap record"},
	{21, "disaster recovery switchover", "resumes; repeats are delivered and not merged"},
	{22, "two bridges, one paused", "at most one poll overlaps, old writes carry the old epoch"},
	{23, "two workers on one file", "rows once, the loser is fenced"},
	{24, "poison task", "a dead letter, and the queue moves on"},
	{25, "thousands of agents reconnect at once", "rate limit and memory bound kept, nobody signed out"},
	{26, "SIGTERM under load, twice, during the start", "what is in flight is finished, no gap"},
	{27, "a window extracted again with late and changed rows", "only the new rows; a changed one is a revision"},
	{28, "purge, then backfill within the dedupe window", "rows are really stored"},
	{29, "configuration and secrets replaced", "a bad file is refused, its line named; the old one stays"},
	{30, "secrets and phone numbers in any output", "none"},
	{31, "a NATS cluster of three: leaders killed, rolling restart, servers cut off, no quorum for 60 s, a disk lost; bridges killed, paused, cut off", "as with one server; replicas raised to what the cluster gives, never lowered"},
	{33, "flipped bits, blocks cut off or deleted, a hub put back", "an alarm; what is gone is in a gap; no alarm where nothing is"},
	{36, "the data folder copied, or an older one put back", "one of the copies polls, the other says so; all is at the hub once"},
	{37, "the wire falls silent in the midst of a read", "all of the range is handed over, or an error; no message stored twice"},
	{38, "files whose attempts are used up", "their windows are asked for again at once, extraction goes on"},
	{39, "a reader who makes consumers without end, and tries others'", "the bridge's and other readers' are made and go on, an alarm names him"},
	{40, "what an operator would call broken", "an alarm each, with its reason; over when its cause is"},
	{41, "the buckets of leases and sessions lost, ids of events given twice", "epochs above all that events show; other bytes are stored, a true repeat is there once"},
	{42, "two bridges with the same tenant's files", "no more requests than one would send, no statement twice, the other goes on"},
	{43, "a replica that lags", "the leader answers what decides: own writes are known, nothing there counts as absent"},
	{44, "due dates far in the future, after the clock was wrong", "every window is asked for as soon as its rules say"},
	{46, "events that the hub refuses for good", "no hole: a gap record has the number and names the dead letter"},
	{47, "odd answers and callbacks: names twice, cut characters, encodings, packed", "every event, or a dead letter and a gap"},
	{48, "odd files: joined, retitled, recoded, repacked by others", "records in = rows out + rejected, or the file refused; no header line a row, no two rows one"},
	{49, "tenants of one access key", "no callback, row or request of one at another; what the platform allows the key is shared"},
	{50, "a forward proxy that dies, cuts, stalls, refuses", "a tunnel refused costs nothing and names the key, one cut under a poll is a gap; rows once"},
	{51, "`kill -9` amid calls; late legs, recordings, operations, and corrections", "each call's newest revision is what the files say, none is there twice"},
	{52, "files of a new shape and of another zone in the middle of a run", "all rows published; each shape and offset said once, an alarm for the zone until a file agrees"},
	{53, "`kill -9` while audio of recordings is fetched, kept and said", "each is stored, said and kept once; only what was not kept is asked for again"},
	{54, "three bridges with one tenant's agents: killed, stopped, restarted in turn, cut off", "the others go on within a minute, no session ends at a restart, every gap is said"},
	{60, "a thousand sessions handed over by another system, a hundred taken back, GUIDs rotating", "nobody else polls meanwhile, nobody is signed out, nothing lost"},
}

// notTested is what this run says nothing about.
var notTested = []string{
	"A real contact centre: everything runs against the simulator in this repository, which is made from the platform's pages and from what other clients' code shows.",
	"A real disaster-recovery switchover of the platform (F21 plays one).",
	"Power loss, and disks that lie about what they have written (F32): `kill -9` leaves the operating system's cache intact.",
	"Long runs: `make soak` is the tool (F34), no result of one is stated here.",
	"Upgrade and downgrade of a bridge with a filled spool, other versions of NATS (F35).",
}

// guarantee says which faults try a promise of the README.
type guarantee struct {
	name, promise string
	faults        []int
}

var guarantees = []guarantee{
	{"G1", "a stored event is never lost, and there once", []int{1, 2, 3, 4, 5, 6, 22, 31, 33, 36, 37, 41, 54, 60}},
	{"G2", "what a lost answer may have cost is in a gap record", []int{1, 8, 17, 18, 20, 21, 26, 46, 47, 50, 54}},
	{"G3", "events of one agent are in order", []int{1, 2, 3, 4, 22, 31, 54}},
	{"G4", "a callback is answered after it is stored; repeats have no effect; a missing one loses nothing", []int{9, 10, 11, 12, 13, 49}},
	{"G5", "each row of an accepted file is there once", []int{1, 16, 23, 27, 28, 31, 52, 51}},
	{"G6", "a window ends complete or failed with a reason; no hole, no overlap", []int{11, 19, 24, 38, 39, 42, 44}},
	{"G7", "no row of a damaged file", []int{14, 15, 16, 48}},
	{"G8", "acknowledged means on disk", []int{1, 6, 7, 31, 40}},
}

// titleOf is what a fault is about, "" if there is no such number.
func titleOf(n int) string {
	for _, f := range faults {
		if f.number == n {
			return f.title
		}
	}
	return ""
}
