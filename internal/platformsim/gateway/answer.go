package gateway

import (
	"net/http"
	"strconv"

	"aiccbridge/internal/platformsim/gateway/wire"
)

// jsonType is the content type of every answer.
const jsonType = "application/json;charset=UTF-8"

// send writes a body. The error of a client that has gone is returned.
func send(w http.ResponseWriter, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}

// answer writes an envelope. A client that has gone is told nothing.
func (g *Gateway) answer(w http.ResponseWriter, code string, inner wire.Pair) {
	_ = send(w, jsonType, g.o.Shape.Envelope(code, inner))
}
