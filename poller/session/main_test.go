package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/rs/zerolog"
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

// gateway is one agent's session there. It answers what it is told.
type gateway struct {
	guid, cookie string
	refusals     []error // of sign-ins, then success
	skills       []error
	forced       int
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

func (g *gateway) SignIn(context.Context, ccgateway.SignIn) (ccgateway.SignedIn, error) {
	return ccgateway.SignedIn{}, next(&g.refusals)
}

func (g *gateway) ForceSignIn(context.Context, ccgateway.SignIn) (ccgateway.SignedIn, error) {
	g.forced++
	return ccgateway.SignedIn{}, next(&g.refusals)
}

func (g *gateway) ResetSkills(context.Context) error { return next(&g.skills) }

// next takes the first of a list of results; the end of the list is success.
func next(list *[]error) error {
	if len(*list) == 0 {
		return nil
	}
	err := (*list)[0]
	*list = (*list)[1:]
	return err
}

// numbers is the record of an agent.
type numbers struct {
	seq       uint64
	forgotten int
}

func (n *numbers) Seq() uint64 { return n.seq }
func (n *numbers) Forget()     { n.forgotten++ }

// options are those of a tenant, with their defaults.
func options(t *testing.T, logs *strings.Builder) Options {
	t.Helper()
	tenant, err := NewTenant(Options{
		Tenant: "acme", Epoch: 7, Metrics: NewMetrics(nil),
		Logger: zerolog.New(logs).Level(zerolog.InfoLevel),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tenant.options
}

func answer(o ccgateway.Outcome, code string) ccgateway.Poll {
	now := time.Now()
	return ccgateway.Poll{Outcome: o, Code: code, Class: ccgateway.Classify(code), SentAt: now, ReceivedAt: now}
}
