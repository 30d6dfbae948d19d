package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/fault"
)

// Base is the path below which all is, but for what has a second version.
const Base = "/rest/cmsapp/v1/openapi/"

// callsPath is where calls are asked for; the first version knows inbound ones only.
const callsPath = "/rest/cmsapp/v2/openapi/" + opCalls

// The operations.
const (
	opPing    = "ping"
	opStates  = "vdn/totalagentstate"
	opPages   = "vdn/totalagentdynamicinfo"
	opSpells  = "vdn/totalagentabstractex3"
	opSome    = "agentgroup/agentstatusinfobyagentids"
	opOne     = "agent/agentbyworkno"
	opOneOld  = "agentgroup/agentbyworkno"
	opSummary = "querymonitor/systemstate"
	opCalls   = "vdn/querycalls"
	opTrace   = "vdn/querycalltracedetail"
)

// Result codes of page cec_07_0696.
const (
	codeOK        = "0100000"
	codeFailed    = "0100001"
	codeParameter = "0100002"
	codeEdition   = "0100003"
)

const maxBodyBytes = 256 << 10 // 6000 ids and more

// Monitor is the simulated monitor of one VDN.
type Monitor struct {
	o     Options
	calls map[string]func(*Monitor, request) answer
}

// answer is what a call comes to: data and perhaps a count, or a code with a text.
type answer struct {
	data       any
	count      int // negative: there is none
	code, text string
}

func found(data any) answer { return answer{data: data, count: -1} }

func refuse(code, text string) answer { return answer{code: code, text: text} }

// table names what serves each operation but ping.
func table() map[string]func(*Monitor, request) answer {
	return map[string]func(*Monitor, request) answer{
		opStates: (*Monitor).states, opPages: (*Monitor).pages, opSpells: (*Monitor).spells, opSome: (*Monitor).some,
		opOne: (*Monitor).one, opOneOld: (*Monitor).one, opSummary: (*Monitor).summary,
		opCalls: (*Monitor).callsOf, opTrace: (*Monitor).trace,
	}
}

func operations() []string {
	return slices.Sorted(maps.Keys(map[string]bool{
		opPing: true, opStates: true, opPages: true, opSpells: true, opSome: true, opOne: true, opOneOld: true, opSummary: true, opCalls: true, opTrace: true,
	}))
}

// New returns a monitor. It does no I/O. The error names a missing option.
func New(o Options) (*Monitor, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Monitor{o: o, calls: table()}, nil
}

// ServeHTTP authenticates, then looks at path and method, then at the body.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, under := strings.CutPrefix(r.URL.Path, Base)
	if r.URL.Path == callsPath {
		operation, under = opCalls, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		m.page(w, http.StatusBadRequest)
		return
	}
	serve := m.calls[operation]
	if serve != nil || operation == opPing {
		m.o.Truth.Request(operation)
	}
	f := m.o.Faults.First(fault.Occasion{Operation: operation, Path: r.URL.Path}, lookStatus, lookSlow, lookCut, lookRefused)
	switch {
	case f != nil && m.stopped(w, r, f):
	case m.o.Admit != nil && !m.o.Admit(w, r, body): // and has answered
	case f != nil && f.Fault == lookRefused:
		m.write(w, refuse(f.Code, "call failed"), false)
	case !under:
		m.page(w, http.StatusNotFound)
	case r.Method != http.MethodPost:
		m.page(w, http.StatusMethodNotAllowed)
	default:
		m.serve(w, operation, serve, body)
	}
}

// stopped lets a fault answer, or wait, before the signature is looked at.
func (m *Monitor) stopped(w http.ResponseWriter, r *http.Request, f *fault.Rule) bool {
	switch f.Fault {
	case lookStatus:
		m.page(w, f.Status)
	case lookSlow:
		select {
		case <-time.After(time.Duration(f.Delay)):
			return false
		case <-r.Context().Done():
		}
	case lookCut:
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

func (m *Monitor) serve(w http.ResponseWriter, operation string, serve func(*Monitor, request) answer, body []byte) {
	switch {
	case operation == opPing:
		m.json(w, map[string]any{"status": "UP", "request": json.RawMessage(orNull(body))})
		return
	case serve == nil:
		m.page(w, http.StatusNotFound)
		return
	}
	older := operation == opOneOld || operation == opSummary
	q, err := m.read(body, older)
	q.operation, q.old = operation, older
	switch {
	case slices.Contains(m.o.Lacks, operation):
		m.write(w, refuse(codeEdition, "The current CTI version is V3R6. Upgrade it to V3R8."), older)
	case err != nil:
		m.write(w, refuse(codeParameter, err.Error()), older)
	default:
		m.write(w, serve(m, q), older)
	}
}

// write answers in one of the two envelopes.
func (m *Monitor) write(w http.ResponseWriter, a answer, older bool) {
	out := map[string]any{"result": "0"}
	switch {
	case older && a.code == "":
		out["resultDatas"] = a.data
	case older:
		out["result"], out["resultDesc"] = "1", a.text
	case a.code == "":
		out["resultCode"], out["resultDesc"] = codeOK, a.data
		if !m.o.NoCopy {
			out["resultDatas"] = a.data
		}
		if a.count >= 0 {
			out["count"] = a.count
		}
	default:
		out["result"], out["resultCode"], out["resultDesc"] = "1", a.code, a.text
	}
	if older && a.code == codeEdition {
		out["resultCode"] = a.code
	}
	m.json(w, out)
}

func (m *Monitor) json(w http.ResponseWriter, body any) {
	data, err := json.Marshal(body)
	if err != nil { // no value of these types fails to marshal
		m.page(w, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Date", m.o.Now().UTC().Format(http.TimeFormat))
	_, _ = w.Write(data) // a client that has gone is told nothing
}

// page answers in HTML, as what stands before a monitor does.
func (m *Monitor) page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html><body>%d %s</body></html>\n", status, http.StatusText(status))
}

func orNull(body []byte) []byte {
	if body = bytes.TrimSpace(body); json.Valid(body) {
		return body
	}
	return []byte("null")
}
