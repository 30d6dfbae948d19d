package ccgateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"aiccbridge/internal/foreign"
)

// call describes one request.
type call struct {
	operation string // for errors, e.g. "sign in"
	method    string
	path      []string // below the base URL
	body      []byte   // JSON; nil for none
	secrets   []string // of the body, kept out of errors
	anonymous bool     // sign-in: sends no GUID, and takes one only on success
}

// answer is what came of one request, however far it got.
type answer struct {
	status      int // 0: no headers came
	header      http.Header
	body        []byte // as far as it was read
	err         error  // the answer is incomplete
	wrote       bool   // some byte of the request may have left
	connections int
}

// exchange makes one request and reads the whole answer. Cookies, and the GUID
// unless the call is anonymous, are taken over before the body is read.
func (a *Agent) exchange(ctx context.Context, c call) answer {
	w := wire{poll: c.operation == pollOperation}
	request, err := a.newRequest(w.trace(ctx), c)
	if err != nil {
		return answer{err: err}
	}
	response, err := a.client.transport.RoundTrip(request)
	if err != nil {
		return answer{err: advised(hideForeignText(err)), wrote: w.wrote(), connections: w.connections}
	}
	defer response.Body.Close()
	a.session.keepCookies(response.Header, time.Now())
	if !c.anonymous {
		a.rotate(response.Header)
	}
	body, err := readAll(response.Body, a.client.maxBody)
	if err == nil {
		body, err = foreign.Unpack(body, response.Header.Get("Content-Encoding"), a.client.maxBody)
	}
	switch {
	case errors.Is(err, foreign.ErrTooLarge):
		err = ErrBodyTooLarge
	case err != nil:
		err = hideForeignText(err)
	}
	return answer{
		status:      response.StatusCode,
		header:      response.Header,
		body:        body,
		err:         err,
		wrote:       true,
		connections: w.connections,
	}
}

// newRequest builds the request of a call. No query is ever sent: calldata, the
// only one documented for the poll, is meant for refreshed agent toolbars.
func (a *Agent) newRequest(ctx context.Context, c call) (*http.Request, error) {
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, a.client.base.JoinPath(c.path...).String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json; charset=UTF-8")
	request.Header.Set("User-Agent", "aicc-bridge")
	request.Header.Set("Accept-Encoding", "identity") // what is packed and cut is lost as a whole
	a.session.dress(request, c.anonymous)
	if c.method == http.MethodGet {
		nonReplayable(request)
	}
	return request, nil
}

// nonReplayable keeps net/http from sending a GET a second time.
//
// When a reused connection breaks before an answer, persistConn.shouldRetryRequest
// repeats a request in two cases:
//
//   - Request.isReplayable: a GET whose Body is nil or NoBody, or that has a
//     GetBody. Here the server may have read the first copy, popped an event, and
//     lost its answer: the event would vanish without an error.
//   - nothingWrittenError, if outgoingLength is 0 or there is a GetBody. This one is
//     harmless, as nothing was written, but it goes as well; the caller then sees
//     NotSent, may poll again at once, and every poll is one request at most.
//
// A Body that is neither nil nor NoBody, and no GetBody, turn both off. It is
// empty, so nothing of it goes on the wire. The encoding "identity" means "as it
// is"; net/http doesn't write it, but it keeps it from probing the body in a
// goroutine of its own, which under load ends in "Transfer-Encoding: chunked".
//
// PUT, POST and DELETE are not isReplayable; of them only what was never written
// is repeated.
func nonReplayable(r *http.Request) {
	r.Body = io.NopCloser(bytes.NewReader(nil))
	r.GetBody = nil
	r.TransferEncoding = []string{"identity"}
}

// readAll reads to the end, so that the connection can be reused, but no further
// than limit. What was read is returned beside an error.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], ErrBodyTooLarge
	}
	return body, err
}

// rotate takes over a new GUID from the headers of an answer.
func (a *Agent) rotate(h http.Header) {
	guid := guidFrom(h, false)
	if guid == "" {
		return
	}
	if a.session.setGUID(guid) {
		a.client.log.Debug().Str("agent", a.id).Msg("guid rotated")
	}
}
