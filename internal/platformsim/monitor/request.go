package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// number is sent bare or quoted.
type number int64

// UnmarshalJSON reads either.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = number(v)
	return err
}

// request is what any of the calls may say; nil is absent.
type request struct {
	operation string
	old       bool

	CC       *number  `json:"ccId"`
	VDN      *number  `json:"vdn"`
	Offset   *number  `json:"offset"`
	Limit    *number  `json:"limit"`
	Agent    *number  `json:"agentId"`
	Agents   []number `json:"agentIds"`
	Begin    *number  `json:"beginDate"`
	End      *number  `json:"endDate"`
	LogDate  *number  `json:"logDate"`
	CallID   string   `json:"callId"`
	Caller   string   `json:"callerNo"`
	Callee   string   `json:"calleeNo"`
	IsCallIn *string  `json:"isCallIn"` // a string, "true" or "false"
}

// read takes a body apart and checks what every call wants.
func (m *Monitor) read(body []byte, older bool) (q request, err error) {
	if older {
		var wrapped struct {
			Query json.RawMessage `json:"queryParam"`
		}
		if json.Unmarshal(body, &wrapped) != nil || wrapped.Query == nil {
			return q, errors.New("queryParam is missing")
		}
		body = wrapped.Query
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return q, errors.New("the parameters cannot be read")
	}
	switch {
	case q.CC == nil || int(*q.CC) != m.o.CC:
		return q, errors.New("ccId is wrong")
	case q.VDN == nil || int(*q.VDN) != m.o.VDN:
		return q, errors.New("vdn is wrong")
	}
	return q, nil
}

// window is the part of a list that is asked for; most is the longest.
func (q request) window(most int, required bool) (offset, limit int, err error) {
	if q.Offset == nil && q.Limit == nil && !required {
		return 0, most, nil
	}
	if q.Offset == nil || q.Limit == nil || *q.Offset < 0 || *q.Limit < 1 || int(*q.Limit) > most {
		return 0, 0, fmt.Errorf("want offset from 0, and limit from 1 to %d", most)
	}
	return int(*q.Offset), int(*q.Limit), nil
}

// cut returns that part of a list.
func cut[T any](all []T, offset, limit int) []T {
	offset = min(offset, len(all))
	return all[offset:min(offset+limit, len(all))]
}
