package main

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// page is the document: a row for each package, and the survivors with the reasons. A run
// over some packages replaces what it says of these.
type page struct {
	rows      map[string]string // by package
	survivors map[string]string // by name
}

// readPage reads what a page wrote; nothing of an empty text.
func readPage(text string) page {
	p := page{map[string]string{}, map[string]string{}}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if pkg, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			p.rows[pkg] = line
		}
		if name, ok := strings.CutPrefix(line, "- `"); ok && i+1 < len(lines) {
			p.survivors[strings.TrimSuffix(name, "`")] = strings.TrimPrefix(lines[i+1], "  ")
		}
	}
	return p
}

// add takes over what came of a package.
func (p page) add(r result, known map[string]string) {
	p.rows[r.pkg] = fmt.Sprintf("| `%s` | %d | %d %% | %d %% | %d |",
		r.pkg, r.total(), percent(r.covered(), r.total()), percent(r.killed, r.covered()), len(r.survivors))
	maps.DeleteFunc(p.survivors, func(name, _ string) bool {
		file, _, _ := strings.Cut(name, " ")
		return path.Dir(file) == r.pkg
	})
	for _, name := range r.survivors {
		p.survivors[name] = cmp.Or(known[name], "**Nobody has looked at it.**")
	}
}

func (p page) String() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, pkg := range slices.Sorted(maps.Keys(p.rows)) {
		b.WriteString(p.rows[pkg] + "\n")
	}
	b.WriteString("\n## Survivors\n\n")
	for _, name := range slices.Sorted(maps.Keys(p.survivors)) {
		fmt.Fprintf(&b, "- `%s`\n  %s\n", name, p.survivors[name])
	}
	return b.String()
}

const pageHead = "# Changes of the code that no test notices\n" + `
Written by ` + "`make mutation`; `internal/mutation`" + ` says how. A mutation tester changes one
operator after the other and runs the tests of the package. Of the mutants that compile,
those are covered that a test of their own package reaches (wanted: 90 %), and of these
those are killed with which a test fails (wanted: 92 %). Each of the others is listed with
the reason why nobody could tell. What the whole program promises is proved elsewhere:
[proof.md](proof.md).

| package | mutants | covered | of these killed | survivors |
|---|---|---|---|---|
`
