package softphone

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"

	"aiccbridge/internal/platformsim/gateway/request"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/phone"
)

// queries are the interfaces that change nothing, and those of call data. Members without a documented shape are
// those that clients read.
func queries() []Call {
	get := func(path, name string, do func(ask) (json.RawMessage, error)) Call {
		return Call{http.MethodGet, path, name, do}
	}
	return []Call{
		get("/queuedevice/{agent}/agentvdnskill", "agentvdnskill", skills),
		get("/queuedevice/{agent}/ivrinfo", "ivrinfo", device("id", "2", "flow 2")),
		get("/queuedevice/{agent}/innoinfo", "innoinfo", device("inno", "5550199", "hotline")),
		get("/agentgroup/{agent}/allagentstatus", "allagentstatus", agents(true)),
		get("/agentgroup/{agent}/onlineagentonvdn", "onlineagentonvdn", agents(false)),
		get("/agentgroup/{agent}/restreason", "restreason", device("restcause", "200", "break")),
		get("/agentgroup/{agent}/groupbyagent/{other}", "groupbyagent", device("id", "1", "agents")),
		get("/calldata/{agent}/callinfo", "callinfo", calls(false)),
		get("/calldata/{agent}/holdlist", "holdlist", calls(true)),
		get("/calldata/{agent}/appdata", "appdata", noted),
		{http.MethodPost, "/calldata/{agent}/appdata", "setappdata", plain(note)},
		{http.MethodPut, "/calldata/{agent}/setcalldataex", "setcalldataex", plain(note)},
	}
}

// mostData is how long call data may be (page cec_07_1263).
const mostData = 16 << 10

// note keeps call data with a call.
func note(a ask) error {
	data := a.get("calldata")
	if encoded, ok := request.Text(a.get("isDataEncoded")).Is(false); !ok {
		return errParameter
	} else if encoded {
		plain, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return errParameter
		}
		data = string(plain)
	}
	switch {
	case len(data) > mostData:
		return errParameter
	case !a.phone.Note(a.get("callid"), data):
		return errNoCall
	}
	return nil
}

// noted is what is kept with a call; values of isEncodeResult other than true are false (page
// cec_07_1262).
func noted(a ask) (json.RawMessage, error) {
	id := cmp.Or(a.get("callId"), a.get("callid"))
	for _, s := range a.phone.States() {
		switch {
		case id != "" && s.CallID != id:
		case a.get("isEncodeResult") == "true":
			return wire.Text(base64.StdEncoding.EncodeToString([]byte(s.Data))), nil
		default:
			return wire.Text(s.Data), nil
		}
	}
	return nil, errNoCall
}

func number(n int) json.RawMessage { return json.RawMessage(strconv.Itoa(n)) }

// device is a list of one thing with a name.
func device(key, id, name string) func(ask) (json.RawMessage, error) {
	return func(ask) (json.RawMessage, error) {
		return wire.Array([][]byte{wire.Object(wire.Member(key, json.RawMessage(id)), wire.Member("name", wire.Text(name)))}), nil
	}
}

func skills(a ask) (json.RawMessage, error) {
	var rows [][]byte
	for _, s := range a.floor.Skills(a.agent) {
		rows = append(rows, wire.Object(
			wire.Member("name", wire.Text(s.Name)), wire.Member("id", number(s.ID)), wire.Member("mediatype", number(s.Media)),
			wire.Member("serviceType", number(0)), wire.Member("realFlag", number(0)),
		))
	}
	return wire.Array(rows), nil
}

// agents are those signed in, or all.
func agents(all bool) func(ask) (json.RawMessage, error) {
	return func(a ask) (json.RawMessage, error) {
		var rows [][]byte
		for _, other := range a.floor.Agents() {
			state := a.floor.Status(other.ID).State
			if state == world.SignedOut && !all {
				continue
			}
			rows = append(rows, wire.Object(
				wire.Member("workno", wire.Text(other.ID)), wire.Member("name", wire.Text("agent "+other.ID)),
				wire.Member("status", number(state)), wire.Member("groupid", number(1)),
			))
		}
		return wire.Array(rows), nil
	}
}

// calls are the agent's, as a list of held ones or as information about the first.
func calls(held bool) func(ask) (json.RawMessage, error) {
	return func(a ask) (json.RawMessage, error) {
		var rows [][]byte
		for _, s := range a.phone.States() {
			if s.Held || !held {
				rows = append(rows, callInfo(a, s))
			}
		}
		if rows == nil {
			return nil, errNoCall
		}
		if held {
			return wire.Array(rows), nil
		}
		return rows[0], nil
	}
}

func callInfo(a ask, s phone.State) json.RawMessage {
	skill := world.Skill{}
	if all := a.floor.Skills(a.agent); len(all) > 0 {
		skill = all[0]
	}
	media := 5
	if s.Chat {
		media = 1
	}
	return wire.Object(
		wire.Member("callfeature", number(s.Feature)), wire.Member("callid", wire.Text(s.CallID)),
		wire.Member("caller", wire.Text(s.Caller)), wire.Member("called", wire.Text(s.Called)),
		wire.Member("callskill", wire.Text(skill.Name)), wire.Member("callskillid", number(skill.ID)), wire.Member("calldata", wire.Text(s.Data)),
		wire.Member("begintime", json.RawMessage(strconv.FormatInt(s.Begun.UnixMilli(), 10))),
		wire.Member("userPriority", number(0)), wire.Member("trunkNo", number(0)), wire.Member("logontimes", number(0)),
		wire.Member("mediaType", number(media)), wire.Member("mediaAbility", number(1)), wire.Member("waitTime", number(0)),
	)
}
