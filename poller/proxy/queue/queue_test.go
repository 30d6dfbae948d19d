package queue

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aiccbridge/schemas"
)

func item(n int) Item {
	return Item{Raw: json.RawMessage(fmt.Sprint(n)), At: schemas.Position{Epoch: 1, Seq: uint64(2*n + 1)}, Came: time.Unix(int64(n), 0)}
}

// TestQueue: whoever reads gets all from where it began, in order, each until it is confirmed, and
// what all have confirmed is not kept.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Queue
		added := 0
		type reading struct {
			*Reader
			next int // what it is to see next
		}
		var readers []*reading
		pick := func(t *rapid.T) *reading {
			if len(readers) == 0 {
				t.Skip("nobody reads")
			}
			return rapid.SampledFrom(readers).Draw(t, "reader")
		}
		oldest := func() int {
			least := added
			for _, r := range readers {
				least = min(least, r.next)
			}
			return least
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				changed := q.Changed()
				q.Add(item(added))
				added++
				<-changed
			},
			"read": func(*rapid.T) { readers = append(readers, &reading{q.Read(), added}) },
			"all":  func(*rapid.T) { readers = append(readers, &reading{q.ReadAll(), oldest()}) },
			"confirm": func(t *rapid.T) {
				r, end := pick(t), rapid.IntRange(0, added+2).Draw(t, "end") // peeked before others were confirmed
				r.Confirm(uint64(end))
				r.next = max(r.next, min(end, added))
			},
			"skip": func(t *rapid.T) {
				r, to := pick(t), rapid.IntRange(0, added).Draw(t, "to")
				r.Skip(func(i Item) bool { return i.At.Seq <= uint64(2*to) })
				r.next = max(r.next, to)
			},
			"drop": func(t *rapid.T) {
				r := pick(t)
				before := rapid.IntRange(0, added+1).Draw(t, "before")
				want := max(min(before, added)-r.next, 0)
				n, last := r.Drop(time.Unix(int64(before), 0))
				if n != want || n > 0 && string(last.Raw) != fmt.Sprint(r.next+n-1) {
					t.Fatalf("%d are dropped up to %s, want %d", n, last.Raw, want)
				}
				r.next += n
			},
			"leave": func(t *rapid.T) {
				r := pick(t)
				r.Leave()
				for i := range readers {
					if readers[i] == r {
						readers = append(readers[:i], readers[i+1:]...)
						break
					}
				}
			},
			"": func(t *rapid.T) {
				for _, r := range readers {
					n, since := r.Waiting()
					if n != added-r.next || n > 0 && !since.Equal(time.Unix(int64(r.next), 0)) {
						t.Fatalf("%d wait since %s, want %d since %d", n, since, added-r.next, r.next)
					}
					items, end := r.Peek(2)
					if end != uint64(r.next+len(items)) {
						t.Fatalf("the number behind %d from %d is %d", len(items), r.next, end)
					}
					for i, got := range items {
						if string(got.Raw) != fmt.Sprint(r.next+i) {
							t.Fatalf("got %s, want %d", got.Raw, r.next+i)
						}
					}
				}
				if len(q.items) != added-oldest() {
					t.Fatalf("%d are kept, want %d", len(q.items), added-oldest())
				}
			},
		})
	})
}
