package c2sign

import (
	"iter"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// spelling is one text that may have been signed, and its name in a Match.
type spelling struct{ name, text string }

// candidates yields every canonical request that an honest signer may have signed, the one
// received first. A sample of the platform posts its callback to https://10.57.118.171:8000
// with the line "Host: 10.57.118.171", so host and port cannot be taken for granted.
func (v Verifier) candidates(c canonical, names []string, r Request) iter.Seq2[canonical, Match] {
	lines := queryLines(c.query)
	return func(yield func(canonical, Match) bool) {
		header := maps.Clone(r.Header)
		for _, host := range v.hosts(r.Header["host"]) {
			for _, contentType := range contentTypes(names, r.Header["content-type"]) {
				header["host"] = host.text
				if contentType.name != VariantUnsigned {
					header["content-type"] = contentType.text
				}
				c.headers = canonicalHeaders(names, header)
				for _, path := range v.paths(r.Path) {
					for _, line := range lines {
						c.path, c.queryLine = path.text, line == VariantEmpty
						if !yield(c, Match{Host: host.name, Path: path.name, QueryLine: line, ContentType: contentType.name}) {
							return
						}
					}
				}
			}
		}
	}
}

func (v Verifier) hosts(received string) []spelling {
	all := []spelling{{VariantReceived, received}}
	if u := v.PublicURL; u != nil && u.Hostname() != "" {
		bare := u.Hostname()
		withPort := net.JoinHostPort(bare, portOf(u))
		if strings.Contains(bare, ":") {
			bare = "[" + bare + "]"
		}
		all = append(all, spelling{VariantPublicHostPort, withPort}, spelling{VariantPublicHost, bare})
	}
	return distinct(all)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

func (v Verifier) paths(received string) []spelling {
	all := []spelling{{VariantReceived, orRoot(received)}}
	if v.PublicURL != nil {
		all = append(all, spelling{VariantPublicPath, orRoot(v.PublicURL.EscapedPath())})
	}
	return distinct(all)
}

func queryLines(query string) []string {
	if query != "" {
		return []string{VariantPresent}
	}
	return []string{VariantOmitted, VariantEmpty}
}

var blankAfterSemicolon = regexp.MustCompile(`;[ \t]*`)

// contentTypes spells the blank after a semicolon both ways: tables of the documentation
// print it, samples do not, and a proxy may normalise it.
func contentTypes(names []string, received string) []spelling {
	if !slices.Contains(names, "content-type") {
		return []spelling{{VariantUnsigned, ""}}
	}
	return distinct([]spelling{
		{VariantReceived, received},
		{VariantWithoutBlank, blankAfterSemicolon.ReplaceAllString(received, ";")},
		{VariantWithBlank, blankAfterSemicolon.ReplaceAllString(received, "; ")},
	})
}

func distinct(all []spelling) []spelling {
	var out []spelling
	for _, s := range all {
		if !slices.ContainsFunc(out, func(o spelling) bool { return o.text == s.text }) {
			out = append(out, s)
		}
	}
	return out
}
