package scalar

import (
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Expand replaces ${NAME} and ${NAME:-default} in a scalar; $${ stands for a
// plain ${. The default also takes the place of an empty variable, as in a
// shell. Because it works on parsed scalars, the contents of a variable can
// never change the structure of the file.
func Expand(text string, lookup func(string) (string, bool)) (string, *Fault) {
	var out strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		if i > 0 && text[i-1] == '$' {
			out.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		out.WriteString(text[:i])
		inner, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed {
			return "", Faultf("close it with }, or write $${ for a plain ${", "${ is not closed")
		}
		value, f := variable(inner, lookup)
		if f != nil {
			return "", f
		}
		out.WriteString(value)
		text = rest
	}
}

func variable(inner string, lookup func(string) (string, bool)) (string, *Fault) {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variableName.MatchString(name) {
		return "", Faultf("write ${NAME} or ${NAME:-default}, or $${ for a plain ${", "${%s} does not name an environment variable", inner)
	}
	if strings.Contains(fallback, "${") {
		return "", Faultf("write the default out", "${%s:-…} has another variable as its default", name)
	}
	value, set := lookup(name)
	switch {
	case value != "":
		return value, nil
	case hasFallback:
		return fallback, nil
	case set:
		return "", nil
	}
	return "", Faultf("set "+name+", or write ${"+name+":-default}", "the environment variable %s is not set", name)
}
