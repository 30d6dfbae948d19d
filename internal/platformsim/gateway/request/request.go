// Package request reads what clients of the simulated CC-Gateway ask for, numbers and
// booleans as such or as strings, and judges it as the platform's pages say. It knows
// retcodes and the world, and nothing of sessions.
package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"aiccbridge/internal/platformsim/world"
)

// SignIn is what an agent sends, numbers and booleans also as strings.
type SignIn struct {
	Account       Text `json:"account"` // with loginbyaccount: the agent
	Password      Text `json:"password"`
	Phone         Text `json:"phonenum"`
	AutoAnswer    Text `json:"autoanswer"`
	AutoEnterIdle Text `json:"autoenteridle"`
	ReleasePhone  Text `json:"releasephone"`
	AgentType     Text `json:"agenttype"`
	Status        Text `json:"status"`
	IP            Text `json:"ip"`
	CheckInWebM   Text `json:"checkInWebm"`
	CheckInMailM  Text `json:"checkInMailm"`
	CallBackURI   Text `json:"callBackUri"`
	ServiceToken  Text `json:"serviceToken"`
	PushURL       Text `json:"pushUrl"` // of older clients
	Time          Text `json:"time"`
	RestCause     Text `json:"restcause"`

	SignInMode json.RawMessage `json:"signInMode"` // its values are not known
}

// Text is a JSON string, number, boolean or null as text; objects and
// lists are refused.
type Text string

func (f *Text) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*f = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*f = Text(s)
	case b[0] == '{' || b[0] == '[':
		return errors.New("value is not a string, number or boolean")
	default:
		*f = Text(b)
	}
	return nil
}

// Is reports whether f is true or false; without a value it is otherwise.
func (f Text) Is(otherwise bool) (value, ok bool) {
	switch strings.ToLower(string(f)) {
	case "":
		return otherwise, true
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Number reads f; without a value it is otherwise.
func (f Text) Number(otherwise int) (int, bool) {
	if f == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(string(f))
	return n, err == nil
}

var serviceToken = regexp.MustCompile(`^[0-9A-Za-z_-]{0,50}$`)

// ServiceToken reports whether a text may be one.
func ServiceToken(text string) bool { return serviceToken.MatchString(text) }

// Check returns what the world needs, or the retcode of the first mistake.
func (b SignIn) Check() (world.SignIn, string) {
	in := world.SignIn{Address: string(b.IP)}
	if code := b.checkWho(); code != "" {
		return in, code
	}
	if len(b.CallBackURI) > 200 || !ServiceToken(string(b.ServiceToken)) ||
		b.PushURL != "" && b.CallBackURI != "" && b.ServiceToken != "" {
		return in, "100-001"
	}
	var ok, rest bool
	in.Status, ok = b.Status.Number(world.Idle)
	in.RestFor, in.RestCause, rest = Rest(string(b.Time), string(b.RestCause))
	switch in.Status {
	case world.Busy, world.Idle, world.WrapUp:
	case world.Resting:
		ok = ok && rest
	default:
		ok = false
	}
	if !ok {
		return in, "100-011"
	}
	toIdle, ok1 := b.AutoEnterIdle.Is(true)
	automatic, ok2 := b.AutoAnswer.Is(true)
	release, ok3 := b.ReleasePhone.Is(true)
	if !ok1 || !ok2 || !ok3 {
		return in, "100-011"
	}
	in.WrapUpAfterCall, in.OffHook = !toIdle, !release
	if b.AutoAnswer != "" {
		in.AutoAnswer = &automatic
	}
	return in, ""
}

// checkWho looks at password, phone, type and address; "" finds no mistake.
func (b SignIn) checkWho() string {
	if b.Password == "" || len(b.Password) > 32 || b.Phone == "" || len(b.Phone) > 24 {
		return "100-001"
	}
	if strings.ContainsFunc(string(b.Phone), func(r rune) bool { return !unicode.IsDigit(r) }) {
		return "100-013"
	}
	if n, ok := b.AgentType.Number(4); !ok || (n != 4 && n != 11) {
		return "100-012"
	}
	if b.IP != "" && net.ParseIP(string(b.IP)) == nil {
		return "100-016"
	}
	return ""
}

// Media is the answer's mediatype: T or F for CTI server, web chat and mail.
func (b SignIn) Media() string {
	out := []byte("TTF")
	if web, ok := b.CheckInWebM.Is(true); ok && !web {
		out[1] = 'F'
	}
	if mail, ok := b.CheckInMailM.Is(false); ok && mail {
		out[2] = 'T'
	}
	return string(out)
}

// Fields are the members of a request's body.
type Fields map[string]Text

// ReadFields reads a body, if there is one; members that are objects or lists are left
// out, false says that it is no JSON object.
func ReadFields(r *http.Request) (Fields, bool) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false
	}
	out := Fields{}
	var members map[string]json.RawMessage
	if len(bytes.TrimSpace(raw)) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		return out, true
	}
	if json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	for name, value := range members {
		var t Text
		if t.UnmarshalJSON(value) == nil {
			out[strings.ToLower(name)] = t
		}
	}
	return out, true
}

// Get is a member of the body, in whatever case, or else of the query.
func (f Fields) Get(name string, r *http.Request) Text {
	if v, ok := f[strings.ToLower(name)]; ok {
		return v
	}
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) {
			return Text(values[0])
		}
	}
	return ""
}

// ReadSignIn reads a body; code is not "" where it is no sign-in.
func ReadSignIn(in io.Reader) (body SignIn, code string) {
	raw, err := io.ReadAll(in)
	if err != nil || json.Unmarshal(raw, &body) != nil {
		return body, "000-006"
	}
	return body, ""
}

// Rest reads how long a rest shall be, and why; "" is 0.
func Rest(seconds, cause string) (time.Duration, int, bool) {
	n, ok1 := Text(seconds).Number(0)
	why, ok2 := Text(cause).Number(0)
	given := seconds != ""
	return time.Duration(n) * time.Second, why, ok1 && ok2 && (!given || n >= 1 && n <= 86399) && why >= 0 && why <= 255
}
