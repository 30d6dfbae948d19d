package session

import (
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
