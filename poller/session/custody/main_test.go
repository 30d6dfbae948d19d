package custody

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket is one entry, with compare-and-set.
type bucket struct {
	mu       sync.Mutex
	value    []byte
	revision uint64
	fail     error
	writes   int
}

func (b *bucket) Get(context.Context, string) ([]byte, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.value, b.revision, b.fail
}

func (b *bucket) setFail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *bucket) Swap(_ context.Context, _ string, value []byte, revision uint64) (uint64, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil || revision != b.revision {
		return 0, false, b.fail
	}
	b.put(string(value))
	b.writes++
	return b.revision, true, nil
}

// put is what another system does.
func (b *bucket) put(value string) { b.value, b.revision = []byte(value), b.revision+1 }

// sealer shows what it seals, for one context.
type sealer struct{ fail error }

func (s sealer) Seal(plain []byte, context string) (string, error) {
	return fmt.Sprintf("%s|%x", context, plain), s.fail
}

func (s sealer) Open(sealed, context string) (plain []byte, err error) {
	if n, _ := fmt.Sscanf(sealed, context+"|%x", &plain); n == 0 && sealed != context+"|" {
		return nil, errors.New("not sealed here")
	}
	return plain, s.fail
}

// gateway is one agent's session there.
type gateway struct {
	guid, cookie string
	updates      int
	updated      string // GUID that UpdateGUID brings
}

func (g *gateway) Resume(ticket string) { g.guid, g.cookie, _ = strings.Cut(ticket, "\n") }
func (g *gateway) GUID() string         { return g.guid }

func (g *gateway) Ticket() string {
	if g.cookie == "" {
		return g.guid
	}
	return g.guid + "\n" + g.cookie
}

func (g *gateway) UpdateGUID(context.Context) error {
	g.updates++
	g.guid = g.updated
	return nil
}

// numbers is the record of an agent.
type numbers struct {
	seq       uint64
	forgotten int
}

func (n *numbers) Seq() uint64 { return n.seq }
func (n *numbers) Forget()     { n.forgotten++ }
