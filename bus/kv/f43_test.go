package kv

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

// lags is a link to a cluster whose replica lags: of a look-up that any replica may
// answer it knows nothing yet. The leader's answers are as they are. Of the first answer
// to a write nothing comes.
func lags(t *testing.T) (*Bucket, *bustest.Lossy) {
	t.Helper()
	s := bustest.Server(t)
	hubtest.Ensure(t, hubtest.Open(t, s))
	lossy := bustest.NewLossy(s)
	lossy.Write = func(c net.Conn, p []byte) (int, error) {
		return c.Write(bytes.ReplaceAll(p, []byte("DIRECT.GET.KV_AICC_WINDOWS.$KV.AICC_WINDOWS.key"), []byte("DIRECT.GET.KV_AICC_WINDOWS.$KV.AICC_WINDOWS.yek")))
	}
	return Open(hubtest.Open(t, lossy, hubtest.Quick(300*time.Millisecond)), schemas.BucketWindows), lossy
}

// A replica that lags is never asked where the answer decides: our own write is not taken
// for somebody else's, nor what is there for absent.
func TestF43LaggingReplica(t *testing.T) {
	t.Parallel()
	const answer = `"stream":"KV_AICC_WINDOWS"`
	cases := map[string]func(t *testing.T, k *Bucket, l *bustest.Lossy) error{
		"a new key, its acknowledgement lost": func(t *testing.T, k *Bucket, l *bustest.Lossy) error {
			l.Drop(answer, 1)
			if r, ok, err := k.Swap(t.Context(), "key", []byte("1"), 0); !ok || r == 0 || err != nil {
				return fmt.Errorf("our own write counts as another's: %d %v %v", r, ok, err)
			}
			return nil
		},
		"a renewal, its acknowledgement lost": func(t *testing.T, k *Bucket, l *bustest.Lossy) error {
			r, _, err := k.Swap(t.Context(), "key", []byte("1"), 0)
			if err != nil {
				return err
			}
			l.Drop(answer, 1)
			if next, ok, err := k.Swap(t.Context(), "key", []byte("2"), r); !ok || next <= r || err != nil {
				return fmt.Errorf("our own write counts as another's: %d %v %v", next, ok, err)
			}
			return nil
		},
		"a deletion, then a new value": func(t *testing.T, k *Bucket, _ *bustest.Lossy) error {
			if _, err := k.Put(t.Context(), "key", []byte("1")); err != nil {
				return err
			}
			if err := k.Delete(t.Context(), "key"); err != nil {
				return err
			}
			if _, ok, err := k.Swap(t.Context(), "key", []byte("2"), 0); !ok || err != nil {
				return fmt.Errorf("a deleted key counts as there: %v %v", ok, err)
			}
			return nil
		},
		"a value, read right after it was written": func(t *testing.T, k *Bucket, _ *bustest.Lossy) error {
			r, err := k.Put(t.Context(), "key", []byte("1"))
			if err != nil {
				return err
			}
			if v, at, err := k.Get(t.Context(), "key"); string(v) != "1" || at != r || err != nil {
				return fmt.Errorf("a value that is there counts as absent: %q at %d, %v", v, at, err)
			}
			return nil
		},
		"an entry, looked up": func(t *testing.T, k *Bucket, _ *bustest.Lossy) error {
			r, err := k.Put(t.Context(), "key", nil)
			if err != nil {
				return err
			}
			if e, err := k.Lookup(t.Context(), "key"); e.Sequence != r || err != nil {
				return fmt.Errorf("an entry that is there counts as absent: %d, %v", e.Sequence, err)
			}
			return nil
		},
	}
	wrong := 0
	for name, try := range cases {
		k, l := lags(t)
		if err := try(t, k, l); err != nil {
			wrong++
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("figure", fmt.Sprintf("%d looks while a replica lags, %d wrong", len(cases), wrong))
}
