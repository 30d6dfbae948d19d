package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"aiccbridge/bus/internal/wire"
)

// Name is that of the service in every bridge.
const Name = "aicc-bridge"

const (
	answerLimit = 30 * time.Second // of a request
	mostWaiting = 256              // requests of an endpoint that waits
)

// Codes of errors, in the header Nats-Service-Error-Code.
const (
	CodeBad      = "400" // the request is not one
	CodeNotFound = "404"
	CodeTooLarge = "413" // the answer is larger than a message: ask for less
	CodeFailed   = "500"
	CodeLater    = "503" // not yet: ask again
)

// Endpoint is one kind of request.
type Endpoint struct {
	Name string
	What string // for people
	// Each: every bridge answers. Default: one of them.
	Each bool
	// Waits: an answer takes long because something is waited for. Others are not kept waiting.
	Waits bool
	// Answer returns what is sent as JSON. An [*Error] has a code of its own.
	Answer func(ctx context.Context, request []byte) (any, error)
}

// Error is an answer that is none.
type Error struct {
	Code string
	Err  error
}

// Error returns the cause's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Options say what is answered.
type Options struct {
	Version   string // of the program; 0.0.0 where it is no semantic version
	Metadata  map[string]string
	Endpoints []Endpoint
	Logger    zerolog.Logger
}

// semantic is a semantic version, roughly: the library refuses others.
var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// version is one that the library takes.
func version(v string) string {
	if len(v) > 1 && v[0] == 'v' {
		v = v[1:]
	}
	if !semantic.MatchString(v) {
		return "0.0.0"
	}
	return v
}

// Run answers until ctx ends.
func Run(ctx context.Context, c *wire.Conn, o Options) error {
	s, err := micro.AddService(c.JetStream().Conn(), micro.Config{
		Name: Name, Version: version(o.Version), Description: "Answers questions about the contact centres and the bridges",
		Metadata: o.Metadata, ErrorHandler: func(_ micro.Service, e *micro.NATSError) {
			o.Logger.Debug().Err(e).Msg("the service on nats reports an error")
		},
	})
	if err != nil {
		return fmt.Errorf("offer the service: %w", err)
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for _, e := range o.Endpoints {
		opts := []micro.EndpointOpt{micro.WithEndpointSubject(c.Names().Question(e.Name)), micro.WithEndpointMetadata(map[string]string{"what": e.What})}
		if e.Each {
			opts = append(opts, micro.WithEndpointQueueGroupDisabled())
		}
		if err := s.AddEndpoint(e.Name, &answering{ctx: ctx, conn: c, endpoint: e, waiting: &waiting, room: make(chan struct{}, mostWaiting)}, opts...); err != nil {
			return errors.Join(fmt.Errorf("offer %s: %w", e.Name, err), s.Stop())
		}
	}
	<-ctx.Done()
	if err := s.Stop(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && c.Connected() == nil {
		return fmt.Errorf("end the service: %w", err)
	}
	return nil
}

// answering answers the requests of one endpoint.
type answering struct {
	ctx      context.Context
	conn     *wire.Conn
	endpoint Endpoint
	waiting  *sync.WaitGroup
	room     chan struct{} // for those that wait
}

// Handle answers one request.
func (a *answering) Handle(r micro.Request) {
	if !a.endpoint.Waits {
		a.answer(r)
		return
	}
	a.room <- struct{}{}
	a.waiting.Go(func() {
		defer func() { <-a.room }()
		a.answer(r)
	})
}

func (a *answering) answer(r micro.Request) {
	ctx, cancel := context.WithTimeout(a.ctx, answerLimit)
	defer cancel()
	answer, err := a.endpoint.Answer(ctx, r.Data())
	var body []byte
	if err == nil {
		body, err = json.Marshal(answer)
	}
	if err == nil && int64(len(body)) > a.conn.MaxPayload() {
		err = &Error{CodeTooLarge, fmt.Errorf("the answer has %d bytes, and a message %d at most: ask for one tenant, or less time", len(body), a.conn.MaxPayload())}
	}
	if err == nil {
		_ = r.Respond(body) // whoever asked asks again
		return
	}
	code := CodeFailed
	if bad := (*Error)(nil); errors.As(err, &bad) {
		code = bad.Code
	}
	_ = r.Error(code, err.Error(), nil)
}

// All asks every bridge, and returns what came within a time; none, at once, if no bridge is
// there.
func All(ctx context.Context, c *wire.Conn, endpoint string, request []byte, wait time.Duration) (answers [][]byte, err error) {
	nc := c.JetStream().Conn()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("ask the bridges: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(c.Names().Question(endpoint), inbox, request); err != nil {
		return nil, fmt.Errorf("ask the bridges: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders) || err == nil && m.Header.Get("Status") == "503":
			return nil, nil // no bridge is there
		case err != nil && ctx.Err() != nil:
			return answers, nil
		case err != nil:
			return answers, fmt.Errorf("ask the bridges: %w", err)
		case m.Header.Get(micro.ErrorHeader) == "":
			answers = append(answers, m.Data)
		}
	}
}
