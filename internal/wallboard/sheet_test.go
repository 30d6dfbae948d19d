package wallboard

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// viewer is a page as the script keeps it.
type viewer struct {
	boot         string
	version      uint64
	tiles, parts map[string]string
}

// apply does what the script does.
func (v *viewer) apply(p patch) {
	v.boot, v.version = p.Boot, p.Version
	if p.Whole {
		v.tiles = map[string]string{}
		for _, html := range strings.SplitAfter(strings.ReplaceAll(p.Agents, groupEnd, ""), ";") {
			if id, _, ok := strings.Cut(html, "="); ok {
				v.tiles[id] = html
			}
		}
	}
	for _, id := range p.Gone {
		delete(v.tiles, id)
	}
	maps.Copy(v.tiles, p.Tiles)
	maps.Copy(v.parts, p.Parts)
}

// TestAnyViewerCatchesUp: whatever a viewer missed, one patch brings it to where everybody is.
func TestAnyViewerCatchesUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newSheet("one")
		viewers := make([]viewer, 3)
		for i := range viewers {
			viewers[i] = viewer{tiles: map[string]string{}, parts: map[string]string{}}
		}
		tiles, parts := map[string]string{}, map[string]string{}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			c := change{parts: map[string]string{}, tiles: map[string]string{}}
			grown := false
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				id := fmt.Sprintf("t-%d", rapid.IntRange(0, 5).Draw(t, "tile"))
				switch rapid.IntRange(0, 3).Draw(t, "what") {
				case 0:
					delete(tiles, id)
					delete(c.tiles, id)
					grown = true
				case 1:
					p := fmt.Sprintf("p-%d", rapid.IntRange(0, 2).Draw(t, "part"))
					parts[p] = fmt.Sprint(step)
				default:
					_, had := tiles[id]
					grown = grown || !had
					tiles[id] = fmt.Sprintf("%s=%d;", id, step)
					c.tiles[id] = tiles[id]
				}
			}
			maps.Copy(c.parts, parts)
			if grown || step == 0 {
				c.groups = []group{{Tenant: "a", Tiles: slices.Sorted(maps.Keys(tiles))}}
				if rapid.IntRange(0, 9).Draw(t, "tenant") == 0 {
					c.groups = append(c.groups, group{Tenant: "b"})
				}
			}
			if rapid.IntRange(0, 19).Draw(t, "restart") == 0 {
				s = newSheet(fmt.Sprint("boot", step))
				c.tiles = maps.Clone(tiles)
				c.groups = []group{{Tenant: "a", Tiles: slices.Sorted(maps.Keys(tiles))}}
			}
			s.put(c)
			for i := range viewers {
				if rapid.Bool().Draw(t, "looks") {
					p, _ := s.since(viewers[i].boot, viewers[i].version)
					viewers[i].apply(p)
					if !maps.Equal(viewers[i].tiles, tiles) || !maps.Equal(viewers[i].parts, parts) {
						t.Fatalf("viewer %d has %v %v, there is %v %v", i, viewers[i].tiles, viewers[i].parts, tiles, parts)
					}
				}
			}
		}
	})
}

// TestGoneAreForgotten: tiles that have gone are not remembered without end.
func TestGoneAreForgotten(t *testing.T) {
	t.Parallel()
	s := newSheet("one")
	for i := range 5 * mostGone {
		id := fmt.Sprintf("t-%d", i)
		s.put(change{tiles: map[string]string{id: id + "=;"}, groups: []group{{Tenant: "a", Tiles: []string{id}}}})
		if i == mostGone/2 {
			if p, _ := s.since("one", 1); p.Whole || len(p.Gone) == 0 {
				t.Errorf("few have gone: %+v", p)
			}
		}
	}
	if len(s.gone) > mostGone || len(s.tiles) != 1 {
		t.Errorf("%d gone, %d there", len(s.gone), len(s.tiles))
	}
	if p, _ := s.since("one", 1); !p.Whole {
		t.Error("a viewer of long ago gets no whole page")
	}
}

// keeper is a viewer that keeps what is written, and not a copy of it.
type keeper struct {
	http.ResponseWriter
	written [][]byte
}

func (k *keeper) Write(b []byte) (int, error) {
	k.written = append(k.written, b)
	return len(b), nil
}

func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// holds reports whether it was given these bytes themselves.
func (k *keeper) holds(b []byte) bool {
	return slices.ContainsFunc(k.written, func(w []byte) bool { return len(w) == len(b) && &w[0] == &b[0] })
}

// TestWholeIsMadeOnce: all who catch up with one version are sent the same bytes, and no copies
// of them; those who come after a change get others.
func TestWholeIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := New(Options{})
	b.sheet.put(change{tiles: map[string]string{"t-a.1": "x"}, groups: []group{{Tenant: "a", Tiles: []string{"t-a.1"}}}})
	var all []*keeper
	for range 2 {
		k := &keeper{ResponseWriter: httptest.NewRecorder()}
		s := stream{Board: b, w: k, conn: http.NewResponseController(k)}
		if _, err := s.update(); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	first, _ := b.sheet.since("", 0)
	var read patch
	if err := json.Unmarshal(first.encode(), &read); err != nil || !read.Whole || read.Agents != "x"+groupEnd || read.Version != 1 {
		t.Errorf("%s: %v", first.encode(), err)
	}
	for _, k := range all {
		if !k.holds(first.encode()) {
			t.Errorf("a viewer got a copy: %q", k.written)
		}
	}
	b.sheet.put(change{tiles: map[string]string{"t-a.1": "y"}})
	if second, _ := b.sheet.since("", 0); second.Agents != "y"+groupEnd || !strings.Contains(string(second.encode()), `"y`) || second.Version != 2 {
		t.Errorf("after a change: %s", second.encode())
	}
	b.sheet.clear()
	if b.sheet.all != nil || b.sheet.html != "" {
		t.Error("nobody looks, and what was made for those who did is kept")
	}
}
