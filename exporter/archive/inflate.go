package archive

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/flate"
)

// packedBytes is how much of a packed member is read at a time.
const packedBytes = 64 << 10

// inflate unpacks as compress/flate does in three quarters of the time: the library is
// derived from that, and refuses the same data for the same reasons.
func inflate(r io.Reader) io.ReadCloser { return flate.NewReader(bufio.NewReaderSize(r, packedBytes)) }
