package figures

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// Curve is one thing as it grows: figures at sizes, in the order of the sizes.
type Curve struct {
	Name   string
	Points []Point
}

// Point is the figure at a size.
type Point struct{ Size, Figure float64 }

// Along is the curve of one figure of what was measured at each size.
func Along[T any](name string, sizes []float64, measured []T, figure func(T) float64) Curve {
	c := Curve{Name: name}
	for i, of := range measured {
		c.Points = append(c.Points, Point{sizes[i], figure(of)})
	}
	return c
}

// Picture shows how something grows. Sizes must be above 0: they are drawn by their
// logarithm; figures from 0 on.
type Picture struct {
	Name   string // of its file, without .svg
	Title  string
	Sizes  string // what grows, e.g. "rows of the file"
	Curves []Curve
}

// What a picture is drawn with: the edges of the field, and a colour for each curve.
const (
	pictureWidth, pictureHeight             = 720, 360
	fieldLeft, fieldRight, fieldTop, bottom = 70, 520, 40, 310
)

var colours = []string{"#0b6e99", "#d9730d", "#4d6461", "#ad1a72"}

// SVG is the picture; it needs nothing from outside.
func (p Picture) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", pictureWidth, pictureHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", pictureWidth, pictureHeight)
	text(&b, fieldLeft, 22, `font-size="14" font-weight="bold"`, p.Title)
	least, most, top := p.extent()
	x := func(size float64) float64 {
		return fieldLeft + (fieldRight-fieldLeft)*math.Log(size/least)/math.Log(most/least)
	}
	y := func(figure float64) float64 { return bottom - (bottom-fieldTop)*figure/top }
	const steps = 5
	for i := range steps + 1 {
		figure := top * float64(i) / steps
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`+"\n", fieldLeft, y(figure), fieldRight, y(figure))
		text(&b, fieldLeft-8, y(figure)+4, `text-anchor="end"`, Text(figure))
	}
	for _, size := range p.sizes() {
		text(&b, x(size), bottom+18, `text-anchor="middle"`, fmt.Sprintf("%.0f", size))
	}
	text(&b, (fieldLeft+fieldRight)/2, bottom+38, `text-anchor="middle"`, p.Sizes)
	for i, c := range p.Curves {
		c.draw(&b, colours[i%len(colours)], x, y)
		text(&b, fieldRight+16, float64(fieldTop+20*i+8), fmt.Sprintf(`fill=%q`, colours[i%len(colours)]), "— "+c.Name)
	}
	return b.String() + "</svg>\n"
}

func (c Curve) draw(b *strings.Builder, colour string, x, y func(float64) float64) {
	var path []string
	for _, p := range c.Points {
		path = append(path, fmt.Sprintf("%.1f,%.1f", x(p.Size), y(p.Figure)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill=%q/>`+"\n", x(p.Size), y(p.Figure), colour)
	}
	fmt.Fprintf(b, `<polyline points=%q fill="none" stroke=%q stroke-width="2"/>`+"\n", strings.Join(path, " "), colour)
}

func text(b *strings.Builder, x, y float64, how, what string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" %s>`, x, y, how)
	_ = xml.EscapeText(b, []byte(what)) // memory does not fail
	b.WriteString("</text>\n")
}

// sizes are those of all curves, each once, in the order in which they come.
func (p Picture) sizes() (all []float64) {
	seen := map[float64]bool{}
	for _, c := range p.Curves {
		for _, at := range c.Points {
			if !seen[at.Size] {
				seen[at.Size] = true
				all = append(all, at.Size)
			}
		}
	}
	return all
}

// extent is what the field has to hold: at least something, also of one size and of zeros.
func (p Picture) extent() (least, most, top float64) {
	least, most = math.Inf(1), 1
	for _, c := range p.Curves {
		for _, at := range c.Points {
			least, most, top = min(least, at.Size), max(most, at.Size), max(top, at.Figure)
		}
	}
	if least >= most {
		least = most / 2
	}
	return least, most, round(max(top, 1e-9))
}

// round is a figure of one digit, or one and a half, that is not below f.
func round(f float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(f)))
	for _, digit := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if f <= digit*power {
			return digit * power
		}
	}
	return 10 * power
}
