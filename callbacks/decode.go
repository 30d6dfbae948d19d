package callbacks

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"aiccbridge/internal/foreign"
	"aiccbridge/schemas"
)

// nameFields are the documented spellings of the field with the file name, in
// the order they are looked for. The pages contradict each other: table, sample
// and prose of one operation name it differently.
var nameFields = []string{
	"billFileName", "agentOprInfoFileName", "agentSkillInfoFileName", "agentOprSkillFileName", "fileName", "billName",
}

var (
	errNoFile   = errors.New("no field names a file")
	errTwoFiles = errors.New("it names two files")
)

// decode reads a callback's body. It accepts every documented spelling: msgBody
// or its fields at the top level, any name field (else any string that looks
// like a file name), a response id with or without dashes or none at all; names in
// any case, and a body in any encoding that an answer to a poll may have.
//
// The error is a [*schemas.Permanent].
func decode(body []byte, contentType string) (schemas.FileNotice, error) {
	n, err := parse(body, contentType)
	if err != nil {
		return schemas.FileNotice{}, undecodable(err)
	}
	return n, nil
}

func undecodable(err error) error {
	return &schemas.Permanent{Reason: schemas.ReasonUndecodable, Err: err}
}

func parse(body []byte, contentType string) (n schemas.FileNotice, err error) {
	body = foreign.Clean(body, contentType)
	if tooDeep(body) {
		return n, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	outer, err := object(body)
	if err != nil {
		return n, err
	}
	fields := outer
	if raw, _ := outer.One("msgBody"); raw != nil {
		if fields, err = object(raw); err != nil {
			return n, fmt.Errorf("msgBody: %w", err)
		}
	}
	if n.FileName, err = fileName(fields); err != nil {
		return n, err
	}
	if besides, err := fileName(outer); err == nil && besides != n.FileName || errors.Is(err, errTwoFiles) {
		return n, errTwoFiles
	}
	id := fields.Maybe("responseId").String()
	if id == "" {
		id = strings.TrimSuffix(n.FileName[len("yyyymmdd_"):], ".zip")
	}
	if n.ResponseID, err = schemas.NormaliseResponseID(id); err != nil {
		return n, err
	}
	if named, err := schemas.NormaliseResponseID(n.FileName[len("yyyymmdd_") : len(n.FileName)-len(".zip")]); err != nil || named != n.ResponseID {
		return n, errors.New("the file name holds another response id")
	}
	n.AccountID = fields.Maybe("accountId").String()
	return n, nil
}

// maxDepth is how deep a body may be nested; the documented ones have two levels.
const maxDepth = 16

// tooDeep counts brackets outside strings; whether they match is not its business.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if quoted && c == '\\' {
			i++
			continue
		}
		if c == '"' {
			quoted = !quoted
		}
		if quoted {
			continue
		}
		if c == '{' || c == '[' {
			depth++
		}
		if c == '}' || c == ']' {
			depth--
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}

// fileName finds the name of the file. There must be one: which of two was meant
// cannot be known, and the other one would never be fetched because of this callback.
func fileName(fields foreign.Object) (name string, err error) {
	for _, field := range nameFields {
		said := fields.Maybe(field).String()
		if said == "" {
			continue
		}
		checked, err := checkName(said)
		if name == "" && err != nil {
			return "", err
		}
		if name != "" && err == nil && checked != name {
			return "", errTwoFiles
		}
		name = cmp.Or(name, checked)
	}
	if name != "" {
		return name, nil
	}
	for _, raw := range fields.Values() {
		said := foreign.Of(raw).String()
		if schemas.ValidateFileName(said) != nil {
			continue
		}
		if name != "" && name != said {
			return "", errTwoFiles
		}
		name = said
	}
	if name == "" {
		return "", errNoFile
	}
	return name, nil
}

// checkName strips a directory part and refuses what is not a plain ZIP name.
// A name that climbs ("..") or uses backslashes is refused, not mended.
func checkName(name string) (string, error) {
	if strings.Contains(name, "..") || strings.Contains(name, `\`) {
		return "", errors.New("file name with a path that climbs")
	}
	name = path.Base(name)
	return name, schemas.ValidateFileName(name)
}

// object reads one JSON object and refuses a name that occurs twice, in whatever case:
// which of the two the sender meant cannot be known.
func object(b []byte) (foreign.Object, error) {
	fields, err := foreign.ParseObject(b)
	if err == nil && fields.Repeated() {
		err = errors.New("a key occurs twice")
	}
	return fields, err
}
