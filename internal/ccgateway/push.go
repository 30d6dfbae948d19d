package ccgateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"aiccbridge/internal/foreign"
)

// PushTo is what a sign-in says so that the gateway pushes the agent's events instead of
// waiting to be polled. The gateway has two dialects: either CallBackURI and ServiceToken
// (cec_07_1202, cec_07_1275), or PushURL alone, which the clients of 2018 to 2020 send and no
// page of today names. All are secrets or hold one.
type PushTo struct {
	CallBackURI  string // at most 200 characters
	ServiceToken string // at most 50 letters and digits; comes back as header service_token
	PushURL      string // its query comes back with each push
}

// Limits of a sign-in that asks for pushes (cec_07_1202).
const (
	MaxCallBackURI  = 200
	MaxServiceToken = 50
)

// tokenForm is a service token "without special characters".
var tokenForm = regexp.MustCompile(`^[0-9A-Za-z]{1,50}$`)

func (p PushTo) check() error {
	switch {
	case p == (PushTo{}):
		return nil
	case p.PushURL != "" && (p.CallBackURI != "" || p.ServiceToken != ""):
		return errors.New("a sign-in asks for pushes in one dialect: callBackUri and serviceToken, or pushUrl")
	case p.PushURL != "":
		return nil
	case p.CallBackURI == "" || p.ServiceToken == "":
		return errors.New("callBackUri and serviceToken belong together; with one of them alone the agent would be polled")
	case len(p.CallBackURI) > MaxCallBackURI:
		return fmt.Errorf("callBackUri has %d characters; the gateway takes %d", len(p.CallBackURI), MaxCallBackURI)
	case !tokenForm.MatchString(p.ServiceToken):
		return errors.New("serviceToken must be at most 50 letters and digits")
	}
	return nil
}

func (p PushTo) secrets() []string {
	secrets := []string{p.ServiceToken}
	if u, err := url.Parse(p.PushURL); err == nil {
		secrets = append(secrets, u.Query().Get("token"))
	}
	return secrets
}

// Handshake keeps an agent signed in whose events are pushed to a callBackUri, every 30 s
// (cec_07_1204); a poll is a heartbeat itself (cec_05_4015). serviceToken replaces the token
// that pushes carry; "": it stays.
func (a *Agent) Handshake(ctx context.Context, serviceToken string) error {
	c := call{operation: "send handshake of", method: http.MethodPost, path: "onlineagent/" + a.id + "/handshake"}
	if serviceToken != "" {
		if !tokenForm.MatchString(serviceToken) {
			return wrap(c, a, errors.New("the service token must be at most 50 letters and digits"))
		}
		c.header, c.secrets = "service_token: "+serviceToken+"\r\n", []string{serviceToken}
	}
	_, _, err := a.do(ctx, c)
	return err
}

// Heartbeat is the handshake of agents whose events are pushed to a pushUrl, every 60 s.
// loginTime is that of the session, zero if the gateway does not say.
func (a *Agent) Heartbeat(ctx context.Context) (loginTime time.Time, err error) {
	_, result, err := a.do(ctx, call{operation: "send heartbeat of", method: http.MethodPut, path: "onlineagent/" + a.id + "/heartbeat"})
	return result.Maybe("loginTime").Moment(), err
}

// Pushed is the body of one push.
type Pushed struct {
	// WorkNo is the agent that the body names beside its events; "": none.
	WorkNo string
	// Items are in their order, oldest first.
	Items []Item
}

// Item is an event, or what stood where one should and is none: then it is in Bad, as in
// [Poll], and the event is the zero one.
type Item struct {
	Event Event
	Bad   json.RawMessage
}

// DecodePush reads the body of a push, of either dialect: {"workNo","eventList"}, or the
// envelope of a poll with one event. What is neither matches ErrUndecodable; an error quotes
// nothing of the body.
func DecodePush(body []byte, contentType string) (Pushed, error) {
	body = bytes.TrimSpace(foreign.Clean(body, contentType))
	envelope, err := foreign.ParseObject(body)
	if err != nil {
		return Pushed{}, fmt.Errorf("%w: it is no JSON object", ErrUndecodable)
	}
	workNo, agreed := envelope.Text("workNo")
	if !agreed {
		return Pushed{}, fmt.Errorf("%w: it names two agents", ErrUndecodable)
	}
	p, members := Pushed{WorkNo: workNo.Literal()}, envelope.All("eventList", "event")
	if bare, agreed := envelope.Text("eventType"); !agreed || bare.Literal() != "" {
		members = append(members, body)
	}
	if len(members) == 0 {
		return Pushed{}, fmt.Errorf("%w: it has neither eventList nor event", ErrUndecodable)
	}
	for _, member := range members {
		p.Items = append(p.Items, itemsOf(member)...)
	}
	return p, nil
}

// itemsOf are the items of a list, or of one that stands alone.
func itemsOf(raw json.RawMessage) (items []Item) {
	each := []json.RawMessage{raw}
	if len(raw) > 0 && raw[0] == '[' {
		each = nil
		_ = json.Unmarshal(raw, &each) // can't fail: it was part of valid JSON
	}
	for _, one := range each {
		event, ok := decodeEvent(one)
		switch {
		case ok:
			items = append(items, Item{Event: event})
		case !blank(one):
			items = append(items, Item{Bad: one})
		}
	}
	return items
}
