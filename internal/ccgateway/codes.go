package ccgateway

import "regexp"

// Class says what a return code asks of the caller.
type Class int

const (
	// ClassOK is retcode "0", and the class of a poll that went well.
	ClassOK Class = iota
	// ClassAgain: temporary; the same call may be made again after a pause,
	// a bounded number of times.
	ClassAgain
	// ClassGone: the agent's session is over; the agent must sign in again.
	ClassGone
	// ClassAuth: credentials or GUID refused. Never repeat a sign-in by
	// itself on this: repeated wrong passwords lock the account.
	ClassAuth
	// ClassCaller: the call itself was wrong or untimely; repeating it is no use.
	ClassCaller
	// ClassConfig: the gateway, or the way it is used, is configured wrongly.
	ClassConfig
)

// String names the class in lower case, for logs and metric labels.
func (c Class) String() string {
	names := [...]string{"ok", "again", "gone", "auth", "caller", "config"}
	if c < 0 || int(c) >= len(names) {
		return "invalid"
	}
	return names[c]
}

// CodeOK is the return code of success.
const CodeOK = "0"

// codeRow describes the codes from first to last, both inclusive; last is empty
// for a single code. Codes have fixed width, so they compare as text.
type codeRow struct {
	first, last string
	class       Class
	text        string
}

// codeTable lists every return code known (cec_07_1430; the families from 200 on
// were observed in client code). The first row that fits wins, so single codes
// stand above the range they are cut out of.
var codeTable = []codeRow{
	{"0", "", ClassOK, "success"},

	{"000-000", "", ClassAgain, "unknown error"},
	{"000-001", "", ClassConfig, "wrong way of getting events"},
	{"000-002", "", ClassCaller, "URL or parameter wrong"},
	{"000-003", "", ClassAuth, "no permission, or authentication expired"},
	{"000-004", "", ClassAgain, "agent is being switched over to the other site"},
	{"000-005", "", ClassCaller, "supervision target is the agent itself"},
	{"000-006", "", ClassCaller, "message parameter wrong"},
	{"000-007", "", ClassAgain, "same call repeated too early"},

	{"100-001", "", ClassCaller, "sign-in parameter empty or invalid"},
	{"100-002", "", ClassCaller, "agent already signed in"},
	{"100-003", "", ClassAgain, "CTI resource or provider not available"},
	{"100-004", "", ClassAuth, "wrong user or password"},
	{"100-005", "", ClassCaller, "sign-out parameter wrong"},
	{"100-006", "", ClassGone, "agent not signed in"},
	{"100-007", "", ClassAgain, "exception while executing"},
	{"100-008", "", ClassGone, "agent already signed out"},
	{"100-009", "", ClassCaller, "wrong state or no right for the operation"},
	{"100-010", "", ClassAgain, "state does not allow sign-out"},
	{"100-011", "", ClassCaller, "sign-in parameter invalid"},
	{"100-012", "", ClassCaller, "agent type wrong"},
	{"100-013", "", ClassCaller, "phone number invalid"},
	{"100-014", "", ClassCaller, "phone number outside the allowed range"},
	{"100-015", "", ClassCaller, "signed in elsewhere and not displaceable"},
	{"100-016", "", ClassCaller, "IP address invalid"},
	{"100-017", "", ClassAuth, "portal authentication failed"},
	{"100-018", "", ClassCaller, "VDN mismatch"},
	{"100-019", "", ClassCaller, "skill query parameter wrong"},
	{"100-020", "", ClassAuth, "password expired"},
	{"100-021", "", ClassAgain, "sign-in still in progress"},

	{"101-001", "101-007", ClassCaller, "conference operation refused"},
	{"104-001", "104-010", ClassCaller, "recording download refused"},
	{"104-012", "", ClassCaller, "recording download refused"},

	{"105-001", "", ClassGone, "agent not in the disaster-recovery cache"},
	{"105-002", "", ClassAgain, "disaster recovery of the session is running"},
	{"105-003", "", ClassAgain, "disaster recovery of the session has finished"},
	{"105-004", "", ClassGone, "disaster recovery of the session could not be queued"},
	{"105-005", "", ClassGone, "wait for disaster recovery timed out"},
	{"105-006", "", ClassGone, "GUID differs during disaster recovery"},
	{"105-007", "", ClassGone, "disaster recovery is switched off"},

	{"106-001", "", ClassCaller, "multimedia is switched off"},
	{"106-002", "", ClassCaller, "empty message"},
	{"106-003", "", ClassCaller, "more than 60 sessions"},
	{"106-004", "", ClassCaller, "wrong device type"},
	{"106-005", "106-999", ClassCaller, "multimedia operation refused"},
	{"107-000", "107-999", ClassCaller, "configuration interface refused"},

	{"110-016", "", ClassAuth, "account locked"},
	{"110-021", "", ClassAuth, "account locked after failed sign-ins"},
	// 110-002 to 110-022 were observed. The rest of the family is taken for the
	// same: a sign-in repeated on one of them could lock the account.
	{"110-000", "110-999", ClassAuth, "password or account refused"},

	{"200-017", "", ClassCaller, "call could not be released"},
	{"200-018", "", ClassCaller, "consultation refused"},
	{"200-001", "200-016", ClassCaller, "voice call operation refused"},
	{"300-001", "300-004", ClassCaller, "agent group query refused"},
	{"400-001", "400-003", ClassCaller, "call data operation refused"},
	{"500-001", "500-009", ClassCaller, "recording or playback control refused"},
	{"600-001", "600-005", ClassCaller, "queue or device query refused"},
	{"700-014", "", ClassCaller, "text chat operation refused"},
	{"700-016", "700-017", ClassCaller, "text chat operation refused"},
	{"700-023", "700-024", ClassCaller, "text chat operation refused"},
	{"700-100", "", ClassCaller, "text chat operation refused"},
	{"800-001", "", ClassCaller, "video operation refused"},
	{"900-001", "900-005", ClassCaller, "supervision refused"},
	{"999-001", "", ClassConfig, "gateway configuration wrong"},
}

// maxUnlisted is how many polls in a row may be answered with an unlisted 1xx
// code before the session is taken for lost: those codes belong to the session
// family, and an agent that never comes back must be signed in again.
const maxUnlisted = 3

var codeForm = regexp.MustCompile(`^[0-9]{3}-[0-9]{3}$`)

// Classify returns the class of a return code. An unlisted code of the session
// family (1xx-yyy) is ClassAgain, see [OutcomeSessionEnded] for what happens when
// it persists; any other unlisted code is ClassCaller.
func Classify(code string) Class {
	if row, ok := findCode(code); ok {
		return row.class
	}
	if unlistedSession(code) {
		return ClassAgain
	}
	return ClassCaller
}

// CodeText returns the meaning of a return code in a few words, "" if unlisted.
func CodeText(code string) string {
	row, _ := findCode(code)
	return row.text
}

func findCode(code string) (codeRow, bool) {
	form := codeForm.MatchString(code)
	for _, row := range codeTable {
		if code == row.first || form && row.last != "" && row.first <= code && code <= row.last {
			return row, true
		}
	}
	return codeRow{}, false
}

// unlistedSession reports a code of the session family that is in no row.
func unlistedSession(code string) bool {
	_, listed := findCode(code)
	return !listed && codeForm.MatchString(code) && code[0] == '1'
}

// endsSession reports whether polling must stop on the code: the three that
// cec_07_1274 names, and every code that says that the session is no more.
func endsSession(code string) bool {
	return code == "000-001" || code == "000-003" || Classify(code) == ClassGone
}
