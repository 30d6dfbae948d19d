package wallboard

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"slices"
	"strings"
	"sync"
	"time"
)

// sheet is the page's content as it is: parts of HTML, each with the version of the sheet
// when it changed last.
type sheet struct {
	boot string // tells the sheets of one process from another's

	mu      sync.Mutex
	version uint64
	whole   uint64          // whoever has an older version needs everything
	parts   map[string]part // by the id of the element that holds them
	tiles   map[string]part // by their own ids
	gone    map[string]uint64
	groups  []group
	painted bool          // there is something to show
	changed chan struct{} // closed at the next change

	// What is made once a version, however many ask for it, and not before.
	html string // of all groups
	all  *patch // for a page that has nothing yet
}

type part struct {
	html    string
	version uint64
}

// group is the tiles of one tenant, in order.
type group struct {
	Tenant string
	Token  string   // as in keys
	Head   string   // HTML that its tiles come after
	Tiles  []string // their ids
}

// groupEnd is what comes after a group's tiles.
const groupEnd = "</ul></section>"

// mostGone is how many tiles that have gone are remembered.
const mostGone = 1000

func newSheet(boot string) *sheet {
	return &sheet{boot: boot, parts: map[string]part{}, tiles: map[string]part{}, gone: map[string]uint64{}, changed: make(chan struct{})}
}

// change is what a paint brings: parts as they are, tiles that may have changed, and, if they
// have, the groups with all tiles that there are.
type change struct {
	parts, tiles map[string]string
	groups       []group // nil: as before
}

// put takes a change; what is as it was changes nothing.
func (s *sheet) put(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, news := s.version+1, false
	for into, all := range map[*map[string]part]map[string]string{&s.parts: c.parts, &s.tiles: c.tiles} {
		for id, html := range all {
			if old, ok := (*into)[id]; !ok || old.html != html {
				(*into)[id], news = part{html, next}, true
				delete(s.gone, id)
			}
		}
	}
	if c.groups != nil && s.regroup(c.groups, next) {
		news = true
	}
	if news || !s.painted {
		s.painted = true
		s.version, s.html, s.all = next, "", nil
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// regroup takes other groups: tiles that are in none have gone, and with another tenant, or
// tiles that have to stand closer, the page has to be built anew.
func (s *sheet) regroup(groups []group, next uint64) (news bool) {
	there := map[string]bool{}
	for _, g := range groups {
		for _, id := range g.Tiles {
			there[id] = true
		}
	}
	for id := range s.tiles {
		if !there[id] {
			delete(s.tiles, id)
			s.gone[id], news = next, true
		}
	}
	alike := func(a, b group) bool { return a.Tenant == b.Tenant && a.Head == b.Head }
	if len(s.gone) > mostGone || !slices.EqualFunc(s.groups, groups, alike) {
		clear(s.gone)
		s.whole, news = next, true
	}
	s.groups = groups
	return news
}

// clear forgets everything: nobody looks after it any more.
func (s *sheet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.parts)
	clear(s.tiles)
	clear(s.gone)
	s.groups, s.painted, s.whole = nil, false, s.version+1
	s.html, s.all = "", nil
}

// patch is what brings a page up to date.
type patch struct {
	Boot    string            `json:"boot"`
	Version uint64            `json:"version"`
	Whole   bool              `json:"whole,omitempty"` // tiles are all that there are, in their order
	Parts   map[string]string `json:"parts,omitempty"`
	Tiles   map[string]string `json:"tiles,omitempty"`
	Gone    []string          `json:"gone,omitempty"`
	Agents  string            `json:"agents,omitempty"` // if whole: all groups

	encoded []byte // if whole; shared by all who get it
}

// encode makes one line of it. What is whole may be large, and has been made already.
func (p patch) encode() []byte {
	if p.encoded != nil {
		return p.encoded
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	lines.SetEscapeHTML(false) // it is no part of a page
	_ = lines.Encode(p)        // of strings and numbers alone
	return bytes.TrimSpace(body.Bytes())
}

// since is what changed since a version of a sheet; all, if the page has another sheet's. changed
// is closed when there is more.
func (s *sheet) since(boot string, version uint64) (p patch, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = patch{Boot: s.boot, Version: s.version, Parts: map[string]string{}, Tiles: map[string]string{}}
	if !s.painted {
		p.Version = version
		return p, s.changed
	}
	if boot != s.boot || version < s.whole || version > s.version {
		return s.everything(), s.changed
	}
	for id, one := range s.parts {
		if one.version > version {
			p.Parts[id] = one.html
		}
	}
	for id, one := range s.tiles {
		if one.version > version {
			p.Tiles[id] = one.html
		}
	}
	for id, at := range s.gone {
		if at > version {
			p.Gone = append(p.Gone, id)
		}
	}
	slices.Sort(p.Gone)
	return p, s.changed
}

// empty reports a patch that changes nothing.
func (p patch) empty() bool { return !p.Whole && len(p.Parts)+len(p.Tiles)+len(p.Gone) == 0 }

// everything is the patch for a page that has nothing yet; it is not to be changed.
func (s *sheet) everything() patch {
	if s.all == nil {
		p := patch{Boot: s.boot, Version: s.version, Whole: true, Parts: map[string]string{}, Agents: s.agents()}
		for id, one := range s.parts {
			p.Parts[id] = one.html
		}
		p.encoded = p.encode()
		s.all = &p
	}
	return *s.all
}

// agents are the tiles of all groups.
func (s *sheet) agents() string {
	if s.html != "" {
		return s.html
	}
	var b strings.Builder
	for _, g := range s.groups {
		b.WriteString(g.Head)
		for _, id := range g.Tiles {
			b.WriteString(s.tiles[id].html)
		}
		b.WriteString(groupEnd)
	}
	s.html = b.String()
	return s.html
}

// ready waits for something to show: not longer than patience, and until ctx or the board
// ends.
func (s *sheet) ready(ctx context.Context, ended <-chan struct{}, patience time.Duration) {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		s.mu.Lock()
		painted, changed := s.painted, s.changed
		s.mu.Unlock()
		if painted {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-enough.C:
			return
		case <-changed:
		}
	}
}

// snapshot is all of a sheet, for a page that is built.
type snapshot struct {
	Boot    string
	Version uint64
	Painted bool
	Tenants []group
	Agents  template.HTML
	Parts   map[string]template.HTML
}

func (s *sheet) now() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := snapshot{Boot: s.boot, Version: s.version, Painted: s.painted, Tenants: s.groups, Agents: template.HTML(s.agents()), Parts: map[string]template.HTML{}}
	for id, one := range s.parts {
		out.Parts[id] = template.HTML(one.html) // it comes from a template
	}
	return out
}
