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

// Readers live in an account of their own, which has no streams. What they need
// of the hub's account is brought over, subject by subject. Permissions alone
// would not do: the server sends its answers to whatever subject a request names
// for them, so that within the streams' account everybody who may ask may also
// write into a stream, or purge it, by way of an answer.
const readersAccount = "READERS"

// inbox is where answers and pushed messages of a reader go, as his client names
// it; pushPrefix + inbox is the same in the hub's account.
const (
	inbox      = "_INBOX."
	pushPrefix = "_READERS."
)

// readable are the streams open to readers: all but that of the sessions.
func readable(n schemas.Names) (streams []string) {
	for _, s := range schemas.Streams() {
		streams = append(streams, n.Stream(s))
	}
	for _, b := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketState, schemas.BucketLeases} {
		streams = append(streams, n.BucketStream(b))
	}
	for _, b := range []schemas.Bucket{schemas.BucketQuarantine, schemas.BucketRecordings} {
		streams = append(streams, n.ObjectStream(b))
	}
	return streams
}

// What a reader may call: once, and for each stream. Consumers are made at the desk,
// see there.
var (
	generalCalls = []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	streamCalls  = []string{
		"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
		"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*",
		"$JS.API.CONSUMER.MSG.NEXT.%s.*", "$JS.API.CONSUMER.DELETE.%s.*",
		"$JS.ACK.%s.>", "$JS.FC.%s.>",
	}
	deskCalls = []string{"CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.>", "CONSUMER.DURABLE.CREATE.%s.*"}
)

// readerRights say what a reader may send and receive in his account. What is
// not brought over answers "no responders" anyhow.
func readerRights(n schemas.Names) *server.Permissions {
	files := n.Stream(schemas.StreamFiles) + "." + schemas.FileConsumer
	return &server.Permissions{
		Publish: &server.SubjectPermission{
			Allow: []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$SYS.REQ.USER.INFO"},
			Deny:  []string{"$JS.API.CONSUMER.MSG.NEXT." + files, "$JS.API.CONSUMER.DELETE." + files, "$JS.ACK." + files + ".>", "$JS.FC." + files + ".>"},
		},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + ">", n.All()}},
	}
}

// bringOver gives readers what they may use of the hub.
func bringOver(hub, readers *server.Account, n schemas.Names) error {
	calls := map[string]string{} // as readers name it, as the hub does
	for _, call := range generalCalls {
		calls[call] = call
	}
	for _, stream := range readable(n) {
		for _, call := range streamCalls {
			call = fmt.Sprintf(call, stream)
			calls[call] = call
		}
		for _, call := range deskCalls {
			call = fmt.Sprintf(call, stream)
			calls[apiPrefix+call] = deskPrefix + call
		}
	}
	only := []*server.Account{readers}
	for from, to := range calls {
		// A pull is answered by many messages.
		if err := hub.AddServiceExportWithResponse(to, server.Streamed, only); err != nil {
			return fmt.Errorf("open %s to readers: %w", to, err)
		}
		if err := readers.AddServiceImport(hub, from, to); err != nil {
			return fmt.Errorf("bring %s over to readers: %w", from, err)
		}
	}
	if err := hub.AddStreamExport(n.All(), only); err != nil {
		return fmt.Errorf("open messages as they come to readers: %w", err)
	}
	if err := readers.AddStreamImport(hub, n.All(), ""); err != nil {
		return fmt.Errorf("bring messages as they come over to readers: %w", err)
	}
	if err := hub.AddStreamExport(pushPrefix+inbox+">", only); err != nil {
		return fmt.Errorf("open pushed messages to readers: %w", err)
	}
	if err := readers.AddMappedStreamImport(hub, pushPrefix+inbox+">", inbox+">"); err != nil {
		return fmt.Errorf("bring pushed messages over to readers: %w", err)
	}
	return nil
}

// Requests for consumers are examined at a desk, because a consumer's configuration can
// do harm that no subject shows: push messages to any subject, thus into another
// stream, or change the workers' consumer under another name of the call.
const (
	apiPrefix  = "$JS.API."
	deskPrefix = "_READERS.API."

	deskTimeout = 5 * time.Second        // as clients have it
	deskBack    = 100 * time.Millisecond // after the server cut the connection: it may find any client slow
)

type desk struct {
	conn  *nats.Conn
	files string // the stream of the workers' consumer
	log   zerolog.Logger
}

// openDesk connects to the server and answers until closed.
func openDesk(ns *server.Server, login *signIn, n schemas.Names, log zerolog.Logger) (*desk, error) {
	conn, err := nats.Connect("", nats.InProcessServer(ns), nats.UserInfo(login.own.Name, login.own.Password),
		nats.Name("readers' desk"), nats.MaxReconnects(-1), nats.ReconnectWait(deskBack), nats.ReconnectJitter(0, 0))
	if err != nil {
		return nil, fmt.Errorf("open the readers' desk: %w", err)
	}
	d := &desk{conn: conn, files: n.Stream(schemas.StreamFiles), log: log}
	if _, err := conn.Subscribe(deskPrefix+">", d.handle); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the readers' desk: %w", err)
	}
	return d, conn.Flush()
}

// handle answers one request; the next one waits, which at the pace of requests
// for consumers nobody notices.
func (d *desk) handle(m *nats.Msg) {
	answer, err := d.answer(m)
	if err != nil {
		answer, _ = json.Marshal(refusal(err)) // plain data
	}
	if err := m.Respond(answer); err != nil && !d.conn.IsClosed() {
		d.log.Warn().Err(err).Msg("a reader's request for a consumer got no answer")
	}
}

// answer asks the server itself: a request can't be passed on with the reply
// subject of another account.
func (d *desk) answer(m *nats.Msg) ([]byte, error) {
	call := strings.TrimPrefix(m.Subject, deskPrefix)
	body, err := d.check(call, m.Data)
	if err != nil {
		return nil, err
	}
	answer, err := d.conn.RequestMsg(&nats.Msg{Subject: apiPrefix + call, Header: m.Header, Data: body}, deskTimeout)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// check returns the request as it may be passed on. It is written anew from what
// the server would understand of it.
func (d *desk) check(call string, body []byte) ([]byte, error) {
	var r server.CreateConsumerRequest
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("not a request for a consumer: %w", err)
	}
	tokens := strings.Split(call, ".")
	isFiles := r.Stream == d.files
	for _, token := range tokens {
		isFiles = isFiles || token == d.files
	}
	if isFiles {
		for _, name := range append(tokens, r.Config.Durable, r.Config.Name) {
			if name == schemas.FileConsumer {
				return nil, fmt.Errorf("consumer %q is the workers'", schemas.FileConsumer)
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

func (d *desk) close() {
	if d != nil {
		d.conn.Close()
	}
}
