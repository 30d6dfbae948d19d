package softphone

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"

	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/phone"
)

// Floor is the contact centre, as far as softphones see it.
type Floor interface {
	Agents() []world.Agent
	Status(id string) world.Status
	Skills(id string) []world.Skill
	// Phone is that of a signed-in agent; nil: he is not.
	Phone(id string) *phone.Phone
}

// Call is one interface. Its path goes behind the base of all.
type Call struct {
	Method, Path, Name string
	do                 func(ask) (json.RawMessage, error)
}

// Reply is what a call is answered with.
type Reply struct {
	Code   string
	Result json.RawMessage // with success
	File   []byte          // instead of an answer with a code; nil: there is none
}

// ask is what a client wants.
type ask struct {
	floor Floor
	agent string
	phone *phone.Phone
	r     *http.Request
	body  request.Fields
	reply *Reply // for what is not in the result
}

// get is a field of the path, the query or the body.
func (a ask) get(name string) string {
	if v := a.r.PathValue(name); v != "" {
		return v
	}
	return string(a.body.Get(name, a.r))
}

// number is such a field as a number; without it it is otherwise.
func (a ask) number(name string, otherwise int) (int, error) {
	n, ok := request.Text(a.get(name)).Number(otherwise)
	if !ok {
		return 0, errParameter
	}
	return n, nil
}

// What a request is refused for before anybody looks at the phone.
var (
	errParameter = errors.New("a parameter is wrong")
	errNoCall    = errors.New("there is no call to tell of")
)

// codes are the retcodes of refusals.
var codes = map[error]string{
	errParameter: "000-002", errNoCall: "400-003", errNoFile: "700-015",
	phone.ErrCallOut: "200-001", phone.ErrAnswer: "200-002", phone.ErrMute: "200-003", phone.ErrHold: "200-004",
	phone.ErrUnhold: "200-005", phone.ErrThree: "200-006", phone.ErrTransfer: "200-007", phone.ErrRelease: "200-017",
	phone.ErrHelp: "200-018", phone.ErrChat: "700-014",
}

// refusal is a retcode that its interface knows.
type refusal string

func (r refusal) Error() string { return "refused with " + string(r) }

// Do answers a request of a signed-in agent.
func (c Call) Do(floor Floor, agent string, r *http.Request) (a Reply) {
	body, ok := request.Fields{}, true
	if !isFile(r) {
		body, ok = request.ReadFields(r)
	}
	if !ok {
		return Reply{Code: "000-006"}
	}
	p := floor.Phone(agent)
	if p == nil {
		return Reply{Code: "100-006"}
	}
	result, err := c.do(ask{floor, agent, p, r, body, &a})
	var known refusal
	switch {
	case errors.As(err, &known):
		return Reply{Code: string(known)}
	case err != nil:
		return Reply{Code: codes[err]}
	case result == nil:
		result = json.RawMessage("{}")
	}
	a.Code, a.Result = "0", result
	return a
}

// Calls lists every interface; files is where those of chats are.
func Calls(files *Files) (all []Call) {
	return slices.Concat(voice(), media(), chat(files), queries())
}

const (
	voicecall = "/voicecall/{agent}/"
	textchat  = "/textchat/{agent}/"
)

// plain is a call whose answer has nothing in it.
func plain(f func(ask) error) func(ask) (json.RawMessage, error) {
	return func(a ask) (json.RawMessage, error) { return nil, f(a) }
}

// simple is one that needs nothing but the phone.
func simple(f func(*phone.Phone) error) func(ask) (json.RawMessage, error) {
	return plain(func(a ask) error { return f(a.phone) })
}

// voice are the interfaces of calls.
func voice() []Call {
	mute := func(on bool) func(ask) (json.RawMessage, error) {
		return simple(func(p *phone.Phone) error { return p.Mute(on) })
	}
	unhold := plain(func(a ask) error { return a.phone.Unhold(a.get("callid")) })
	release := simple((*phone.Phone).Release)
	digits := plain(func(a ask) error {
		if !dialled.MatchString(a.get("number")) {
			return errParameter
		}
		return a.phone.SecondDial()
	})
	return []Call{
		{http.MethodPut, voicecall + "callout", "callout", callOut(phone.Outbound)},
		{http.MethodPut, voicecall + "previewCallout", "previewCallout", callOut(phone.Preview)},
		{http.MethodPut, voicecall + "callinner", "callinner", callInner},
		{http.MethodPut, voicecall + "answer", "answer", simple((*phone.Phone).Answer)},
		{http.MethodPost, voicecall + "reject", "reject", simple((*phone.Phone).Reject)},
		{http.MethodPost, voicecall + "hold", "hold", simple((*phone.Phone).Hold)},
		{http.MethodPost, voicecall + "gethold", "gethold", unhold},
		{http.MethodPost, voicecall + "connecthold/{callid}", "connecthold", unhold},
		{http.MethodPost, voicecall + "beginmute", "beginmute", mute(true)},
		{http.MethodPost, voicecall + "endmute", "endmute", mute(false)},
		{http.MethodPost, voicecall + "transfer", "transfer", plain(transfer)},
		{http.MethodPost, voicecall + "canceltransfer", "canceltransfer", simple((*phone.Phone).CancelTransfer)},
		{http.MethodDelete, voicecall + "release", "release", release},
		{http.MethodPost, voicecall + "dropcall/{callid}", "dropcall", plain(func(a ask) error { return a.phone.Drop(a.get("callid")) })},
		{http.MethodPost, voicecall + "disconnect/{number}", "disconnect", plain(func(a ask) error { return a.phone.Disconnect(a.get("number")) })},
		{http.MethodPost, voicecall + "innerhelp", "innerhelp", plain(help)},
		{http.MethodPost, voicecall + "confjoin", "confjoin", plain(func(a ask) error { return a.phone.Join(a.get("callid")) })},
		{http.MethodPost, voicecall + "seconddialex", "seconddialex", digits},
		{http.MethodPost, voicecall + "seconddial/{number}", "seconddial", digits},
		{http.MethodPut, voicecall + "snatchpickup", "snatchpickup", plain(func(a ask) error { return a.phone.Snatch(a.get("destWorkNo")) })},
		{http.MethodPut, voicecall + "phonepickup", "phonepickup", simple((*phone.Phone).Answer)},
	}
}

var (
	dialled = regexp.MustCompile(`^[0-9*#]{1,24}$`)
	agentID = regexp.MustCompile(`^\d{1,6}$`)
)

// callID answers with the id of the call that has begun.
func callID(id string, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	return wire.Text(id), nil
}

func callOut(kind int) func(ask) (json.RawMessage, error) {
	return func(a ask) (json.RawMessage, error) {
		number, caller := a.get("called"), a.get("caller")
		media, err := a.number("mediaability", 0)
		if err != nil || !dialled.MatchString(number) || media < 0 || media > 2 || caller != "" && !dialled.MatchString(caller) ||
			len(a.get("callappdata")) > mostData {
			return nil, errParameter
		}
		if kind == phone.Preview {
			if _, err := a.number("callcontrolid", 0); err != nil || a.get("callcontrolid") == "" {
				return nil, errParameter
			}
		}
		id, err := a.phone.CallOut(kind, number)
		if err == nil {
			a.phone.Note(id, a.get("callappdata"))
		}
		return callID(id, err)
	}
}

func callInner(a ask) (json.RawMessage, error) {
	other := a.get("called")
	if !agentID.MatchString(other) {
		return nil, errParameter
	}
	return callID(a.phone.CallAgent(other, a.r.Method == http.MethodPut && a.r.PathValue("called") != ""))
}

func transfer(a ask) error {
	device, err1 := a.number("devicetype", 0)
	mode, err2 := a.number("mode", phone.ModeRelease)
	if err1 != nil || err2 != nil || !dialled.MatchString(a.get("address")) || device != phone.Queue && device != phone.Agent && device != phone.IVR && device != phone.Outside {
		return errParameter
	}
	return a.phone.Transfer(device, a.get("address"), mode)
}

func help(a ask) error {
	device, err1 := a.number("devicetype", phone.Agent)
	mode, err2 := a.number("mode", 1)
	if err1 != nil || err2 != nil || !dialled.MatchString(a.get("dstaddress")) || mode != 1 && mode != 2 {
		return errParameter
	}
	return a.phone.Help(device, a.get("dstaddress"), mode == 2)
}

// chat are the interfaces of text chats.
func chat(files *Files) []Call {
	about := func(f func(p *phone.Phone, id string) error) func(ask) (json.RawMessage, error) {
		return plain(func(a ask) error { return f(a.phone, a.get("callid")) })
	}
	return []Call{
		{http.MethodPut, textchat + "answer/{callid}", "answerchat", about((*phone.Phone).AnswerChat)},
		{http.MethodDelete, textchat + "reject/{callid}", "rejectchat", about((*phone.Phone).RejectChat)},
		{http.MethodDelete, textchat + "drop/{callid}", "dropchat", about((*phone.Phone).DropChat)},
		{http.MethodPut, textchat + "chatmessage", "chatmessage", plain(func(a ask) error {
			if a.get("content") == "" {
				return errParameter
			}
			return a.phone.Say(a.get("callId"), a.get("content"))
		})},
		{http.MethodPost, textchat + "sendmessagewithoutcall", "sendmessagewithoutcall", plain(func(a ask) error {
			if a.get("skillId") == "" || a.get("chatId") == "" || a.get("chatReceiver") == "" || a.get("content") == "" {
				return errParameter
			}
			return nil // it leaves the contact centre
		})},
		{http.MethodPut, textchat + "internalcall/{called}", "internalcall", callInner},
		{http.MethodPost, textchat + "mediafile", "sendmediafile", upload(files)},
		{http.MethodGet, textchat + "mediafile", "mediafile", plain(download(files))},
		{http.MethodPost, textchat + "transfer", "transferchat", plain(func(a ask) error {
			device, err := a.number("addesstype", 0)
			if err != nil || a.get("destaddr") == "" {
				return errParameter
			}
			return a.phone.TransferChat(a.get("callid"), device, a.get("destaddr"))
		})},
	}
}
