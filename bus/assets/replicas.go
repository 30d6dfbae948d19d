package assets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
)

// autoReplicas are tried on a cluster where nobody says how many there shall be: they
// bear the loss of one server.
const autoReplicas = 3

// forming is how long a cluster may say that it has no place for replicas before it
// is believed: while it starts, it has not heard of all its servers.
const forming = 15 * time.Second

// What a server answers that cannot keep so many replicas.
const (
	codeNoPeers     = 10005 // too few servers with JetStream in the cluster
	codeNoResources = 10023
	codeNoStorage   = 10047 // replicas count several times
	codeNoCluster   = 10074
	codeNoTier      = 10120 // the account has no limits for so many
)

// replicasError says that the server cannot keep a stream on so many servers.
type replicasError struct {
	stream   string
	replicas int
	cause    error
}

func (e *replicasError) Error() string {
	why := "the nats servers give no more"
	if wire.HasCode(e.cause, codeNoCluster) {
		why = "the nats server is in no cluster"
	}
	return fmt.Sprintf("%s can't have %d replicas: %s (%v); set nats.replicas to what they can give, or leave it empty, "+
		"or have at least %d servers with jetstream in the cluster, and limits of the account that allow it", e.stream, e.replicas, why, e.cause, e.replicas)
}

func (e *replicasError) Unwrap() error { return e.cause }

// toTry is how many replicas Ensure asks for.
func (t *Table) toTry(ctx context.Context) (int, error) {
	if n := t.asked(); n > 0 || t.opts.Keep {
		return max(n, 1), nil
	}
	clustered, err := t.conn.Clustered(ctx)
	if err != nil || !clustered {
		return 1, err
	}
	return autoReplicas, nil
}

// asked is how many replicas somebody wants, or the server has turned out to give; 0:
// that is not known yet.
func (t *Table) asked() int {
	if t.opts.Replicas > 0 {
		return t.opts.Replicas
	}
	return int(t.settled.Load())
}

// wanted is the table with so many replicas of everything.
func (t *Table) wanted(replicas int) []Asset {
	all := t.Assets()
	for i := range all {
		all[i].Replicas = replicas
	}
	return all
}

// raise is the number of replicas that a stream is to have: never fewer than it has, nor
// more than it may do with.
func (t *Table) raise(a Asset, have jetstream.StreamConfig) int {
	if slices.Contains(t.opts.AcceptWeaker, a.Label+"."+numReplicas) {
		return have.Replicas
	}
	return max(have.Replicas, a.Replicas)
}

// put makes or changes a stream by put. That there is no place for its replicas is
// believed after a while.
func (t *Table) put(ctx context.Context, c jetstream.StreamConfig, put func(context.Context, jetstream.StreamConfig, ...jetstream.ErrorCode) error) error {
	if c.Replicas < 2 {
		return put(ctx, c)
	}
	for {
		try, cancel := context.WithTimeout(ctx, t.patience)
		err := put(try, c, codeNoCluster, codeNoTier)
		silent := err != nil && try.Err() != nil && ctx.Err() == nil
		cancel()
		var answer *jetstream.APIError
		switch {
		case wire.HasCode(err, codeNoPeers, codeNoResources, codeNoStorage, codeNoCluster, codeNoTier) && errors.As(err, &answer):
			return &replicasError{c.Name, c.Replicas, answer}
		case !silent:
			return err
		}
	}
}

// sayReplicas logs once how many there are.
func (t *Table) sayReplicas(f findings) {
	if !t.conn.External() {
		return
	}
	t.said.Do(func() {
		log := t.conn.Logger()
		if len(f.single) > 0 {
			log.Warn().Strs("streams", f.single).Msg(replicasAdvice)
		} else {
			log.Info().Int("replicas", f.replicas).Msg("streams and buckets are kept on so many servers, or more")
		}
		if len(f.more) > 0 {
			log.Info().Strs("streams", f.more).Int("asked", t.opts.Replicas).Msg("streams have more replicas than nats.replicas asks for; they are left so")
		}
	})
}

// replicasAdvice is about a setting that clients cannot see: how often the
// server syncs to its disk.
const replicasAdvice = "streams on the external nats server have fewer than 3 replicas: unless the server syncs " +
	"before each acknowledgement, a crash of its machine can lose the messages of the last two minutes; " +
	"set sync_interval: always in the server's jetstream block, or run a cluster with 3 replicas of each stream"
