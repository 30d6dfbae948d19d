package house

import (
	"fmt"
	"go/scanner"
	"go/token"
	"strings"
)

// maxRepeated lines of code are too many to stand twice.
const maxRepeated = 6

// codeLine is a line as its tokens, without spaces and comments.
type codeLine struct {
	text string
	at   int // in the file, from 1
}

// codeLines are the lines of a file below its imports that hold code.
func (s *source) codeLines(f sourceFile) (lines []codeLine) {
	from := f.ast.Name.End()
	for _, i := range f.ast.Imports {
		from = max(from, i.End())
	}
	set := token.NewFileSet()
	file := set.AddFile(f.path, -1, len(f.text))
	skip := s.set.Position(from).Line + 1 // the bracket behind the imports
	var scan scanner.Scanner
	scan.Init(file, f.text, nil, 0)
	for {
		pos, tok, text := scan.Scan()
		if tok == token.EOF {
			return lines
		}
		at := file.Line(pos)
		if at <= skip || tok == token.SEMICOLON && text == "\n" {
			continue
		}
		if text == "" {
			text = tok.String()
		}
		if n := len(lines); n > 0 && lines[n-1].at == at {
			lines[n-1].text += " " + text
		} else {
			lines = append(lines, codeLine{text, at})
		}
	}
}

// recipes are copied one at a time: what several of them need stands in each.
const recipes = "docs/consuming/go/"

// repeats are the runs of maxRepeated lines and more that stand in two places. Each is
// named by the two files.
func (s *source) repeats() (found []finding) {
	type place struct {
		file string
		n    int // of the code line
		at   int
	}
	first := map[string]place{}
	var last struct{ here, there place }
	for _, f := range s.files {
		if strings.HasPrefix(f.path, recipes) {
			continue
		}
		lines := s.codeLines(f)
		for n := 0; n+maxRepeated <= len(lines); n++ {
			var run strings.Builder
			for _, line := range lines[n : n+maxRepeated] {
				run.WriteString(line.text + "\n")
			}
			here := place{f.path, n, lines[n].at}
			there, again := first[run.String()]
			switch {
			case !again:
				first[run.String()] = here
				continue
			case there.file == here.file && here.n < there.n+maxRepeated: // it overlaps itself
				continue
			case last.here.file == here.file && last.there.file == there.file && last.here.n == n-1: // it is longer
			default:
				found = append(found, finding{
					there.file + " and " + here.file,
					fmt.Sprintf("%s:%d and %s:%d", there.file, there.at, here.file, here.at),
				})
			}
			last.here, last.there = here, there
		}
	}
	return found
}
