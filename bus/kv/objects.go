package kv

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

// Objects is one object store. Every object carries its SHA-256, which is
// checked when it is read.
type Objects struct {
	conn   *wire.Conn
	bucket schemas.Bucket
	name   string // e.g. AICC_QUARANTINE
}

// OpenObjects returns an object store of the contract. It asks the server nothing.
func OpenObjects(c *wire.Conn, bucket schemas.Bucket) *Objects {
	return &Objects{conn: c, bucket: bucket, name: c.Names().Bucket(bucket)}
}

// Put stores what r holds under a name, replacing an object of that name, and
// returns "<bucket>/<name>". It tries once, since r can be read once; after an
// error nothing is under the name, or what was there before.
func (o *Objects) Put(ctx context.Context, name string, meta map[string]string, r io.Reader) (object string, err error) {
	start := time.Now()
	m := move(ctx, patience)
	defer m.end()
	store, err := o.conn.JetStream().ObjectStore(m, o.name)
	if err == nil {
		object := jetstream.ObjectMeta{Name: name, Metadata: meta, Opts: &jetstream.ObjectMetaOptions{ChunkSize: o.chunkBytes()}}
		_, err = store.Put(m, object, leaving{Reader: r, moving: m})
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
// reader's last Read reports an object whose bytes do not match its digest; a Read for
// which nothing comes for half a minute fails.
func (o *Objects) Get(ctx context.Context, name string) (r io.ReadCloser, found bool, err error) {
	start := time.Now()
	m := move(ctx, patience)
	var object jetstream.ObjectResult
	store, err := o.conn.JetStream().ObjectStore(m, o.name)
	if err == nil {
		object, err = store.Get(m, name)
	}
	if err == nil {
		m.timer.Stop() // until it is read
		return arriving{ReadCloser: object, moving: m}, true, nil
	}
	m.end()
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("get %s from %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
}

// Find returns what is known of an object; found is false when there is none of that name.
func (o *Objects) Find(ctx context.Context, name string) (object schemas.Object, found bool, err error) {
	start := time.Now()
	var info *jetstream.ObjectInfo
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err == nil {
		info, err = store.GetInfo(ctx, name)
	}
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return schemas.Object{}, false, nil
	}
	if err != nil {
		return schemas.Object{}, false, fmt.Errorf("look for %s in %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	return known(info), true, nil
}

func known(info *jetstream.ObjectInfo) schemas.Object {
	return schemas.Object{Name: info.Name, Bytes: int64(info.Size), StoredAt: info.ModTime, Meta: info.Metadata}
}

// Each calls f with every object whose name begins with a prefix, in no order. An error of
// f ends it and is returned as it is.
func (o *Objects) Each(ctx context.Context, prefix string, f func(schemas.Object) error) error {
	start := time.Now()
	var all []*jetstream.ObjectInfo
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err == nil {
		all, err = store.List(ctx)
	}
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return fmt.Errorf("list %s: %w", o.name, o.conn.Explain(start, o.name, err))
	}
	for _, info := range all {
		if !strings.HasPrefix(info.Name, prefix) {
			continue
		}
		if err := f(known(info)); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an object, with what would be left of its name. One that is not there is
// no error.
func (o *Objects) Delete(ctx context.Context, name string) error {
	start := time.Now()
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err == nil {
		err = store.Delete(ctx, name)
	}
	if err == nil { // else a marker of each name would stay for ever
		err = o.forget(ctx, name)
	}
	if err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("delete %s from %s: %w", name, o.name, o.conn.Explain(start, o.name, err))
	}
	return nil
}

func (o *Objects) forget(ctx context.Context, name string) error {
	stream, err := o.conn.JetStream().Stream(ctx, o.conn.Names().ObjectStream(o.bucket))
	if err != nil {
		return err
	}
	subject := "$O." + o.name + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
	return stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
}

// Sweep removes parts of objects that were stored before a time and belong to no object: a
// crash, or a broken connection, left them.
func (o *Objects) Sweep(ctx context.Context, before time.Time) error {
	start := time.Now()
	if err := o.sweep(ctx, before); err != nil {
		return fmt.Errorf("sweep %s: %w", o.name, o.conn.Explain(start, o.name, err))
	}
	return nil
}

func (o *Objects) sweep(ctx context.Context, before time.Time) error {
	store, err := o.conn.JetStream().ObjectStore(ctx, o.name)
	if err != nil {
		return err
	}
	stream, err := o.conn.JetStream().Stream(ctx, o.conn.Names().ObjectStream(o.bucket))
	if err != nil {
		return err
	}
	parts := o.conn.Names().ObjectSubjects(o.bucket)[0]
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(parts)) // before the objects: what is put meanwhile is in those
	if err != nil {
		return err
	}
	all, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return err
	}
	orphans := info.State.Subjects
	for _, object := range all {
		delete(orphans, strings.TrimSuffix(parts, ">")+object.NUID)
	}
	for subject := range orphans {
		if err := purgeOld(ctx, stream, subject, before); err != nil {
			return err
		}
	}
	return nil
}

// purgeOld removes a part whose last message is of before a time; else it is still being put.
func purgeOld(ctx context.Context, stream jetstream.Stream, subject string, before time.Time) error {
	last, err := stream.GetLastMsgForSubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // gone meanwhile
		return nil
	case err != nil || last.Time.After(before):
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
}
