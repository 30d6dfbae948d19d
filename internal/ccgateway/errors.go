package ccgateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"aiccbridge/internal/heads"
	"aiccbridge/internal/http1"
	"aiccbridge/internal/tlsadvice"
	"aiccbridge/internal/viaproxy"
)

var (
	// ErrNoSession: the agent has no GUID; call SignIn or Resume first.
	ErrNoSession = errors.New("agent has no session: sign in or hand over a GUID first")
	// ErrUnknownNode: an agent's session is said to be at a node that is not in Options.Nodes.
	ErrUnknownNode = errors.New("session is at a node that the bridge does not know")
	// ErrBodyTooLarge: an answer exceeded Options.MaxBodyBytes.
	ErrBodyTooLarge = errors.New("answer exceeds the size limit")
	// ErrUndecodable: an answer with status 200 is not what the platform documents.
	ErrUndecodable = errors.New("answer can't be decoded")
)

// CodeError is an answer with status 200 whose return code is not "0".
type CodeError struct {
	Operation string // e.g. "sign in"
	Agent     string
	Code      string // e.g. "100-002"
	Message   string // the gateway's text, shortened, secrets replaced by ***; often ""
	Class     Class
}

func (e *CodeError) Error() string {
	s := fmt.Sprintf("%s agent %s: gateway refused with %s", e.Operation, e.Agent, e.Code)
	if text := CodeText(e.Code); text != "" {
		s += " (" + text + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// StatusError is an answer whose HTTP status is not 200.
type StatusError struct {
	Operation string
	Agent     string
	Status    int
	// Class is ClassAuth for 401 and 403, which the platform doesn't document:
	// try once more, then treat them like 000-003. Otherwise it is ClassAgain.
	Class Class
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s agent %s: gateway answered HTTP status %d %s",
		e.Operation, e.Agent, e.Status, http.StatusText(e.Status))
	if e.Status == http.StatusProxyAuthRequired {
		s += "; a proxy on the way wants user and password: look at proxy_url and proxy_credentials_file"
	}
	return s
}

// statusError is of an answer with a status that is not 200. Before an http:// gateway a
// proxy answers with pages of its own: its 403 says nothing about the agent's account.
func (a *Agent) statusError(c call, ans http1.Answer) *StatusError {
	e := &StatusError{Operation: c.operation, Agent: a.id, Status: ans.Status, Class: ClassAgain}
	page := a.client.forward != nil && strings.HasPrefix(strings.ToLower(ans.Header.Get("Content-Type")), "text/html")
	if ans.Status == http.StatusUnauthorized || ans.Status == http.StatusForbidden && !page {
		e.Class = ClassAuth
	}
	return e
}

// wrap names the call in an error that isn't the gateway's own.
func wrap(c call, a *Agent, err error) error {
	return fmt.Errorf("%s agent %.20s: %w", c.operation, a.id, err)
}

// brokenError is an error of net/http without the foreign text in it: a malformed
// answer is quoted there, and the line quoted may be the one with the GUID.
type brokenError struct {
	text string
	err  error
}

func (e *brokenError) Error() string { return e.text }
func (e *brokenError) Unwrap() error { return e.err }

func hideForeignText(err error) error {
	before, _, found := strings.Cut(err.Error(), "malformed")
	if !found {
		return err
	}
	return &brokenError{text: before + "malformed HTTP answer", err: err}
}

// advised adds what cures a TLS connection that does not come about, if that is known.
// A proxy's error has its own.
func advised(err error) error {
	if through := (*viaproxy.Error)(nil); errors.As(err, &through) {
		return err
	}
	if cure := tlsadvice.Explain(err); cure != "" {
		return fmt.Errorf("%w; %s", err, cure)
	}
	return err
}

// note keeps the head of an exchange that ended with err.
func (c *Client) note(of call, ans http1.Answer, err error) {
	h := heads.Head{At: ans.Begun, Operation: of.operation, Status: ans.Status, Bytes: int64(len(ans.Body)), Took: time.Since(ans.Begun)}
	var code *CodeError
	var status *StatusError
	switch {
	case ans.Begun.IsZero(): // there was no connection
		h.At, h.Took, h.Class = time.Now(), 0, ClassAgain.String()
	case err == nil:
		h.Code = CodeOK
	case errors.As(err, &code):
		h.Code, h.Class = code.Code, code.Class.String()
	case errors.As(err, &status):
		h.Class = status.Class.String()
	default:
		h.Class = ClassAgain.String()
	}
	c.heads.Note(h)
}
