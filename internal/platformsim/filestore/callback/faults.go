package callback

import (
	"time"

	"aiccbridge/internal/platformsim/fault"
)

// The faults of callbacks.
const (
	beforeAnswer = "callback.before_answer"
	late         = "callback.late"
	drop         = "callback.drop"
	twice        = "callback.twice"
	atOnce       = "callback.at_once"

	wrongSignature        = "callback.wrong_signature"
	oldTimestamp          = "callback.old_timestamp"
	hostSignedWithPort    = "callback.host_signed_with_port"
	hostSignedWithoutPort = "callback.host_signed_without_port"
	chunked               = "callback.chunked"
	otherField            = "callback.other_field"
	dashedResponseID      = "callback.dashed_response_id"
	pathDropped           = "callback.path_dropped"
	noAccount             = "callback.no_account"
)

// Of the faults some are decided once for each file, the others at every try;
// several may hit the same try.
var (
	perFile = []string{beforeAnswer, late, drop, twice, atOnce}
	perTry  = []string{
		wrongSignature, oldTimestamp, hostSignedWithPort, hostSignedWithoutPort, chunked, otherField,
		dashedResponseID, pathDropped, noAccount,
	}
)

// FaultKinds lists the faults of callbacks. scope is that of the store; the path
// is that of the callback's URL.
func FaultKinds(scope fault.Scope) []fault.Kind {
	scope.Path = true
	return []fault.Kind{
		{Name: beforeAnswer, What: "the file is made and the callback sent before the create request is answered", Scope: scope},
		{Name: late, What: "the first try comes late", Takes: fault.Rule{Delay: fault.Duration(20 * time.Minute)}, Scope: scope},
		{Name: drop, What: "nobody is told of the file", Scope: scope},
		{Name: twice, What: "once more after it was acknowledged", Scope: scope},
		{Name: atOnce, What: "several copies of the first try at once", Takes: fault.Rule{Count: 10}, Scope: scope},
		{Name: wrongSignature, What: "signed with a wrong key", Scope: scope},
		{Name: oldTimestamp, What: "signed with a time that has passed", Takes: fault.Rule{Delay: fault.Duration(time.Hour)}, Scope: scope},
		{Name: hostSignedWithPort, What: "the signature is over a Host with port 80 or 443, which is not sent", Scope: scope},
		{Name: hostSignedWithoutPort, What: "the signature is over a Host without the port that is sent", Scope: scope},
		{Name: chunked, What: "body sent in chunks, its length signed", Scope: scope},
		{Name: otherField, What: "the field with the file name has another of the documented names", Takes: fault.Rule{Field: "fileName"}, Scope: scope},
		{Name: dashedResponseID, What: "the responseId with dashes, as a UUID", Scope: scope},
		{Name: noAccount, What: "without accountId, though the query had one", Scope: scope},
		{Name: pathDropped, What: "POST / instead of the URL's path", Scope: scope},
	}
}
