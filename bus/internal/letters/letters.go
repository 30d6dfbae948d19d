// Package letters counts dead letters that were stored lately.
//
// Invariant: the newest hundred are remembered, and no more.
//
// It may import schemas.
package letters

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// remembered is how many are.
const remembered = 100

// Newest remembers the newest dead letters. The zero value has seen none. It is safe for
// concurrent use.
type Newest struct {
	mu   sync.Mutex
	at   []time.Time // the newest last
	last schemas.Reason
}

// Add counts a dead letter that was stored now.
func (n *Newest) Add(body []byte) {
	var letter schemas.DeadLetter
	_ = json.Unmarshal(body, &letter) // we made it
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at, n.last = append(n.at, time.Now()), letter.Reason
	n.at = n.at[max(0, len(n.at)-remembered):]
}

// Within counts those of the time before now. last is the reason of the newest.
func (n *Newest) Within(d time.Duration) (count int, last schemas.Reason) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = slices.DeleteFunc(n.at, func(at time.Time) bool { return time.Since(at) > d })
	return len(n.at), n.last
}
