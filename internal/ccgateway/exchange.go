package ccgateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"aiccbridge/internal/foreign"
	"aiccbridge/internal/http1"
	"aiccbridge/internal/sabotage"
)

// call describes one request.
type call struct {
	operation string // for errors, e.g. "sign in"
	method    string
	path      string   // below the base URL
	body      []byte   // JSON; nil for none
	header    string   // further lines, each with its end; "": none
	secrets   []string // of body and header, kept out of errors
	anonymous bool     // sign-in: sends no GUID, and takes one only on success
}

// exchange makes one request, once, and reads the whole answer. Cookies, and the GUID
// unless the call is anonymous, are taken over even if the body is cut.
func (a *Agent) exchange(ctx context.Context, c call, timeout time.Duration) http1.Answer {
	way, err := a.client.way()
	if err != nil {
		return http1.Answer{Err: err}
	}
	write := func(to []byte) []byte { return a.appendRequest(to, c, way) }
	r := http1.Request{Append: write, Timeout: timeout, MaxBody: a.client.maxBody}
	if c.operation == pollOperation {
		r.Written = pollSent
	}
	answer := a.client.wire.Do(ctx, r)
	if answer.Status == 0 {
		answer.Err = advised(hideForeignText(answer.Err))
		return answer
	}
	a.session.keepCookies(answer.Header, time.Now())
	if !c.anonymous {
		a.rotate(answer.Header)
	}
	if answer.Err == nil {
		answer.Body, answer.Err = foreign.Unpack(answer.Body, answer.Header.Get("Content-Encoding"), a.client.maxBody)
	}
	switch {
	case errors.Is(answer.Err, foreign.ErrTooLarge), errors.Is(answer.Err, http1.ErrBodyTooLarge):
		answer.Err = ErrBodyTooLarge
	case answer.Err != nil:
		answer.Err = hideForeignText(answer.Err)
	}
	return answer
}

// pollSent is where a bridge may die, or stop, with a poll just sent.
func pollSent() { sabotage.Point("poll.sent") }

// way is what a proxy that is asked in plain HTTP wants to be told: before the path, and
// as a header.
type way struct{ origin, header string }

func (c *Client) way() (w way, err error) {
	if c.forward == nil {
		return w, nil
	}
	proxy, err := c.forward(&http.Request{URL: c.base})
	if err != nil {
		return w, fmt.Errorf("choose the way: %w", err)
	}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		w.header = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)) + "\r\n"
	}
	w.origin = "http://" + c.base.Host
	return w, nil
}

// appendRequest appends the request of a call as it goes on the wire. No query is ever
// sent: calldata, the only one documented for the poll, is meant for refreshed agent
// toolbars.
func (a *Agent) appendRequest(b []byte, c call, w way) []byte {
	b = append(append(append(b, c.method...), ' '), w.origin...)
	b = append(append(append(b, a.client.target...), c.path...), " HTTP/1.1\r\nHost: "...)
	b = append(b, a.client.base.Host...)
	// What is packed and cut is lost as a whole.
	b = append(b, "\r\nUser-Agent: aicc-bridge\r\nAccept-Encoding: identity\r\nContent-Type: application/json; charset=UTF-8\r\n"...)
	b = append(b, w.header...)
	if c.body != nil || c.method != http.MethodGet && c.method != http.MethodDelete {
		b = append(append(b, "Content-Length: "...), strconv.Itoa(len(c.body))+"\r\n"...)
	}
	b = append(a.session.appendTo(b, c.anonymous), c.header...)
	return append(append(b, "\r\n"...), c.body...)
}

// rotate takes over a new GUID from the headers of an answer.
func (a *Agent) rotate(h http.Header) {
	guid := guidFrom(h, false)
	if guid == "" {
		return
	}
	if a.session.setGUID(guid) {
		a.home.log.Debug().Str("agent", a.id).Msg("guid rotated")
	}
}
