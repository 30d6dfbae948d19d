package ccgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"aiccbridge/internal/foreign"
)

// SignIn is the body of a sign-in (cec_07_1202). A nil or zero optional field is
// not sent, so the gateway's default counts.
type SignIn struct {
	Password string // required; encrypted as the gateway is configured
	Phone    string // required; at most 24 characters

	// Push is where the gateway is to push the agent's events. The zero value: nowhere,
	// the agent is to be polled.
	Push PushTo

	AutoAnswer    *bool // default true
	AutoEnterIdle *bool // after a call: true idle (default), false wrap-up
	ReleasePhone  *bool // hang up when a call ends; editions differ on the default
	PhoneLinkage  *bool // default false
	CheckInWebM   *bool // sign in to the web-chat server; default true
	CheckInMailM  *bool // sign in to the mail server; default false

	Status     int    // after sign-in: 3 busy, 4 idle (default), 5 wrap-up
	AgentType  int    // 4 PC and phone (default), 11 video
	IP         string // client address; default 127.0.0.1
	VideoPhone string // vcPhoneNumber
}

// Format keeps password and phone out of every print.
func (s SignIn) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sign-in(***)") }

// MarshalJSON keeps password and phone out of structured logs.
func (s SignIn) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// encode returns the body sent, with numbers and booleans as JSON numbers and
// booleans.
func (s SignIn) encode() ([]byte, error) {
	if s.Password == "" || s.Phone == "" {
		return nil, errors.New("password or phone is missing; both are needed to sign in")
	}
	if err := s.Push.check(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Password      string `json:"password"`
		Phone         string `json:"phonenum"`
		AutoAnswer    *bool  `json:"autoanswer,omitempty"`
		AutoEnterIdle *bool  `json:"autoenteridle,omitempty"`
		ReleasePhone  *bool  `json:"releasephone,omitempty"`
		AgentType     int    `json:"agenttype,omitempty"`
		Status        int    `json:"status,omitempty"`
		IP            string `json:"ip,omitempty"`
		PhoneLinkage  *bool  `json:"phonelinkage,omitempty"`
		CheckInWebM   *bool  `json:"checkInWebm,omitempty"`
		CheckInMailM  *bool  `json:"checkInMailm,omitempty"`
		VideoPhone    string `json:"vcPhoneNumber,omitempty"`
		CallBackURI   string `json:"callBackUri,omitempty"`
		ServiceToken  string `json:"serviceToken,omitempty"`
		PushURL       string `json:"pushUrl,omitempty"`
	}{
		s.Password, s.Phone, s.AutoAnswer, s.AutoEnterIdle, s.ReleasePhone, s.AgentType,
		s.Status, s.IP, s.PhoneLinkage, s.CheckInWebM, s.CheckInMailM, s.VideoPhone,
		s.Push.CallBackURI, s.Push.ServiceToken, s.Push.PushURL,
	})
}

// SignedIn is the gateway's answer to a sign-in.
type SignedIn struct {
	// LoginTime names the session: AgentOther_ShutdownService repeats it. Zero
	// if not sent.
	LoginTime time.Time
	// MediaType has a T or F each for call, web-chat and mail server, e.g. "TTF".
	MediaType string
	// ServerName is the gateway node or cluster.
	ServerName string
	// PasswordDays until the password expires; -1 if not sent.
	PasswordDays int
	// MustChangePassword: no call work before the password is changed.
	MustChangePassword bool
}

// Status is an agent's state as the gateway sees it. Asking for it takes no event.
type Status struct {
	// State: 0 unknown, 1 signed in, 2 signed out, 3 busy (not ready), 4 idle,
	// 5 wrap-up, 6 as idle, 7 in a call, 8 rest, 9 rest or busy pending
	// (cec_07_1431).
	State   int
	Working bool
}

// SignIn signs the agent in. Start ResetSkills and then polling at once: the
// gateway signs a silent agent out after 120 s. On an error that is neither
// *CodeError nor *StatusError the agent may be signed in all the same.
func (a *Agent) SignIn(ctx context.Context, s SignIn) (SignedIn, error) {
	return a.signIn(ctx, s, call{operation: "sign in", path: "onlineagent/" + a.id})
}

// ForceSignIn signs the agent in and throws out whoever is signed in now. Use it
// only where the operator asked for it: two clients that force expel each other
// in turns.
func (a *Agent) ForceSignIn(ctx context.Context, s SignIn) (SignedIn, error) {
	return a.signIn(ctx, s, call{operation: "force sign in", path: "onlineagent/" + a.id + "/forcelogin"})
}

func (a *Agent) signIn(ctx context.Context, s SignIn, c call) (SignedIn, error) {
	body, err := s.encode()
	if err != nil {
		return SignedIn{}, wrap(c, a, err)
	}
	c.method, c.body, c.secrets, c.anonymous = http.MethodPut, body, append(s.Push.secrets(), s.Password, s.Phone), true
	release, err := a.take(ctx)
	if err != nil {
		return SignedIn{}, wrap(c, a, err)
	}
	defer release()
	header, result, err := a.do(ctx, c)
	if err != nil {
		return SignedIn{}, err
	}
	guid := guidFrom(header, true)
	a.session.setGUID(guid)
	if guid == "" {
		return SignedIn{}, wrap(c, a, errors.New("gateway accepted, but gave no GUID (header Set-GUID) to go on with"))
	}
	a.unlisted = 0
	return SignedIn{
		LoginTime:          result.Maybe("loginTime").Moment(),
		MediaType:          result.Maybe("mediatype").Literal(),
		ServerName:         result.Maybe("serverName").Literal(),
		PasswordDays:       result.Maybe("timeRemaining").Int(-1),
		MustChangePassword: result.Maybe("isForceChange").Bool(),
	}, nil
}

// ResetSkills signs the agent in to all skill queues configured for it
// (cec_07_1209). Without it the agent may get no calls.
func (a *Agent) ResetSkills(ctx context.Context) error {
	_, _, err := a.do(ctx, call{
		operation: "reset skills of",
		method:    http.MethodPost,
		path:      "onlineagent/" + a.id + "/resetskill/true",
	})
	return err
}

// Status asks for the agent's state (cec_07_1222).
func (a *Agent) Status(ctx context.Context) (Status, error) {
	c := call{operation: "get status of", method: http.MethodGet, path: "onlineagent/" + a.id + "/agentstatus"}
	_, result, err := a.do(ctx, c)
	if err != nil {
		return Status{}, err
	}
	state := result.Maybe("agentState").Int(-1)
	if state < 0 {
		return Status{}, wrap(c, a, fmt.Errorf("%w: it has no agentState", ErrUndecodable))
	}
	return Status{State: state, Working: result.Maybe("isWorking").Bool()}, nil
}

// UpdateGUID exchanges the GUID, which must still be valid, for a new one
// (cec_07_1225). It is the remedy when the answer that brought a new GUID may be
// lost: the old one dies within 120 s.
func (a *Agent) UpdateGUID(ctx context.Context) error {
	c := call{operation: "update guid of", method: http.MethodPut, path: "onlineagent/" + a.id + "/updateGuid"}
	release, err := a.take(ctx)
	if err != nil {
		return wrap(c, a, err)
	}
	defer release()
	header, result, err := a.do(ctx, c)
	if err != nil {
		return err
	}
	guid := parseGUID(result.Maybe("guid").Literal())
	if guid == "" {
		guid = guidFrom(header, false)
	}
	if guid == "" {
		return wrap(c, a, fmt.Errorf("%w: it has no guid", ErrUndecodable))
	}
	a.session.setGUID(guid)
	return nil
}

// SignOut ends the session (cec_07_1219); the gateway refuses while the agent is
// answering or talking (100-010, ClassAgain). An agent that turns out to be
// signed out already is success. Afterwards GUID is empty.
func (a *Agent) SignOut(ctx context.Context) error {
	c := call{operation: "sign out", method: http.MethodDelete, path: "onlineagent/" + a.id + "/logout"}
	release, err := a.take(ctx)
	if err != nil {
		return wrap(c, a, err)
	}
	defer release()
	_, _, err = a.do(ctx, c)
	var refused *CodeError
	if err != nil && !(errors.As(err, &refused) && refused.Class == ClassGone) {
		return err
	}
	a.session.forget()
	return nil
}

// do makes any call but the poll, and returns the answer's result; one that is missing
// has no members.
func (a *Agent) do(ctx context.Context, c call) (header http.Header, result foreign.Object, err error) {
	if err := a.ready(!c.anonymous); err != nil {
		return nil, result, wrap(c, a, err)
	}
	secrets := append(a.session.secrets(), c.secrets...)
	ans := a.exchange(ctx, c, a.client.callTimeout)
	defer func() { a.client.note(c, ans, err) }()
	if ans.Status != 0 && ans.Status != http.StatusOK {
		return nil, result, a.statusError(c, ans)
	}
	if ans.Err != nil {
		return nil, result, wrap(c, a, ans.Err)
	}
	r, err := decodeReply(ans.Body, ans.Header.Get("Content-Type"))
	if err != nil {
		return nil, result, wrap(c, a, err)
	}
	if r.Code != CodeOK {
		secrets = append(append(secrets, a.session.secrets()...), guidFrom(ans.Header, c.anonymous))
		return nil, result, &CodeError{
			Operation: c.operation,
			Agent:     a.id,
			Code:      r.Code,
			Message:   redact(r.Message, secrets...),
			Class:     Classify(r.Code),
		}
	}
	if len(r.Result) > 0 && r.Result[0] == '{' {
		result, err = foreign.ParseObject(r.Result)
	}
	return ans.Header, result, err
}
