package wire

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// minVersion is the first server with atomic batches.
var minVersion = version{2, 12, 0}

// checkServer tries once; what no repetition mends is marked as final.
func (c *Conn) checkServer(ctx context.Context) error {
	start := time.Now()
	_, err := c.js.AccountInfo(ctx)
	err = c.denials.explain(start, "", err)
	switch {
	case Denied(err):
		return Final(err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return Final(fmt.Errorf("jetstream is off on this server; switch it on (jetstream {} in its configuration) or connect to another: %w", err))
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return Final(fmt.Errorf("jetstream is off for this account; switch it on for the account of these credentials: %w", err))
	case err != nil:
		return fmt.Errorf("ask for jetstream: %w", err)
	}
	found := c.nc.ConnectedServerVersion()
	if found == "" {
		return errors.New("connection lost")
	}
	if err := checkVersion(found); err != nil {
		return Final(err)
	}
	return nil
}

// Clustered reports whether the server says that it is in a cluster.
func (c *Conn) Clustered(ctx context.Context) (clustered bool, err error) {
	err = c.Retry(ctx, c.Trouble("asset", "jetstream"), func(context.Context) error {
		server := c.nc.ConnectedServerId()
		clustered = c.nc.ConnectedClusterName() != ""
		if server == "" || server != c.nc.ConnectedServerId() {
			return errors.New("connection lost")
		}
		return nil
	})
	return clustered, err
}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// parseVersion reads "2.12.1", "v2.12.1" and "2.12.1-RC.1".
func parseVersion(s string) (v version, ok bool) {
	core, _, _ := strings.Cut(strings.TrimPrefix(s, "v"), "-")
	core, _, _ = strings.Cut(core, "+")
	parts := strings.Split(core, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return version{}, false
		}
		v[i] = int(n)
	}
	return v, true
}

func checkVersion(found string) error {
	v, ok := parseVersion(found)
	if !ok {
		return fmt.Errorf("nats server calls itself version %q; %s or newer is required", found, minVersion)
	}
	for i, n := range v {
		if n > minVersion[i] {
			return nil
		}
		if n < minVersion[i] {
			return fmt.Errorf("nats server %s is too old: %s or newer is required (atomic batches); upgrade it, or leave nats.url empty to use the embedded server", v, minVersion)
		}
	}
	return nil
}
