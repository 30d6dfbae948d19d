package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Objects is one object store. Every object carries its SHA-256, which is
// checked when it is read.
type Objects struct {
	conn *wire.Conn
	name string // e.g. AICC_QUARANTINE
}

// OpenObjects returns an object store of the contract. It asks the server nothing.
func OpenObjects(c *wire.Conn, bucket schemas.Bucket) *Objects {
	return &Objects{conn: c, name: c.Names().Bucket(bucket)}
}

// Put stores what r holds under a name, replacing an object of that name, and
// returns "<bucket>/<name>". It tries once, since r can be read once; after an
// error nothing is under the name, or what was there before.
func (o *Objects) Put(ctx context.Context, name string, meta map[string]string, r io.Reader) (object string, err error) {
	start := time.Now()
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err == nil {
		object := jetstream.ObjectMeta{Name: name, Metadata: meta, Opts: &jetstream.ObjectMetaOptions{ChunkSize: o.chunkBytes()}}
		_, err = store.Put(ctx, object, r)
	}
	if err != nil {
		return "", fmt.Errorf("put %s into %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	return o.name + "/" + name, nil
}

// chunkBytes is how much of an object goes into one message: NATS' usual 128
// KiB, or half of what the server takes.
func (o *Objects) chunkBytes() uint32 {
	const usual = 128 << 10
	if limit := o.conn.MaxPayload(); limit > 1 && limit < usual {
		return uint32(limit / 2)
	}
	return usual
}

// Get opens an object; found is false when there is none of that name. The
// reader's last Read reports an object whose bytes do not match its digest.
func (o *Objects) Get(ctx context.Context, name string) (r io.ReadCloser, found bool, err error) {
	start := time.Now()
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err != nil {
		return nil, false, fmt.Errorf("get %s from %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	object, err := store.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("get %s from %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	return object, true, nil
}

// Has reports whether there is an object of that name.
func (o *Objects) Has(ctx context.Context, name string) (bool, error) {
	start := time.Now()
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err == nil {
		_, err = store.GetInfo(ctx, name)
	}
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s in %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	return true, nil
}
