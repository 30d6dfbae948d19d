package archive

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
)

// FuzzInflate: what the standard library unpacks comes out the same, and what it refuses is
// refused for the same reason; only the last symbols before the damage may be missing.
func FuzzInflate(f *testing.F) {
	text := []byte(exportertest.CallHeader + exportertest.CallRows(0, 40))
	for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.BestCompression, flate.HuffmanOnly} {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, level)
		exportertest.Check(f, err)
		_, err = w.Write(text)
		exportertest.Check(f, err)
		exportertest.Check(f, w.Close())
		f.Add(out.Bytes())
		for at := 0; at < out.Len(); at += 1 + out.Len()/30 {
			f.Add(out.Bytes()[:at])
			flipped := bytes.Clone(out.Bytes())
			flipped[at] ^= 1 << (at % 8)
			f.Add(flipped)
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		want, wantErr := unpacked(flate.NewReader(bytes.NewReader(packed)))
		got, err := unpacked(inflate(bytes.NewReader(packed)))
		same := errors.Is(err, wantErr)
		if errors.As(wantErr, new(flate.CorruptInputError)) {
			same = errors.As(err, new(flate.CorruptInputError))
		}
		if !same || wantErr == nil && !bytes.Equal(got, want) || !bytes.HasPrefix(want, got) {
			t.Errorf("%d bytes, %v; the standard library has %d, %v", len(got), err, len(want), wantErr)
		}
	})
}

// unpacked is what comes out before the error, at most 1 MiB.
func unpacked(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 1<<20)) }
