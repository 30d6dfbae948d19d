package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/gateway/wire"
	"aiccbridge/internal/platformsim/pause"
)

// damage answers a poll under a fault. body is what a healthy gateway would
// have sent. It reports whether the client got something to read in full.
func (g *Gateway) damage(w http.ResponseWriter, r *http.Request, f *fault.Rule, body []byte) bool {
	switch effect(f) {
	case "status":
		page(w, f.Status)
	case "cut", "cut_reused":
		cut(w)
		return false
	case "code":
		g.answer(w, f.Code, wire.Pair{})
	case "empty":
		return send(w, jsonType, nil) == nil
	case "slow":
		if !pause.For(r.Context(), time.Duration(f.Delay)) {
			return false
		}
		return send(w, jsonType, body) == nil
	case "truncated":
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		// Fewer bytes than announced: the server closes the connection.
		_, _ = w.Write(body[:len(body)/2])
		return false
	case "bad_json":
		return send(w, jsonType, bytes.TrimSuffix(bytes.Replace(body, []byte(`"content"`), []byte("content"), 1), []byte("}"))) == nil
	case "gbk":
		return sendGBK(w, body)
	case "nul":
		return send(w, jsonType, pad(body)) == nil
	case "wrong_types":
		return send(w, jsonType, retype(body)) == nil
	}
	return true
}

// page is what a proxy in front of the gateway shows.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	name := strconv.Itoa(status) + " " + http.StatusText(status)
	_, _ = w.Write([]byte("<html>\r\n<head><title>" + name + "</title></head>\r\n<body>\r\n<center><h1>" + name +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"))
}

// cut closes the connection without an answer. Where there is no connection
// (a recorder in a test) the answer is 502.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_ = conn.Close()
}

// sendGBK answers in GBK, with a message that shows it.
func sendGBK(w http.ResponseWriter, body []byte) bool {
	pairs := wire.Members(body)
	for i := range pairs {
		if pairs[i].Key == "message" {
			pairs[i].Value = wire.Text("操作成功")
		}
	}
	encoded, err := simplifiedchinese.GBK.NewEncoder().Bytes(wire.Object(pairs...))
	if err != nil {
		return false
	}
	return send(w, "application/json;charset=GBK", encoded) == nil
}

// pad puts NUL characters behind every string value, as fixed-length fields
// of the platform do.
func pad(body json.RawMessage) json.RawMessage {
	pairs := wire.Members(body)
	if pairs == nil {
		return body
	}
	for i, p := range pairs {
		switch {
		case p.Value[0] == '{':
			pairs[i].Value = pad(p.Value)
		case p.Value[0] == '"' && p.Key != "retcode" && p.Key != "eventType":
			pairs[i].Value = json.RawMessage(strings.TrimSuffix(string(p.Value), `"`) + `\u0000\u0000"`)
		}
	}
	return wire.Object(pairs...)
}

// retype gives the envelope's members another JSON type.
func retype(body json.RawMessage) json.RawMessage {
	pairs := wire.Members(body)
	for i, p := range pairs {
		switch p.Key {
		case "message":
			pairs[i].Value = json.RawMessage("{}")
		case "retcode":
			pairs[i].Value = json.RawMessage("0")
		case "event":
			inner := wire.Members(p.Value)
			for j, q := range inner {
				switch q.Key {
				case "workNo":
					inner[j].Value = json.RawMessage(strings.Trim(string(q.Value), `"`))
				case "eventGenTime":
					inner[j].Value = wire.Text(string(q.Value))
				}
			}
			pairs[i].Value = wire.Object(inner...)
		}
	}
	return wire.Object(pairs...)
}
