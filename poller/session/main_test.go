package session

import (
	"context"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway is one agent's session there. It answers what it is told.
type gateway struct {
	refusals []error // of sign-ins, then success
	skills   []error
	forced   int
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
