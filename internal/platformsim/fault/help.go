package fault

import (
	"fmt"
	"strings"
)

// Help is the page about faults: the language, then every kind by operation, in
// the order of the list.
func Help(kinds []Kind) string {
	var b strings.Builder
	b.WriteString(`A rule names a fault, says how often it strikes, and may restrict it:

  {"rules":[{"fault":"poll.cut_after_pop","next":3,"agent":"101"},
            {"fault":"download.flipped","next":1,"kind":"cdr"},
            {"fault":"callback.drop","share":0.1}]}

  next        the next so many times
  for         every time for so long, as in "5s"
  share       a part of all times, from 0 to 1, drawn from the seed
  agent, operation, kind, path
              only there; path is a pattern, * stands for anything between slashes
  struck      in answers: how often the rule has struck

Rules are asked in their order. Where only one fault can strike, the first that
applies wins. PUT replaces all rules, and {"rules":[]} makes the platform polite; POST
adds rules to those in force.
`)
	for i, k := range kinds {
		if i == 0 || operation(kinds[i-1].Name) != operation(k.Name) {
			fmt.Fprintf(&b, "\n%s%s\n", operation(k.Name), k.Scope.text())
		}
		fmt.Fprintf(&b, "  %-32s %s%s\n", k.Name, k.What, k.Takes.text())
	}
	return b.String()
}

// text says by what a rule may be restricted, or nothing. Many values go on lines
// of their own.
func (s Scope) text() string {
	var names, values []string
	if s.Agent {
		names = append(names, "agent")
	}
	if s.Path {
		names = append(names, "path")
	}
	for _, list := range []struct {
		name  string
		known []string
	}{{"operation", s.Operations}, {"kind", s.Kinds}} {
		if len(list.known) > 0 {
			names = append(names, list.name)
			values = append(values, "\n  "+list.name+": "+strings.Join(list.known, ", "))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", restricted by " + strings.Join(names, ", ") + strings.Join(values, "")
}

// text lists the settings with their values: " (status 503)".
func (r *Rule) text() string {
	var parts []string
	for _, s := range r.settings() {
		if s.value != "" {
			parts = append(parts, s.name+" "+s.value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
