package voice

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Passes are secrets that open one recording each for a while: listening tokens, or the
// signatures of addresses in the object store. It is safe for concurrent use.
type Passes struct {
	seed uint64
	life time.Duration

	mu     sync.Mutex
	count  int
	passes map[string]pass
}

type pass struct {
	recording Recording
	until     time.Time
}

// NewPasses returns none yet; each will be good for life.
func NewPasses(seed uint64, life time.Duration) *Passes {
	return &Passes{seed: seed, life: life, passes: map[string]pass{}}
}

// Issue makes a pass: 64 upper-case hex digits.
func (p *Passes) Issue(r Recording, now time.Time) (secret string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s", p.seed, now.UnixNano(), p.count, r.Name))
	secret, until = strings.ToUpper(hex.EncodeToString(sum[:])), now.Add(p.life)
	p.passes[secret] = pass{r, until}
	return secret, until
}

// Open returns what a pass opens; false when there is no such pass, or its time is over.
func (p *Passes) Open(secret string, now time.Time) (Recording, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	it, ok := p.passes[secret]
	return it.recording, ok && now.Before(it.until)
}
