package source

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"aiccbridge/config/internal/scalar"
)

// ParseYAML parses a text. It shields the program from a panic of the YAML parser on odd input.
func ParseYAML(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

// SyntaxFault says what an error of [ParseYAML] is about, and where.
func SyntaxFault(err error) (f *scalar.Fault, line, column int) {
	line, column = 1, 1
	problem := "this is not YAML: " + err.Error()
	var y yaml.Error
	if errors.As(err, &y) {
		problem = "this is not YAML: " + y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	return scalar.Faultf("check indentation, colons, brackets and quotes on this line and its neighbours; quote values holding ': ', ' #', { or [", "%s", problem), line, column
}

// Unreadable finds what the YAML parser would report badly or take too long over; f is nil when there is nothing.
func Unreadable(data []byte) (f *scalar.Fault, line, column int) {
	if len(data) > MaxYAMLBytes {
		return scalar.Faultf("check that this is the right file; agents can be moved to a CSV file named in agents_file", "the file is larger than 4 MiB"), 1, 1
	}
	depth, margin := 0, 0
	for n, text := range strings.Split(string(data), "\n") {
		if i := strings.IndexFunc(text, notText); i >= 0 {
			return scalar.Faultf("save the file as UTF-8 text without control characters", "the line holds something that is not UTF-8 text"),
				n + 1, utf8.RuneCountInString(text[:i]) + 1
		}
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if i := strings.IndexByte(indent, '\t'); i >= 0 && len(strings.TrimSpace(text)) > 0 {
			return scalar.Faultf("indent with spaces; most editors can convert", "the line is indented with a tab, which YAML does not allow"), n + 1, i + 1
		}
		if len(text) > MaxLineBytes {
			return scalar.Faultf("check that this is the right file, or break the line", "the line is longer than %d bytes", MaxLineBytes), n + 1, 1
		}
		if strings.Trim(text, "\r") != "" && !strings.Contains(" -#", text[:1]) {
			margin++
		}
		if margin > MaxMargin {
			return scalar.Faultf("check that this is the right file; so long a list can be written as CSV", "more than %d keys begin at the margin", MaxMargin), n + 1, 1
		}
		if depth += opens(text); depth > MaxDepth {
			return scalar.Faultf("close the brackets that are open", "more than %d brackets are open", MaxDepth), n + 1, 1
		}
	}
	return nil, 0, 0
}

func notText(r rune) bool {
	return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\r' || r == 0x7f
}

// opens is how many more brackets a line opens than it closes. Brackets in
// comments and quotes count too: it is a guard, not a parser.
func opens(line string) int {
	return strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
}
