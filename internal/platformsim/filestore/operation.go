package filestore

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
)

// base is the path under which all operations lie.
const base = "/CCFS/resource/ccfs/"

// field is one parameter of a msgBody.
type field struct {
	name     string
	max      int // characters; 0: no limit stated
	required bool
	valid    func(string) bool // nil: any text
}

// family is what a create operation and its download have in common: files of
// one are unknown to another.
type family string

const (
	bills      family = "bill"
	operations family = "agentOprInfo"
	skills     family = "agentSkillInfo"
)

// operation is one of the calls.
type operation struct {
	name   string
	fields []field
	serve  func(s *Store, w http.ResponseWriter, r *http.Request, op *operation, msg message)
	flat   bool // the parameters are the body, without an envelope
	large  bool // the body may hold a file
	sound  bool // it is about the sound of a recording
	query  []field

	// Of extracts: family is empty for all others, create true for what asks for a file.
	family family
	create bool
	// fileField names the file in the callback (create) or in the request
	// (download).
	fileField string
}

// dataKinds are the values of dataType.
var dataKinds = map[string][]world.Kind{
	"call":        {world.Call},
	"record":      {world.Record},
	"call_record": {world.Call, world.Record},
}

func validTime(s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil && len(s) == len(layout) // Parse would take a fraction too
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

func validDataType(s string) bool { _, ok := dataKinds[s]; return ok }

var fileName = regexp.MustCompile(`^\d{8}_[0-9A-Za-z.-]+\.zip$`)

// table lists the operations by name. playVoice is not among them: it is asked for with
// GET and without a signature.
func table() map[string]*operation {
	out := map[string]*operation{}
	for _, o := range slices.Concat(extracts(), recordings(), prompts()) {
		out[o.name] = &o
	}
	return out
}

// extracts are the operations about files of rows (pages cec_07_0814, 0815, 0818–0821).
func extracts() []operation {
	window := []field{
		{"beginTime", 0, true, validTime},
		{"endTime", 0, true, validTime},
		{"accountId", 20, false, nil},
		{"agentId", 20, false, nil},
	}
	callback := field{"callBackURL", 0, true, validURL}
	bill := append(slices.Clone(window),
		field{"callId", 25, false, nil},
		field{"callerNo", 25, false, nil},
		field{"calleeNo", 25, false, nil},
		field{"calleeNo2", 25, false, nil},
		field{"dataType", 11, true, validDataType},
		callback)
	agent := append(slices.Clone(window), callback)
	file := func(name string) []field { return []field{{name, 49, true, fileName.MatchString}} }
	query := func(name string, of family, fields []field, fileField string) operation {
		return operation{name: name, family: of, fields: fields, create: true, fileField: fileField, serve: (*Store).create}
	}
	download := func(name string, of family, fileField string) operation {
		return operation{name: name, family: of, fields: file(fileField), fileField: fileField, serve: (*Store).download}
	}
	return []operation{
		query("queryBillData", bills, bill, "billFileName"),
		download("downloadBillFile", bills, "billFileName"),
		query("queryAgentOprInfoData", operations, agent, "agentOprInfoFileName"),
		download("downloadAgentOprInfoFile", operations, "agentOprInfoFileName"),
		// The prose of the skill query names agentOprSkillFileName, its
		// download agentSkillInfoFileName.
		query("queryAgentSkillInfoData", skills, agent, "agentOprSkillFileName"),
		download("downloadAgentSkillInfoFile", skills, "agentSkillInfoFileName"),
	}
}

// check goes through the parameters of the URL, then through those of the body.
func (o *operation) check(url, body message) *refusal {
	return cmp.Or(checkFields(o.query, url), checkFields(o.fields, body))
}

// checkFields goes through the parameters in table order; the first wrong one is
// answered. An optional parameter may be an empty string, as in the samples.
func checkFields(fields []field, m message) *refusal {
	for _, f := range fields {
		t := m[f.name]
		switch {
		case !t.given && f.required:
			return refuseField(codeNull, f.name)
		case !t.given:
		case t.wrong:
			return refuseField(codeFormat, f.name)
		case t.value == "" && f.required:
			return refuseField(codeEmpty, f.name)
		case f.max > 0 && utf8.RuneCountInString(t.value) > f.max:
			return refuseField(codeLong, f.name)
		case t.value != "" && f.valid != nil && !f.valid(t.value):
			return refuseField(codeFormat, f.name)
		}
	}
	return nil
}

// kinds are the record types an operation extracts.
func (o *operation) kinds(m message) []world.Kind {
	switch o.family {
	case bills:
		return dataKinds[m["dataType"].value]
	case operations:
		return []world.Kind{world.Operation}
	}
	return []world.Kind{world.SkillGrant}
}

// occasion is what faults of a request can be restricted by.
func (o *operation) occasion(r *http.Request, kinds []world.Kind) fault.Occasion {
	return fault.Occasion{Operation: o.name, Path: r.URL.Path, Kinds: words(kinds)}
}

// words are the names of kinds in rules about faults.
func words(kinds []world.Kind) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = k.Word()
	}
	return out
}

// maxSpan is the longest window: exactly three days pass, as in the sample.
const maxSpan = 72 * time.Hour

// checkWindow compares the wall clocks, whatever happened to the clock between
// them.
func checkWindow(m message) *refusal {
	begin, err1 := time.Parse(layout, m["beginTime"].value)
	end, err2 := time.Parse(layout, m["endTime"].value)
	switch {
	case err1 != nil || err2 != nil: // check has refused these
		return refuseField(codeFormat, "beginTime")
	case begin.After(end):
		return refuseBackwards
	case end.Sub(begin) > maxSpan:
		return refuseSpan
	}
	return nil
}

// filters are the cells a row must have, by column name.
func (o *operation) filters(m message) map[string]string {
	out := map[string]string{"account_id": m["accountId"].value, "agent_id": m["agentId"].value}
	if o.family == bills {
		out["call_id"] = m["callId"].value
		out["caller_no"] = m["callerNo"].value
		out["callee_no"] = m["calleeNo"].value
		// "If calleeNo2 exists, the value [of calleeNo] is the calling number."
		if m["calleeNo2"].value != "" {
			out["caller_no"], out["callee_no"] = m["calleeNo"].value, m["calleeNo2"].value
		}
	}
	for column, want := range out {
		if want == "" {
			delete(out, column)
		}
	}
	return out
}

// fileNameFor is the name of the ZIP: the tenant's date of the create call.
func fileNameFor(at time.Time, responseID string) string {
	return fmt.Sprintf("%s_%s.zip", at.Format("20060102"), responseID)
}
