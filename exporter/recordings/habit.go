package recordings

import (
	"slices"
	"sync"
	"time"
)

// habit is what this bridge has learnt of a tenant's platform: which interface gives audio,
// and how long after a call. It saves requests and decides nothing: whatever it says, all
// interfaces are asked before a recording is missing. A bridge that starts anew learns anew.
type habit struct {
	mu     sync.Mutex
	missed []int // by source: in how many recordings in a row it had none
	// ripe is how long after its call audio that was not there at first has come.
	ripe  time.Duration
	early map[string]bool // by key: recordings whose audio was not there
	// Of those that were asked for lately: whose audio was there at once, and was not.
	prompt, late int
}

func newHabit(sources int) *habit {
	return &habit{missed: make([]int, sources), early: map[string]bool{}}
}

const (
	// enough recordings in a row that an interface has none of make it one that is asked
	// last, and only before a recording is given up.
	enough = 3
	// longestRipe is how long a recording waits because others came late: among many that
	// come soon there may be one that comes after hours.
	longestRipe = time.Hour
	// One in so many that is late makes all wait until audio is ripe.
	fewLate = 20
	// remembered is how many count, before half of it is forgotten.
	remembered = 200
	// maxEarly recordings are remembered that are waited for.
	maxEarly = 10_000
)

// order are the sources, those first that have given audio lately, and how many of them
// are to be asked at first: at least one.
func (h *habit) order() (sources []int, first int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, n := range h.missed {
		sources = append(sources, i)
		if n < enough {
			first++
		}
	}
	slices.SortStableFunc(sources, func(a, b int) int { return h.missed[a] - h.missed[b] })
	return sources, max(first, 1)
}

// had notes whether a source had the audio that it was asked for.
func (h *habit) had(source int, audio bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.missed[source]++; audio {
		h.missed[source] = 0
	}
}

// absent notes that a recording's audio was not there.
func (h *habit) absent(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.early) >= maxEarly {
		clear(h.early) // some are told of by other bridges, and never here
	}
	if !h.early[key] {
		h.early[key] = true
		h.late++
	}
}

// found notes that a recording's audio was there, so long after its call. Next time a tenth
// less is waited, so that a platform that gets faster is noticed.
func (h *habit) found(key string, age time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.early[key] {
		h.ripe = min(age-age/10, longestRipe)
	} else {
		h.prompt++
	}
	if h.prompt+h.late > remembered {
		h.prompt, h.late = h.prompt/2, h.late/2
	}
	delete(h.early, key)
}

// missing forgets a recording that was not late, but has none.
func (h *habit) missing(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.early[key] {
		delete(h.early, key)
		h.late = max(0, h.late-1)
	}
}

// unripe is how long audio is to be waited for, so long after its call, as others were late.
func (h *habit) unripe(age time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.ripe-age)
}

// tooSoon is how long a recording that was never asked for is to wait: only where so many
// are late that asking at once is not worth its requests.
func (h *habit) tooSoon(key string, age time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.early[key] || h.late*fewLate <= h.prompt+h.late {
		return 0
	}
	return max(0, h.ripe-age)
}
