package content

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
)

// row is a row on its way into a file; its Cells are its own.
type row struct {
	world.Row
	key uint64 // of the row as the source has it
}

// ledger remembers what earlier files held, and how the store's faults changed
// the source's rows, so that every later extraction agrees with it.
type ledger struct {
	seed maphash.Seed

	mu       sync.Mutex
	seen     map[uint64]bool     // was in a file
	withheld map[uint64]bool     // was left out of one
	changed  map[uint64][]string // cells in place of the source's
	invented map[world.Kind][]world.Row
	serial   int // of the last invented row
}

func newLedger() *ledger {
	return &ledger{
		seed: maphash.MakeSeed(), seen: map[uint64]bool{}, withheld: map[uint64]bool{},
		changed: map[uint64][]string{}, invented: map[world.Kind][]world.Row{},
	}
}

func (l *ledger) key(r world.Row) uint64 {
	return maphash.String(l.seed, string(r.Kind)+"\x00"+strings.Join(r.Cells, "\x00"))
}

// adjust applies earlier changes and the row faults, and notes the rows as
// seen. A fault that finds no row to act on is not used up.
func (m *Maker) adjust(q Request, kind world.Kind, rows []world.Row) []row {
	l, o := m.ledger, fault.Occasion{Operation: q.Operation, Kinds: []string{kind.Word()}}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]row, len(rows))
	var fresh, known []int
	for i, r := range rows {
		key := l.key(r)
		cells, changed := l.changed[key]
		if !changed {
			cells = r.Cells
		}
		r.Cells = slices.Clone(cells)
		out[i] = row{r, key}
		switch {
		case l.seen[key] && !changed:
			known = append(known, i)
		case !l.seen[key] && !l.withheld[key]:
			fresh = append(fresh, i)
		}
	}
	if len(known) > 0 && m.o.Faults.First(o, rowsChanged) != nil {
		r := &out[known[m.o.Dice.Below(len(known))]]
		alter(kind, r.Cells)
		l.changed[r.key] = slices.Clone(r.Cells)
	}
	if len(fresh) > 0 && m.o.Faults.First(o, rowsLate) != nil {
		i := fresh[m.o.Dice.Below(len(fresh))]
		l.withheld[out[i].key] = true
		out = slices.Delete(out, i, i+1)
	}
	for _, r := range out {
		l.seen[r.key] = true
	}
	return out
}

// keep makes the cells of a row those of every later file.
func (l *ledger) keep(r row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed[r.key] = slices.Clone(r.Cells)
}

// alterable is the column of each kind that is part of no key and may change
// when a record is corrected later.
var alterable = map[world.Kind]string{
	world.Call: "release_cause", world.Record: "task_status",
	world.Operation: "op_cause", world.SkillGrant: "renew_flag",
}

func alter(kind world.Kind, cells []string) {
	i := slices.Index(world.Columns[kind], alterable[kind])
	if i < 0 || i >= len(cells) {
		return
	}
	n, err := strconv.Atoi(cells[i])
	if err != nil {
		n = 0
	}
	cells[i] = strconv.Itoa(n + 1)
}

func (l *ledger) inventedRows(kind world.Kind) []world.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.invented[kind])
}

// invent adds rows that the source does not know.
func (l *ledger) invent(kind world.Kind, n int, build func(i, serial int) world.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range n {
		l.serial++
		l.invented[kind] = append(l.invented[kind], build(i, l.serial))
	}
}
