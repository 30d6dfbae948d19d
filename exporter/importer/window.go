package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// Windows are those that the ledger has of a kind.
type Windows interface {
	// Overlapping are the windows that share time with w, in their order.
	Overlapping(tenant string, kind schemas.Kind, w schemas.Window) []schemas.WindowEntry
}

// longest is the longest window that the platform makes a file of.
const longest = 72 * time.Hour

// Part is what a file has of a window.
type Part struct {
	Window schemas.Window
	Rows   int
	Split  bool // there are other windows, too: only rows whose times are all in this one belong to it
}

// Parts finds the windows that a file is of: the one wished for, or without a wish (the
// zero Window) the only one of the ledger into which its rows fit; or else several, if each
// row has all its times in one of them. An error is a sentence for whoever imports; nothing
// has been changed.
func (f *File) Parts(ctx context.Context, known Windows, wish schemas.Window, now time.Time) ([]Part, error) {
	if wish == (schemas.Window{}) {
		return f.tell(ctx, known)
	}
	if err := wish.Validate(); err != nil {
		return nil, err
	}
	if wish.To.After(now) {
		return nil, fmt.Errorf("the window %s is not over: a file of it can't be whole", f.span(wish))
	}
	if err := f.tiles(known, wish); err != nil {
		return nil, err
	}
	in, err := f.count(ctx, []schemas.Window{wish})
	if err == nil && in.fit[0]*2 < in.timed {
		err = fmt.Errorf("only %d of %d rows have a time within the window %s; the times in the file are from %s to %s: name the window that the file was asked for",
			in.fit[0], in.timed, f.span(wish), f.wall(f.From), f.wall(f.To))
	}
	return []Part{{Window: wish, Rows: f.Rows}}, err
}

// tiles reports a window that the ledger has not, and that shares time with one it has.
func (f *File) tiles(known Windows, wish schemas.Window) error {
	over := known.Overlapping(f.o.Tenant, f.o.Kind, wish)
	if slices.ContainsFunc(over, func(e schemas.WindowEntry) bool { return e.Window.String() == wish.String() }) {
		return nil
	}
	if len(over) > 0 {
		return fmt.Errorf("the window %s is none of the ledger's, and windows must not overlap; it shares time with\n%s\n"+
			"a file's rows belong to the window that it was asked for: obtain a file of each, or leave --window out to have the rows told apart", f.span(wish), f.list(over, nil))
	}
	if wish.To.Sub(wish.From) > longest {
		return fmt.Errorf("the window %s is longer than 72 hours, which the platform makes no file of", f.span(wish))
	}
	return nil
}

// tell finds the only window into which all rows fit, or several that share them.
func (f *File) tell(ctx context.Context, known Windows) ([]Part, error) {
	if f.From.IsZero() {
		return nil, errors.New("no row of the file has a time: name the window that it was asked for with --window FROM/TO")
	}
	over := known.Overlapping(f.o.Tenant, f.o.Kind, schemas.Window{From: f.From, To: f.To.Add(time.Second)})
	if len(over) == 0 {
		return nil, fmt.Errorf("the ledger has no window of %s between %s and %s, where the file's rows are: name the one that it was asked for with --window FROM/TO",
			f.o.Kind, f.wall(f.From), f.wall(f.To))
	}
	windows := make([]schemas.Window, len(over))
	for i, e := range over {
		windows[i] = e.Window
	}
	in, err := f.count(ctx, windows)
	if err != nil {
		return nil, err
	}
	fits := -1
	for i, n := range in.fit {
		switch {
		case n < in.timed:
		case fits >= 0:
			return nil, fmt.Errorf("the file's rows fit into more than one window: name the one that it was asked for with --window\n%s", f.list(over, in.fit))
		default:
			fits = i
		}
	}
	if fits >= 0 {
		return []Part{{Window: windows[fits], Rows: f.Rows}}, nil
	}
	if why := f.together(in); why != "" {
		return nil, fmt.Errorf("the file's %d rows fit into no single window of the ledger, and can't be told apart (%s): obtain a file of each, or name the one that it was asked for with --window\n%s",
			f.Rows, why, f.list(over, in.fit))
	}
	return split(windows, in.fit), nil
}

// together is why the rows of several windows can't be told apart; "" when they can. Only by
// all its times it is safe to say of which window a row is.
func (f *File) together(in counts) string {
	_, first := f.From.In(f.written()).Zone()
	_, last := f.To.In(f.written()).Zone()
	switch {
	case in.whole < f.Rows:
		return fmt.Sprintf("%d have times in two windows, in none, or no time", f.Rows-in.whole)
	case strings.Contains(f.kinds(), " and "):
		return "there are those of " + f.kinds()
	case first != last:
		return "the clocks are changed meanwhile"
	}
	return ""
}

func (f *File) written() *time.Location { return cmp.Or(f.o.Rows.Written, f.o.Rows.Zone) }

// split are the windows that have rows.
func split(windows []schemas.Window, rows []int) (parts []Part) {
	for i, w := range windows {
		if rows[i] > 0 {
			parts = append(parts, Part{Window: w, Rows: rows[i], Split: true})
		}
	}
	return parts
}

// counts say how many rows have a time at all, how many all of theirs in one window, and how
// many one within each.
type counts struct {
	timed, whole int
	fit          []int
}

// count reads the file once more. The windows are in order and share no time.
func (f *File) count(ctx context.Context, windows []schemas.Window) (c counts, err error) {
	c.fit = make([]int, len(windows))
	seen := map[int]bool{}
	err = f.each(ctx, func(e *rows.Encoder, record []string) error {
		times := e.Times(record)
		if len(times) > 0 {
			c.timed++
		}
		clear(seen)
		outside := len(times) == 0
		for _, at := range times {
			i, found := slices.BinarySearchFunc(windows, at, func(w schemas.Window, at time.Time) int {
				switch {
				case at.Before(w.From):
					return 1
				case !at.Before(w.To):
					return -1
				}
				return 0
			})
			outside = outside || !found
			if found && !seen[i] {
				seen[i] = true
				c.fit[i]++
			}
		}
		if !outside && len(seen) == 1 {
			c.whole++
		}
		return nil
	})
	return c, err
}

// maxListed windows are listed; the number of the others is said.
const maxListed = 12

// list has a line for each window, as --window takes it; fit are the rows with a time in
// each, nil for unknown.
func (f *File) list(entries []schemas.WindowEntry, fit []int) string {
	var lines []string
	for i, e := range entries[:min(len(entries), maxListed)] {
		line := fmt.Sprintf("  %s  %s", f.span(e.Window), e.State)
		if fit != nil {
			line += fmt.Sprintf("  %d rows", fit[i])
		}
		lines = append(lines, line)
	}
	if more := len(entries) - maxListed; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// span writes a window as --window takes it, in the tenant's zone.
func (f *File) span(w schemas.Window) string { return f.wall(w.From) + "/" + f.wall(w.To) }

func (f *File) wall(t time.Time) string { return t.In(f.o.Rows.Zone).Format(time.RFC3339) }

// ParseWindow reads FROM/TO, two times as RFC 3339 has them, or a window's token.
func ParseWindow(text string) (w schemas.Window, err error) {
	from, to, ok := strings.Cut(text, "/")
	if !ok {
		w, err = schemas.ParseWindow(strings.ToLower(text))
	} else if w.From, err = time.Parse(time.RFC3339, from); err == nil {
		w.To, err = time.Parse(time.RFC3339, to)
	}
	if err != nil {
		return w, fmt.Errorf("want FROM/TO, as in 2026-11-01T09:00:00+08:00/2026-11-01T10:00:00+08:00: %w", err)
	}
	w.From, w.To = w.From.UTC(), w.To.UTC()
	return w, w.Validate()
}
