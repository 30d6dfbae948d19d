package truthcheck

import (
	"encoding/json"
	"errors"
)

// errNoObject says that a text is no JSON object.
var errNoObject = errors.New("not a JSON object")

// members calls f for every member of a JSON object: hundreds of thousands of
// rows are too many for maps. The slices belong to body.
func members(body []byte, f func(name string, value json.RawMessage)) error {
	if !json.Valid(body) {
		return errNoObject
	}
	return validMembers(body, f)
}

// validMembers is members for a text that is JSON for certain.
func validMembers(body []byte, f func(name string, value json.RawMessage)) error {
	i := skipBlanks(body, 0)
	if body[i] != '{' {
		return errNoObject
	}
	for i = skipBlanks(body, i+1); body[i] != '}'; i = skipBlanks(body, i) {
		if body[i] == ',' {
			i = skipBlanks(body, i+1)
		}
		end := valueEnd(body, i)
		name := text(body[i:end])
		i = skipBlanks(body, skipBlanks(body, end)+1) // the colon
		end = valueEnd(body, i)
		f(name, body[i:end])
		i = end
	}
	return nil
}

func skipBlanks(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n' {
		i++
	}
	return i
}

// valueEnd returns the end of the value that begins at i of valid JSON.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func nestedEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
}

// text is the text of a JSON string or number, "" for anything else.
func text(value json.RawMessage) string {
	switch c := value[0]; {
	case c == '"':
		inner := value[1 : len(value)-1]
		for _, b := range inner {
			if b == '\\' {
				var s string
				_ = json.Unmarshal(value, &s) // it is a string
				return s
			}
		}
		return string(inner)
	case c == '-' || c >= '0' && c <= '9':
		return string(value)
	}
	return ""
}
