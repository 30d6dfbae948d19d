package house

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// translations are the pages that there are in Chinese, by the page in English.
var translations = map[string]string{
	"README.md": "README.zh-CN.md", "docs/getting-started.md": "docs/getting-started.zh-CN.md",
}

// part is a heading with what follows it up to the next one.
type part struct {
	level  int
	name   string // the heading in English
	blocks []string
	spans  []string
}

// original is the heading in English that a translated one ends with.
var original = regexp.MustCompile(`\s*<!-- (.*) -->$`)

// parts divides a page at its headings.
func parts(page string) (all []part) {
	p, fence := part{}, false
	block, text := "", ""
	end := func() {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			p.spans = append(p.spans, strings.Join(strings.Fields(m[1]), " "))
		}
		if all = append(all, p); text == "" && p.level == 0 {
			all = nil
		}
		text = ""
	}
	for line := range strings.Lines(page) {
		hashes := len(line) - len(strings.TrimLeft(line, "#"))
		switch {
		case strings.HasPrefix(line, "```") && !fence:
			fence, block = true, line
		case strings.HasPrefix(line, "```"):
			fence = false
			p.blocks = append(p.blocks, block+line)
		case fence:
			block += line
		case hashes > 0 && strings.HasPrefix(line[hashes:], " "):
			end()
			p = part{level: hashes, name: strings.TrimSpace(line[hashes:])}
			if m := original.FindStringSubmatch(p.name); m != nil {
				p.name = m[1]
			}
		default:
			text += line
		}
	}
	end()
	return all
}

// lacks says what a translation has to get so that it says what the page says. Headings are compared
// by their English names, commands and examples word by word, names in the text as a set.
func lacks(page, translated string) (wrong []string) {
	want, have := parts(page), parts(translated)
	for i, p := range want {
		heading := strings.Repeat("#", p.level) + " … <!-- " + p.name + " -->"
		j := slices.IndexFunc(have, func(h part) bool { return h.name == p.name })
		if j < 0 {
			before := "the beginning"
			if i > 0 {
				before = "the section <!-- " + want[i-1].name + " -->"
			}
			wrong = append(wrong, fmt.Sprintf("add the section %q behind %s, with the blocks of the page as they are", heading, before))
			continue
		}
		if have[j].level != p.level {
			wrong = append(wrong, fmt.Sprintf("write its heading as %q", heading))
		}
		wrong = append(wrong, p.lacks(have[j])...)
	}
	var order []string
	for _, h := range have {
		if slices.ContainsFunc(want, func(p part) bool { return p.name == h.name }) {
			order = append(order, h.name)
		} else {
			wrong = append(wrong, fmt.Sprintf("remove the section %q, which the page does not have, or write behind its heading <!-- and the page's heading -->", h.name))
		}
	}
	var wanted []string
	for _, p := range want {
		wanted = append(wanted, p.name)
	}
	if len(wrong) == 0 && !slices.Equal(order, wanted) {
		wrong = append(wrong, fmt.Sprintf("put its sections in this order: %q", wanted))
	}
	return wrong
}

// lacks compares the commands, examples and names of one section.
func (p part) lacks(have part) (wrong []string) {
	if !slices.Equal(p.blocks, have.blocks) {
		for _, b := range p.blocks {
			if !slices.Contains(have.blocks, b) {
				wrong = append(wrong, fmt.Sprintf("in the section <!-- %s --> put this block as it is:\n%s", p.name, b))
			}
		}
		for _, b := range have.blocks {
			if !slices.Contains(p.blocks, b) {
				wrong = append(wrong, fmt.Sprintf("in the section <!-- %s --> remove this block, which the page does not have:\n%s", p.name, b))
			}
		}
		if len(wrong) == 0 {
			wrong = append(wrong, fmt.Sprintf("in the section <!-- %s --> put the blocks in the page's order", p.name))
		}
	}
	var missing []string
	for _, s := range p.spans {
		if !slices.Contains(have.spans, s) && !slices.Contains(missing, "`"+s+"`") {
			missing = append(missing, "`"+s+"`")
		}
	}
	if len(missing) > 0 {
		wrong = append(wrong, fmt.Sprintf("in the section <!-- %s --> say also what the page says with %s", p.name, strings.Join(missing, ", ")))
	}
	return wrong
}

// TestTranslations: the pages in Chinese have the sections, commands, examples and names of those in
// English. What fails here is a sentence that says what to add to which file.
func TestTranslations(t *testing.T) {
	for page, translated := range translations {
		text := [2]string{}
		for i, name := range []string{page, translated} {
			b, err := os.ReadFile(root + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			text[i] = string(b)
		}
		for _, w := range lacks(text[0], text[1]) {
			t.Errorf("%s: %s", translated, w)
		}
		if n := len(parts(text[0])); n < 5 {
			t.Errorf("%s has %d sections", page, n)
		}
	}
}

func TestTranslationsBite(t *testing.T) {
	const page = "# A\ntext `x`\n```\n# no heading\nrun\n```\n## B\n### C\n"
	for name, c := range map[string]struct{ translated, want string }{
		"as it should be": {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun\n```\n## 乙 <!-- B -->\n### 丙 <!-- C -->\n", ""},
		"no section":      {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun\n```\n### 丙 <!-- C -->\n", `add the section "## … <!-- B -->" behind the section <!-- A -->`},
		"another level":   {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun\n```\n## 乙 <!-- B -->\n## 丙 <!-- C -->\n", `write its heading as "### …`},
		"another block":   {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun!\n```\n## 乙 <!-- B -->\n### 丙 <!-- C -->\n", "put this block as it is:\n```\n# no heading\nrun\n```"},
		"no name":         {"# 甲 <!-- A -->\n文\n```\n# no heading\nrun\n```\n## 乙 <!-- B -->\n### 丙 <!-- C -->\n", "says with `x`"},
		"one too many":    {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun\n```\n## 乙 <!-- B -->\n### 丙 <!-- C -->\n## 丁\n", `remove the section "丁"`},
		"another order":   {"# 甲 <!-- A -->\n文 `x`\n```\n# no heading\nrun\n```\n### 丙 <!-- C -->\n## 乙 <!-- B -->\n", "in this order"},
	} {
		wrong := lacks(page, c.translated)
		if (len(wrong) == 0) != (c.want == "") || len(wrong) > 0 && !strings.Contains(wrong[0], c.want) {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}
