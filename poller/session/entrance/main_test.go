package entrance

import (
	"context"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const errorGap = 1100 * time.Millisecond

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
