package main

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed survivors.txt
var survivorsText string

// knownSurvivors reads survivors.txt: the name of a change in one line, and indented in
// the next why nobody could tell.
func knownSurvivors() (reasons map[string]string, err error) { return parseSurvivors(survivorsText) }

func parseSurvivors(text string) (reasons map[string]string, err error) {
	reasons = map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		reason, indented := strings.CutPrefix(line, "\t")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case !indented && name == "" && reasons[line] == "":
			name = line
		case indented && name != "" && reason != "":
			reasons[name], name = reason, ""
		default:
			return nil, fmt.Errorf("survivors.txt: %q: want the name of a change once, and in the next line, indented, the reason", line)
		}
	}
	if name != "" {
		return nil, errors.New("survivors.txt: the last change has no reason")
	}
	return reasons, nil
}
