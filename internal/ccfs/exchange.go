package ccfs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aiccbridge/internal/heads"
	"aiccbridge/internal/tlsadvice"
	"aiccbridge/internal/viaproxy"
)

const (
	// contentType is the samples' spelling; the tables print a blank after the semicolon,
	// which would sign differently.
	contentType = "application/json;charset=UTF-8"
	userAgent   = "aiccbridge"
)

// envelope wraps every request.
type envelope struct {
	Request version `json:"request"`
	MsgBody any     `json:"msgBody"`
}

type version struct {
	Version string `json:"version"`
}

// call is one request: body is sent as JSON, as it stands.
type call struct {
	operation string
	query     url.Values
	body      any
}

// enveloped is how nearly all operations are asked for.
func enveloped(operation string, msgBody any) call {
	return call{operation: operation, body: envelope{Request: version{"2.0"}, MsgBody: msgBody}}
}

// errSilent is the cause of a context cancelled by the watchdog.
var errSilent = errors.New("the platform went silent")

// exchange sends one request and hands a successful answer to handle while the connection
// is open. All errors but those of handle are of type *Error.
func (c *Client) exchange(ctx context.Context, q call, handle func(context.Context, *answer) error) (err error) {
	payload, err := json.Marshal(q.body)
	if err != nil {
		return invalid(q.operation, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := heads.Head{At: time.Now(), Operation: q.operation}
	defer func() { c.note(h, err) }()
	a, err := c.guarded(ctx, q.operation, func() (*answer, error) {
		watchdog := time.AfterFunc(c.options.AnswerTimeout, func() { cancel(errSilent) })
		defer watchdog.Stop() // from here on only reads of a file restart it
		return c.send(ctx, q, payload, watchdog)
	})
	if err != nil {
		return err
	}
	defer a.close()
	h.Status, h.Bytes = a.status, max(a.length, 0)
	return handle(ctx, a)
}

// note keeps the head of an exchange that ended with err.
func (c *Client) note(h heads.Head, err error) {
	h.Took = time.Since(h.At)
	if e := (*Error)(nil); errors.As(err, &e) {
		if e.Local {
			return // nothing was sent
		}
		h.Status, h.Code, h.Class = cmp.Or(e.Status, h.Status), e.Code, string(e.Class)
	}
	c.options.Heads.Note(h)
}

// guarded runs call under the circuit's rules.
func (c *Client) guarded(ctx context.Context, operation string, call func() (*answer, error)) (*answer, error) {
	leave, err := c.circuit.enter(ctx)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Operation = operation
			return nil, c.fail(e)
		}
		return nil, err
	}
	defer leave()
	a, err := call()
	c.circuit.report(err)
	return a, err
}

func (c *Client) send(ctx context.Context, q call, payload []byte, watchdog *time.Timer) (*answer, error) {
	target := *c.base
	target.Path += "/" + q.operation
	target.RawQuery = q.query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(payload))
	if err != nil {
		return nil, c.fail(invalid(q.operation, err))
	}
	req.Host = c.base.Host
	req.Header.Set("Content-Type", contentType)
	setCommon(req.Header)
	res, err := c.access.Load().http.Do(req)
	if err != nil {
		return nil, c.noAnswer(ctx, q.operation, err)
	}
	c.clock.observe(res.Header)
	return c.take(ctx, q.operation, res, watchdog)
}

// setCommon sets the headers of every request.
func setCommon(h http.Header) {
	h.Set("Accept", "*/*")
	h.Set("User-Agent", userAgent)
	h.Set("Accept-Encoding", "identity") // the first bytes should be the file's own
}

// take reads an answer, or closes it.
func (c *Client) take(ctx context.Context, operation string, res *http.Response, watchdog *time.Timer) (*answer, error) {
	a, err := c.read(ctx, operation, res, watchdog)
	if err != nil {
		_ = res.Body.Close() // nothing was kept of it
		return nil, err
	}
	return a, nil
}

// noAnswer describes a call that ended without an HTTP answer, or in the middle of one.
func (c *Client) noAnswer(ctx context.Context, operation string, err error) *Error {
	e := &Error{Operation: operation, Class: Again, Err: err}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		e.Err = wrapped.Err // drops "Post https://…", the operation says as much
	}
	cure := tlsadvice.Explain(err)
	if through := (*viaproxy.Error)(nil); errors.As(err, &through) {
		cure = "" // it says so itself
	}
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		e.Err = errSilent
		e.Message = fmt.Sprintf("no complete answer within %v", c.options.AnswerTimeout)
	case ctx.Err() != nil:
		e.Err = context.Cause(ctx)
	case cure != "":
		e.Message = cure
	}
	return c.fail(e)
}

// fail completes an error: the clock's state, and no secret in the text.
func (c *Client) fail(e *Error) *Error {
	e.Skew, _ = c.clock.read()
	e.Message = clean(c.hide(e.Message)) // shortened first, it could end in the beginning of one
	e.Code = clean(e.Code)
	return e
}

func (c *Client) hide(text string) string {
	with := c.access.Load()
	secrets := []string{with.key.Reveal()}
	if before := with.before.Reveal(); before != "" {
		secrets = append(secrets, before)
	}
	if c.further != nil {
		secrets = append(secrets, c.further()...)
	}
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// hiding is the client with further secrets.
func (c *Client) hiding(further func() []string) *Client {
	with := *c
	with.further = further
	return &with
}
