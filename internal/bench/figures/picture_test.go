package figures

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPicture: what is drawn is where it belongs, and the file is well-formed whatever the
// names are.
func TestPicture(t *testing.T) {
	p := Picture{Name: "m", Title: "Memory <of> rows", Sizes: "rows", Curves: []Curve{
		{"first & last", []Point{{1000, 0}, {10_000, 50}, {100_000, 100}}},
		{"flat", []Point{{1000, 25}, {100_000, 25}}},
	}}
	svg := p.SVG()
	for _, want := range []string{
		`points="70.0,310.0 295.0,175.0 520.0,40.0"`, `points="70.0,242.5 520.0,242.5"`, "Memory &lt;of&gt; rows", "first &amp; last",
		">1000<", ">10000<", ">100000<", ">20.0<", ">100<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	if strings.Count(svg, "<circle") != 5 || strings.Count(svg, ">10000<") != 1 {
		t.Error(svg)
	}
	wellFormed(t, svg)
	for _, p := range []Picture{{}, {Curves: []Curve{{"one", []Point{{7, 0}}}}}, {Curves: []Curve{{"none", nil}}}} {
		wellFormed(t, p.SVG())
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("something is nowhere:\n%s", svg)
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

func TestRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64Range(1e-9, 1e12).Draw(t, "figure")
		if top := round(f); top < f*(1-1e-9) || top > 2*f || math.IsNaN(top) {
			t.Fatalf("%v is drawn up to %v", f, top)
		}
	})
}
