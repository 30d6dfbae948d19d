package filestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Result codes of page cec_07_0835. codeSpan stands for the undocumented code
// of a window longer than three days.
const (
	codeOK        = "0"
	codeNull      = "0300001"
	codeEmpty     = "0300002"
	codeLong      = "0300003"
	codeFormat    = "0300004"
	codeShort     = "0300005" // only as a fault: no field has a least length above 1
	codeVersion   = "0300006"
	codeBodyNull  = "0300007"
	codeDownloads = "0300008"
	codeCreations = "0300009"
	codeFileDate  = "0300010"
	codeNoFile    = "0300011"
	codeNoData    = "0300012"
	codeBackwards = "0300013"
	codeSpan      = codeFormat
	codeCallID    = "0300028" // seen by a user, for a call id like 1714525260-1001
	codeToken     = "010106"
)

// refusal is an answer with HTTP 200 and a code other than 0.
type refusal struct{ code, text string }

var (
	refuseBody      = &refusal{codeBodyNull, "The parameters of the request body are null."}
	refuseVersion   = &refusal{codeVersion, "The protocol version is incorrect."}
	refuseDownloads = &refusal{codeDownloads, "The download flow control is triggered."}
	refuseCreations = &refusal{codeCreations, "The query flow control is triggered."}
	refuseFileDate  = &refusal{codeFileDate, "The date in the file name is incorrect."}
	refuseNoFile    = &refusal{codeNoFile, "The file does not exist."}
	refuseNoData    = &refusal{codeNoData, "No data is found."}
	refuseBackwards = &refusal{codeBackwards, "The begin time is later than the end time."}
	refuseCallID    = &refusal{codeCallID, "The parameter is incorrect."}
	refuseNoToken   = &refusal{codeToken, "Parameter token is empty."}
	refuseToken     = &refusal{codeToken, "Parameter token is invalid or has expired."} // the code is ours
	refuseSpan      = &refusal{codeSpan, "The interval between beginTime and endTime exceeds three days."}
)

func refuseField(code, name string) *refusal {
	what := map[string]string{
		codeNull:   "is null.",
		codeEmpty:  "is empty.",
		codeLong:   "is too long.",
		codeFormat: "has an incorrect format.",
	}[code]
	return &refusal{code, fmt.Sprintf("Parameter %s %s", name, what)}
}

const (
	jsonType  = "application/json;charset=UTF-8"
	octetType = "Application/Octet-stream;charset=UTF-8" // the page's own spelling
	version   = "2.0"
)

// result is the JSON answer; the order of its fields is that of the samples.
type result struct {
	ResultData any             `json:"resultData,omitzero"` // nil: absent
	ResultCode string          `json:"resultCode"`
	ResultDesc string          `json:"resultDesc"`
	Response   *legacyResponse `json:"response,omitempty"`
}

type legacyResponse struct {
	Version    string `json:"version"`
	ResultCode string `json:"resultCode"`
	ResultMsg  string `json:"resultMsg"`
}

type created struct {
	ResponseID string `json:"responseId"`
}

func (s *Store) writeResult(w http.ResponseWriter, contentType string, r result) {
	if s.o.LegacyResponse {
		r.Response = &legacyResponse{Version: version, ResultCode: r.ResultCode, ResultMsg: r.ResultDesc}
	}
	s.writeJSON(w, http.StatusOK, contentType, r)
}

// null is printed as such.
var null = json.RawMessage("null")

// refuse answers with resultData in the form of Options.FailureData.
func (s *Store) refuse(w http.ResponseWriter, contentType string, r *refusal) {
	data := map[FailureData]any{EmptyFailureData: "", NullFailureData: null}[s.o.FailureData]
	s.writeResult(w, contentType, result{ResultData: data, ResultCode: r.code, ResultDesc: r.text})
}

// problem is the body of every other status (page cec_07_0836).
type problem struct {
	Timestamp int64  `json:"timestamp"` // epoch, ms
	Status    int    `json:"status"`
	Error     string `json:"error"`
	Message   string `json:"message"`
	Path      string `json:"path"`
}

func (s *Store) problem(w http.ResponseWriter, r *http.Request, status int) {
	s.writeJSON(w, status, jsonType, problem{
		Timestamp: s.o.Now().UnixMilli(),
		Status:    status,
		Error:     http.StatusText(status),
		Message:   "No message available",
		Path:      r.URL.Path,
	})
}

func (s *Store) writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	data, err := json.Marshal(body)
	if err != nil { // no value of these types fails to marshal
		s.o.Logger.Error().Err(err).Msg("answer not encoded")
		status, data = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	if _, err := w.Write(data); err != nil {
		s.o.Logger.Debug().Err(err).Msg("answer not delivered")
	}
}

// text is a parameter as received: a string, or a number taken by its digits.
type text struct {
	given bool // false for null and absent
	wrong bool // true for an object, a list, a boolean
	value string
}

// UnmarshalJSON accepts everything; the validation says what is wrong.
func (t *text) UnmarshalJSON(data []byte) error {
	*t = text{given: true}
	switch data[0] {
	case 'n':
		t.given = false
	case '"':
		return json.Unmarshal(data, &t.value)
	case '{', '[', 't', 'f':
		t.wrong = true
	default:
		t.value = string(data)
	}
	return nil
}

// message is a request's msgBody by parameter name. Names are matched exactly,
// as the platform's Java does; encoding/json into a struct would not.
type message map[string]text

// decode reads the envelope {"request":{"version":"2.0"},"msgBody":{…}}. An
// error means the body is not that at all: HTTP 400.
func decode(body []byte) (message, *refusal, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, refuseBody, nil
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, nil, fmt.Errorf("decode request: %w", err)
	}
	var request, msg message
	if err := decodePart(parts["request"], &request); err != nil {
		return nil, nil, fmt.Errorf("decode request: %w", err)
	}
	if err := decodePart(parts["msgBody"], &msg); err != nil {
		return nil, nil, fmt.Errorf("decode msgBody: %w", err)
	}
	if request == nil || msg == nil {
		return nil, refuseBody, nil
	}
	if v := request["version"]; v.value != version {
		return nil, refuseVersion, nil
	}
	return msg, nil, nil
}

// decodeFlat reads a body that is the parameters themselves.
func decodeFlat(body []byte) (message, *refusal, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, refuseBody, nil
	}
	var msg message
	if err := json.Unmarshal(body, &msg); err != nil {
		return nil, nil, fmt.Errorf("decode request: %w", err)
	}
	if msg == nil {
		return nil, refuseBody, nil
	}
	if v := msg["version"]; v.given && v.value != version {
		return nil, refuseVersion, nil
	}
	return msg, nil, nil
}

func decodePart(raw json.RawMessage, into *message) error {
	if len(raw) == 0 { // absent
		return nil
	}
	return json.Unmarshal(raw, into)
}

// layout of beginTime and endTime.
const layout = time.DateTime
