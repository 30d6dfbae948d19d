package embedded

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// Requests for consumers pass a gate, because a consumer's configuration can do
// harm that no subject shows: push messages to any subject, thus into another
// stream, or change the workers' consumer under another name of the call.
const (
	apiPrefix  = "$JS.API."
	gatePrefix = "_READERS.API."

	gateTimeout = 5 * time.Second        // as clients have it
	gateBack    = 100 * time.Millisecond // after the server cut the connection: it may find any client slow
)

type gate struct {
	conn  *nats.Conn
	files string // the stream of the workers' consumer
	log   zerolog.Logger
}

// openGate connects to the server and answers until closed.
func openGate(ns *server.Server, login *signIn, n schemas.Names, log zerolog.Logger) (*gate, error) {
	conn, err := nats.Connect("", nats.InProcessServer(ns), nats.UserInfo(login.own.Name, login.own.Password),
		nats.Name("readers' gate"), nats.MaxReconnects(-1), nats.ReconnectWait(gateBack), nats.ReconnectJitter(0, 0))
	if err != nil {
		return nil, fmt.Errorf("open the readers' gate: %w", err)
	}
	g := &gate{conn: conn, files: n.Stream(schemas.StreamFiles), log: log}
	if _, err := conn.Subscribe(gatePrefix+">", g.handle); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the readers' gate: %w", err)
	}
	return g, conn.Flush()
}

// handle answers one request; the next one waits, which at the pace of requests
// for consumers nobody notices.
func (g *gate) handle(m *nats.Msg) {
	answer, err := g.answer(m)
	if err != nil {
		answer, _ = json.Marshal(refusal(err)) // plain data
	}
	if err := m.Respond(answer); err != nil && !g.conn.IsClosed() {
		g.log.Warn().Err(err).Msg("a reader's request for a consumer got no answer")
	}
}

// answer asks the server itself: a request can't be passed on with the reply
// subject of another account.
func (g *gate) answer(m *nats.Msg) ([]byte, error) {
	call := strings.TrimPrefix(m.Subject, gatePrefix)
	body, err := g.check(call, m.Data)
	if err != nil {
		return nil, err
	}
	answer, err := g.conn.RequestMsg(&nats.Msg{Subject: apiPrefix + call, Header: m.Header, Data: body}, gateTimeout)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// check returns the request as it may be passed on. It is written anew from what
// the server would understand of it.
func (g *gate) check(call string, body []byte) ([]byte, error) {
	var r server.CreateConsumerRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("not a request for a consumer: %w", err)
	}
	tokens := strings.Split(call, ".")
	isFiles := r.Stream == g.files
	for _, token := range tokens {
		isFiles = isFiles || token == g.files
	}
	if isFiles {
		for _, name := range append(tokens, r.Config.Durable, r.Config.Name) {
			if name == fileConsumer {
				return nil, fmt.Errorf("consumer %q is the workers'", fileConsumer)
			}
		}
	}
	if to := r.Config.DeliverSubject; to != "" {
		if !strings.HasPrefix(to, inbox) || to == inbox || strings.ContainsAny(to, "*> ") {
			return nil, fmt.Errorf("deliver subject %q: want one below %s", to, inbox)
		}
		r.Config.DeliverSubject = pushPrefix + to
	}
	return json.Marshal(r)
}

func refusal(err error) server.JSApiConsumerCreateResponse {
	return server.JSApiConsumerCreateResponse{ApiResponse: server.ApiResponse{
		Type: server.JSApiConsumerCreateResponseType, Error: &server.ApiError{Code: 403, Description: err.Error()},
	}}
}

func (g *gate) close() {
	if g != nil {
		g.conn.Close()
	}
}
