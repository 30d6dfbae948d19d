package text

import "strings"

// Covers reports whether a pattern of subjects covers a subject, which may itself hold
// wildcards, as a filter does.
func Covers(pattern, subject string) bool {
	for {
		p, patternRest, morePattern := strings.Cut(pattern, ".")
		s, subjectRest, moreSubject := strings.Cut(subject, ".")
		if p == ">" {
			return s != ""
		}
		if s == "" || s == ">" || p != "*" && p != s {
			return false
		}
		if !morePattern || !moreSubject {
			return morePattern == moreSubject
		}
		pattern, subject = patternRest, subjectRest
	}
}
