package ccfs

import (
	"strings"
	"time"
)

// verdict is what a result code means.
type verdict struct {
	code        string
	class       Class
	text        string
	maxAttempts int
	retryAfter  time.Duration
}

const (
	flowPause    = time.Minute
	unknownPause = 15 * time.Minute // three attempts span half an hour
)

// codes are the result codes of the file store (cec_07_0835, which ends at 0300013), one
// seen by a user (0300028), and those of the sibling interfaces that share its envelope.
var codes = []verdict{
	{code: "0300001", class: Permanent, text: "parameter is null"},
	{code: "0300002", class: Permanent, text: "parameter is an empty string"},
	{code: "0300003", class: Permanent, text: "parameter too long"},
	{code: "0300004", class: Permanent, text: "parameter has a bad format"},
	{code: "0300005", class: Permanent, text: "parameter too short"},
	{code: "0300006", class: Permanent, text: "wrong protocol version"},
	{code: "0300007", class: Permanent, text: "parameters of the request body are null"},
	{code: "0300008", class: FlowControl, text: "flow control, download", retryAfter: flowPause},
	{code: "0300009", class: FlowControl, text: "flow control, query", retryAfter: flowPause},
	{code: "0300010", class: Permanent, text: "date in the file name is wrong"},
	{code: "0300011", class: NotThere, text: "file does not exist"},
	{code: "0300012", class: NotThere, text: "no data found"},
	{code: "0300013", class: Permanent, text: "begin time later than end time"},
	{code: "0300028", class: Permanent, text: "parameter error"},
	{code: "010106", class: Permanent, text: "token is empty"},
	{code: "0100001", class: Again, text: "failure", maxAttempts: 3, retryAfter: unknownPause},
	{code: "0100002", class: Permanent, text: "bad parameter"},
	{code: "0100003", class: Permanent, text: "unsupported platform version"},
	{code: "0100999", class: Again, text: "unknown failure", maxAttempts: 3, retryAfter: unknownPause},
	{code: "0101003", class: Permanent, text: "no permission"},
}

// succeeded accepts "0" and the success code of the sibling interfaces.
func succeeded(code string) bool {
	key := significant(code)
	return code != "" && (key == "" || key == "100000")
}

// judge looks a failure code up. Codes are compared without leading zeros, which a code
// sent as a JSON number cannot have. Unknown codes get three attempts over half an hour,
// unknown codes of the file store itself (03000xx, likely parameter errors) two.
func judge(code string) verdict {
	key := significant(code)
	for _, v := range codes {
		if significant(v.code) == key {
			return v
		}
	}
	unknown := verdict{code: code, class: Again, text: "undocumented result code", maxAttempts: 3, retryAfter: unknownPause}
	if strings.HasPrefix(key, "3000") && len(key) == 6 {
		unknown.maxAttempts = 2
	}
	return unknown
}

func significant(code string) string { return strings.TrimLeft(code, "0") }
