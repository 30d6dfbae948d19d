package truthcheck

import (
	"slices"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// pair finds the popped event of every stored one: of[j] is the index of the
// pop, -1 for none. Equal events are told apart by the platform's own time where
// the stored one has it, and by the nearest time of pop and receipt otherwise.
func pair(popped []truth.Event, keys []uint64, stored []storedEvent) (of []int) {
	type exact struct {
		key uint64
		ms  int64
	}
	at := make(map[exact][]int, len(popped))
	for i, e := range popped {
		k := exact{keys[i], e.GeneratedAt.UnixMilli()}
		at[k] = append(at[k], i)
	}
	of = make([]int, len(stored))
	taken := make([]bool, len(popped))
	left := map[uint64][]int{} // stored events without a pair, by key
	for j, e := range stored {
		k := exact{e.key, e.occurredMS}
		if free := at[k]; e.occurredMS != 0 && len(free) > 0 {
			of[j], at[k] = free[0], free[1:]
			taken[free[0]] = true
			continue
		}
		of[j] = -1
		left[e.key] = append(left[e.key], j)
	}
	if len(left) == 0 {
		return of
	}
	free := map[uint64][]int{}
	for i := range popped {
		if !taken[i] {
			free[keys[i]] = append(free[keys[i]], i)
		}
	}
	for key, rest := range left {
		nearest(popped, free[key], stored, rest, of)
	}
	return of
}

// nearest pairs equal events in their order. While there are more pops than
// stored events, a pop is passed over when the next one is nearer in time.
func nearest(popped []truth.Event, free []int, stored []storedEvent, rest, of []int) {
	for n, j := range rest {
		if len(free) == 0 {
			return
		}
		distance := func(i int) time.Duration { return stored[j].receivedAt.Sub(popped[i].At).Abs() }
		for len(free) > len(rest)-n && distance(free[1]) < distance(free[0]) {
			free = free[1:]
		}
		of[j], free = free[0], free[1:]
	}
}

// disorder is how many pairs would have to be taken out to leave the others in
// order: all but a longest increasing subsequence.
func disorder(of []int) int {
	var tails []int // the smallest end of an increasing subsequence of each length
	matched := 0
	for _, i := range of {
		if i < 0 {
			continue
		}
		matched++
		if n := len(tails); n == 0 || tails[n-1] < i {
			tails = append(tails, i)
			continue
		}
		n, _ := slices.BinarySearch(tails, i)
		tails[n] = i
	}
	return matched - len(tails)
}

// gapSlack widens a gap on both sides: the platform's clock is not the bridge's.
const gapSlack = 2 * time.Second

// gap is a gap record, widened by gapSlack.
type gap struct {
	from, to time.Time
	maxLost  int // 0: any number
	inferred bool

	damaged bool             // the store was, behind:
	after   schemas.Position // what is left
}

// explains reports that a gap says why no message has the numbers between two.
func (g gap) explains(after, before schemas.Position) bool {
	exact := g.maxLost == 0 || g.after.Epoch == after.Epoch && g.after.Seq+uint64(g.maxLost)+1 >= before.Seq
	return g.damaged && exact && byPosition(g.after, after) <= 0
}

func (g gap) covers(t time.Time) bool { return !t.Before(g.from) && !t.After(g.to) }

// explain marks the losses that gaps admit. Each is put into the gap that ends
// first of those that cover it and are not full, which explains as many as can
// be. It returns the losses in the order given.
func explain(lost []LostEvent, gaps []gap) []LostEvent {
	if len(lost) == 0 {
		return nil
	}
	gaps = slices.Clone(gaps)
	slices.SortFunc(gaps, func(a, b gap) int { return a.to.Compare(b.to) })
	used := make([]int, len(gaps))
	order := make([]int, len(lost))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return lost[a].At.Compare(lost[b].At) })
	for _, i := range order {
		n := slices.IndexFunc(gaps, func(g gap) bool { return g.maxLost == 0 && g.covers(lost[i].At) })
		for k := 0; n < 0 && k < len(gaps); k++ {
			if gaps[k].covers(lost[i].At) && used[k] < gaps[k].maxLost {
				n = k
				used[k]++
			}
		}
		lost[i].Explained = n >= 0
	}
	return lost
}
