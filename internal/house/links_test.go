package house

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// link is one of a page, to a file or a heading.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are the names by which headings of a page are linked to: small letters, digits, - and _;
// and those that are given.
func anchors(page string) (all []string) {
	for _, p := range parts(page) {
		name := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, p.name)
		all = append(all, name)
	}
	for _, m := range regexp.MustCompile(`<a (?:id|name)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

// brokenLinks are those of a page to what is not there; text reads a file by its path from the root.
func brokenLinks(name, page string, text func(string) (string, bool)) (broken []string, all int) {
	for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		all++
		file, anchor, _ := strings.Cut(m[1], "#")
		target := name
		if file != "" {
			target = path.Join(path.Dir(name), file)
		}
		there, ok := text(target)
		if !ok || anchor != "" && !slices.Contains(anchors(there), anchor) {
			broken = append(broken, m[1])
		}
	}
	return broken, all
}

// fences are blocks, whose text is no text.
var fences = regexp.MustCompile("(?sm)^```.*?^```$")

// TestLinks: what a page links to is there, headings included.
func TestLinks(t *testing.T) {
	read := func(name string) (string, bool) {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.IsDir() {
			return "", err == nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		return string(text), err == nil
	}
	links := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && slices.Contains([]string{".git", "node_modules"}, e.Name()) {
			return fs.SkipDir
		}
		if err != nil || path.Ext(name) != ".md" {
			return err
		}
		page, _ := read(name)
		broken, n := brokenLinks(name, page, read)
		links += n
		for _, b := range broken {
			t.Errorf("%s links to %s, which is not there", name, b)
		}
		return nil
	})
	if err != nil || links < 150 {
		t.Errorf("%d links were followed: %v", links, err)
	}
	if broken, _ := brokenLinks("README.md", "[a](docs/no.md) [b](#c) [d](docs/faq.md)", read); len(broken) != 2 {
		t.Errorf("broken are %q", broken)
	}
}
