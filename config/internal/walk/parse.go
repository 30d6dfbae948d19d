package walk

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"aiccbridge/config/internal/finding"
	"aiccbridge/config/internal/quotes"
	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/source"
)

// Parse returns the root node; nil for an empty file.
func (d *Decoder) Parse(data []byte) (ast.Node, bool) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if f, line, column := source.Unreadable(data); f != nil {
		d.ReportAt("", Position{Line: line, Column: column}, f)
		return nil, false
	}
	file, err := source.ParseYAML(data)
	if err != nil {
		f, line, column := source.SyntaxFault(err)
		at := Position{Line: line, Column: column}
		if line, column, ok := quotes.Unclosed(string(data)); ok {
			at, f = Position{Line: line, Column: column}, scalar.Faultf("close the quote on this line, or double a ' inside '...'; the rest of the file was read as part of the value",
				"the quote that opens here is not closed before the end of its value")
		}
		d.ReportAt("", at, f)
		return nil, false
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		d.ReportAt("", PositionOf(file.Docs[1].Body), scalar.Faultf("remove the --- line, or everything from it on", "a second YAML document begins here"))
		return nil, false
	}
	if len(file.Docs) == 0 {
		return nil, true
	}
	return file.Docs[0].Body, true
}

// Sorted puts findings in the order of their positions, those of the configuration's own
// file first.
func (d *Decoder) Sorted(all []finding.Finding) []finding.Finding {
	file := func(f finding.Finding) string { return strings.TrimPrefix(f.File, d.File) } // its own is empty
	slices.SortStableFunc(all, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(file(a), file(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
	return all
}
