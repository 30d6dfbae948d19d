package main

import (
	"context"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"aiccbridge/bus"
	"aiccbridge/bus/spool"
	"aiccbridge/bus/witness"
	"aiccbridge/internal/health"
	"aiccbridge/schemas"
)

// witnesses remember what was acknowledged of the streams, and look at them.
type witnesses struct {
	*witness.Book
	watches []*witness.Watch
}

// openWitnesses opens the book of the data folder.
func openWitnesses(b base, open *closers) (*witnesses, error) {
	book, err := witness.Open(witness.Options{
		Dir: filepath.Join(b.cfg.DataDir, "witness"), Names: b.names, Hub: hubName(b.cfg.NATS), Logger: b.log, Registerer: b.metrics,
	})
	if err != nil {
		return nil, err
	}
	open.add(func() {
		if err := book.Close(); err != nil {
			b.log.Warn().Err(err).Msg("what was acknowledged is not noted in full")
		}
	})
	return &witnesses{Book: book}, nil
}

// inProcess looks at the streams of the server in this process, before anything is written
// to them.
func (w *witnesses) inProcess(ctx context.Context, hub *bus.Bus, n schemas.Names) error {
	own := witness.NewWatch(w.Book, hub.Conn(), witness.Own, 0, witness.Streams(n)...)
	w.watches = append(w.watches, own)
	return own.Begin(ctx)
}

// behindSpool looks at the spool, before anything is added to it. The hub is looked at
// when it is there.
func (w *witnesses) behindSpool(ctx context.Context, s *spool.Spool, hub *bus.Bus, n schemas.Names) error {
	known := []string{n.BucketStream(schemas.BucketSessions), n.BucketStream(schemas.BucketState)}
	own := witness.NewWatch(w.Book, s.Conn(), witness.Spool, 0, append(s.Streams(), known...)...)
	w.watches = append(w.watches, own, witness.NewWatch(w.Book, hub.Conn(), witness.Hub, 0, witness.Streams(n)...))
	return own.Begin(ctx)
}

// serve looks again and again until ctx ends.
func (w *witnesses) serve(ctx context.Context, group *errgroup.Group) {
	for _, watch := range w.watches {
		group.Go(func() error { return named("witness", watch.Run(ctx)) })
	}
}

func (w *witnesses) check() health.Check {
	return health.Check{
		Name: "damage", Find: func(context.Context) error { return w.Found() },
		Raised: "messages that were acknowledged are missing in a stream; look at the disk under it, and for who put back an older copy; gap records (store_damaged) say from where on readers lack events, and a backup may still have them",
		Over:   "no stream was found damaged for a day",
	}
}
