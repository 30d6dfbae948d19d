package callbacks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

var errNoFile = errors.New("no field names a file")

// decode reads a callback's body. It accepts every documented spelling: msgBody
// or its fields at the top level, any name field (else any string that looks
// like a file name), a response id with or without dashes or none at all.
func decode(body []byte) (n schemas.FileNotice, err error) {
	if tooDeep(body) {
		return n, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	fields, err := object(body)
	if err != nil {
		return n, err
	}
	if raw, ok := fields["msgBody"]; ok && string(raw) != "null" {
		if fields, err = object(raw); err != nil {
			return n, fmt.Errorf("msgBody: %w", err)
		}
	}
	if n.FileName, err = fileName(fields); err != nil {
		return n, err
	}
	id := foreign.Of(fields["responseId"]).String()
	if id == "" {
		id = strings.TrimSuffix(n.FileName[len("yyyymmdd_"):], ".zip")
	}
	if n.ResponseID, err = schemas.NormaliseResponseID(id); err != nil {
		return n, err
	}
	if named, err := schemas.NormaliseResponseID(n.FileName[len("yyyymmdd_") : len(n.FileName)-len(".zip")]); err != nil || named != n.ResponseID {
		return n, errors.New("the file name holds another response id")
	}
	n.AccountID = foreign.Of(fields["accountId"]).String()
	return n, nil
}

// maxDepth is how deep a body may be nested; the documented ones have two levels.
const maxDepth = 16

// tooDeep counts brackets outside strings; whether they match is not its business.
func tooDeep(body []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

func fileName(fields map[string]json.RawMessage) (string, error) {
	for _, field := range nameFields {
		if name := foreign.Of(fields[field]).String(); name != "" {
			return checkName(name)
		}
	}
	for _, raw := range fields {
		if name := foreign.Of(raw).String(); schemas.ValidateFileName(name) == nil {
			return name, nil
		}
	}
	return "", errNoFile
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

// object reads one JSON object and refuses a key that occurs twice: which of the
// two the sender meant cannot be known.
func object(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		key, _ := t.(string) // keys of an object are strings
		if _, twice := fields[key]; twice {
			return nil, errors.New("a key occurs twice")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("read value: %w", err)
		}
		fields[key] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the object does not end")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return fields, nil
}
