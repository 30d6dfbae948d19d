package callbacks

import (
	stdlog "log"

	"github.com/rs/zerolog"
)

// discardLog takes net/http's own lines (refused TLS handshakes, mostly scans)
// at debug level.
func discardLog(log zerolog.Logger) *stdlog.Logger {
	return stdlog.New(levelWriter{log}, "", 0)
}

type levelWriter struct{ log zerolog.Logger }

func (w levelWriter) Write(p []byte) (int, error) {
	w.log.Debug().Bytes("text", p).Msg("callback listener")
	return len(p), nil
}
