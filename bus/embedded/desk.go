package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// Requests for consumers are examined at a desk, because a consumer's configuration can
// do harm that no subject shows: push messages to any subject, thus into another
// stream, or change the workers' consumer under another name of the call. Here it is
// also known who asks, so that nobody has more than his share, and nobody touches what
// another one made.
const (
	apiPrefix  = "$JS.API."
	deskPrefix = "_READERS.API."

	deskTimeout = 5 * time.Second        // as clients have it
	deskBack    = 100 * time.Millisecond // after the server cut the connection: it may find any client slow
)

// idle is how long a reader's consumer may go unused: nobody else would ever remove a
// durable that its reader has forgotten, and events are kept that long.
const idle = 30 * 24 * time.Hour

// errNotYours is what a reader hears about a consumer that somebody else made.
var errNotYours = errors.New("is not yours")

type desk struct {
	conn   *nats.Conn
	shared map[string]string // stream of each consumer that the bridges share
	claims *claims
	crowd  *crowd
	log    zerolog.Logger
}

// openDesk connects to the server and answers until closed.
func openDesk(ns *server.Server, door *door, n schemas.Names, c *crowd, log zerolog.Logger) (*desk, error) {
	conn, err := nats.Connect("", nats.InProcessServer(ns), nats.UserInfo(door.own.Name, door.own.Password),
		nats.Name("readers' desk"), nats.MaxReconnects(-1), nats.ReconnectWait(deskBack), nats.ReconnectJitter(0, 0))
	if err != nil {
		return nil, fmt.Errorf("open the readers' desk: %w", err)
	}
	d := &desk{conn: conn, shared: map[string]string{}, crowd: c, log: log}
	for _, c := range n.Consumers() {
		d.shared[c.Name] = n.Stream(c.Stream)
	}
	if d.claims, err = readClaims(conn, door.readers, readable(n)); err == nil {
		_, err = conn.Subscribe(deskPrefix+">", d.handle)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("open the readers' desk: %w", err)
	}
	return d, conn.Flush()
}

// handle answers one request; the next one waits, which at the pace of requests
// for consumers nobody notices.
func (d *desk) handle(m *nats.Msg) {
	answer := &nats.Msg{}
	var err error
	if m.Subject == deskPrefix+refusedCall { // a pull, which has answers of another form
		answer.Header = nats.Header{"Status": {"403"}, "Description": {"this consumer " + errNotYours.Error()}}
	} else if answer.Data, err = d.answer(m); err != nil {
		answer.Data, _ = json.Marshal(refusal(err)) // plain data
	}
	if err := m.RespondMsg(answer); err != nil && !d.conn.IsClosed() {
		d.log.Warn().Err(err).Msg("a reader's request for a consumer got no answer")
	}
}

func (d *desk) answer(m *nats.Msg) ([]byte, error) {
	user, err := requester(m.Header)
	if err != nil {
		return nil, err
	}
	call := strings.TrimPrefix(m.Subject, deskPrefix)
	if name, isDelete := strings.CutPrefix(call, "CONSUMER.DELETE."); isDelete {
		stream, consumer, _ := strings.Cut(name, ".")
		if err := d.claims.owned(user, stream, consumer); err != nil {
			return nil, err
		}
		answer, err := d.ask(call, nil)
		if err == nil {
			d.claims.drop(stream, consumer)
		}
		return answer, err
	}
	return d.create(user, call, m.Data)
}

// requester is the user who asks, as the server says in the last of such headers; a
// client could only send earlier ones. That no client says he is somebody else when he
// signs in, the door sees to.
func requester(h nats.Header) (string, error) {
	var from server.ClientInfo
	said := h[server.ClientInfoHdr]
	if len(said) == 0 || json.Unmarshal([]byte(said[len(said)-1]), &from) != nil || from.User == "" {
		return "", errors.New("the server does not say who asks")
	}
	return from.User, nil
}

// create makes a consumer for the user or changes one that he made.
func (d *desk) create(user, call string, body []byte) ([]byte, error) {
	r, err := d.check(user, call, body)
	if err != nil {
		return nil, err
	}
	stream, name, err := wanted(call, r.Config)
	if err != nil {
		return nil, err
	}
	owner, err := d.claims.of(user, stream, name)
	switch {
	case err != nil:
		return nil, err
	case owner == user:
		r.Config = signed(r.Config, user)
		answer, _, err := d.askFor(call, r)
		return answer, err
	case owner != "", r.Action == server.ActionUpdate:
		return nil, fmt.Errorf("consumer %q of %s %w", name, stream, errNotYours)
	}
	r.Action = server.ActionCreate // not to change one that somebody else made who is no reader
	switch there, err := d.claims.there(stream, name); {
	case err != nil:
		return nil, err
	case there: // not a reader's; whoever asks for exactly what is there may use it
		answer, _, err := d.askFor(call, r)
		return answer, err
	}
	if err := d.claims.room(user, stream); err != nil {
		d.crowd.refused(err)
		return nil, err
	}
	return d.createNew(user, stream, name, call, r)
}

// createNew makes a consumer that is claimed before it is there, so that nobody else gets
// at it; one without a name as soon as it has got one.
func (d *desk) createNew(user, stream, name, call string, r server.CreateConsumerRequest) ([]byte, error) {
	if name != "" {
		if err := d.claims.note(user, stream, name); err != nil {
			return nil, err
		}
	}
	r.Config = signed(r.Config, user)
	answer, made, err := d.askFor(call, r)
	isMade := err == nil && made.Error == nil && made.ConsumerInfo != nil
	if !isMade && err == nil {
		d.claims.drop(stream, name)
	}
	if isMade && name == "" {
		err = d.claims.note(user, stream, made.Name)
	}
	return answer, err
}

// signed is the configuration with its owner in it, and without what would last for
// ever or escape the count.
func signed(c server.ConsumerConfig, user string) server.ConsumerConfig {
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	c.Metadata[metaReader] = user
	if c.InactiveThreshold > idle || c.InactiveThreshold <= 0 && c.Durable != "" {
		c.InactiveThreshold = idle
	}
	return c
}

// wanted are the stream and the name of the consumer, "" if the server chooses one.
func wanted(call string, c server.ConsumerConfig) (stream, name string, err error) {
	call = strings.TrimPrefix(strings.TrimPrefix(call, "CONSUMER.DURABLE.CREATE."), "CONSUMER.CREATE.")
	tokens := append(strings.Split(call, "."), "")
	names := slices.DeleteFunc([]string{tokens[1], c.Durable, c.Name}, func(n string) bool { return n == "" })
	if names = slices.Compact(names); len(names) > 1 {
		return "", "", fmt.Errorf("consumer %q has other names too, such as %q", names[0], names[1])
	}
	return tokens[0], strings.Join(names, ""), nil
}

// askFor asks the server itself: a request can't be passed on with the reply
// subject of another account.
func (d *desk) askFor(call string, r server.CreateConsumerRequest) (answer []byte, made server.JSApiConsumerCreateResponse, err error) {
	body, err := json.Marshal(r)
	if err == nil {
		answer, err = d.ask(call, body)
	}
	if err == nil {
		err = json.Unmarshal(answer, &made)
	}
	return answer, made, err
}

func (d *desk) ask(call string, body []byte) ([]byte, error) {
	answer, err := d.conn.Request(apiPrefix+call, body, deskTimeout)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// check returns the request as it may be passed on. It is written anew from what
// the server would understand of it.
func (d *desk) check(user, call string, body []byte) (r server.CreateConsumerRequest, err error) {
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("not a request for a consumer: %w", err)
	}
	tokens := strings.Split(call, ".")
	for _, name := range append(tokens, r.Config.Durable, r.Config.Name) {
		if stream, ok := d.shared[name]; ok && slices.Contains(append(tokens, r.Stream), stream) {
			return r, fmt.Errorf("consumer %q is the bridges' own", name)
		}
	}
	if to := r.Config.DeliverSubject; to != "" {
		if !strings.HasPrefix(to, inbox) || to == inbox || strings.ContainsAny(to, "*> ") {
			return r, fmt.Errorf("deliver subject %q: want one below %s", to, inbox)
		}
		r.Config.DeliverSubject = pushTo(user) + strings.TrimPrefix(to, inbox)
	}
	r.Config.Direct, r.Config.Sourcing = false, false // the server does not count those
	return r, nil
}

func refusal(err error) server.JSApiConsumerCreateResponse {
	said := &server.ApiError{Code: 403, Description: err.Error()}
	if errors.Is(err, errShare) {
		said.Code, said.ErrCode = 400, uint16(server.JSMaximumConsumersLimitErr)
	}
	return server.JSApiConsumerCreateResponse{ApiResponse: server.ApiResponse{
		Type: server.JSApiConsumerCreateResponseType, Error: said,
	}}
}

func (d *desk) close() {
	if d != nil {
		d.conn.Close()
	}
}

// metaReader is a consumer's owner in its metadata, where it outlives the process.
const metaReader = "io.aiccbridge.reader"

// How many consumers readers may have. The server itself takes a thousand for each
// stream, from whomever they come, and each costs it dozens of goroutines: most of the
// room is kept for the bridge and for admins.
const (
	maxOnStream      = 50  // one reader's on one stream
	maxOfReader      = 100 // one reader's on all streams
	maxReadersStream = 400 // all readers' on one stream

	serverMax = server.JSDefaultMaxConsumersPerStream
	crowded   = serverMax / 10 * 8 // an alarm, whoever made them
)

// errShare marks the refusal of a consumer beyond a reader's share.
var errShare = errors.New("maximum consumers limit reached")

// claims say which reader made which consumer. They may still name some that are gone:
// before a request is refused the server is asked, or was a moment ago.
type claims struct {
	js     jetstream.JetStream
	fences fences
	owners map[string]map[string]string // of stream and consumer: the user
	asked  time.Time                    // when the server was asked what is gone, for want of room
}

// askAgain is how long what the server said then is taken for true.
const askAgain = 200 * time.Millisecond

// readClaims asks the server for those of an earlier run.
func readClaims(conn *nats.Conn, f fences, streams []string) (*claims, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	c := &claims{js: js, fences: f, owners: map[string]map[string]string{}}
	for _, stream := range streams {
		c.owners[stream] = map[string]string{}
		if err := c.read(stream); err != nil {
			return nil, fmt.Errorf("consumers of %s: %w", stream, err)
		}
	}
	return c, nil
}

func (c *claims) read(stream string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deskTimeout)
	defer cancel()
	s, err := c.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // not yet made
	}
	if err != nil {
		return err
	}
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		if user := info.Config.Metadata[metaReader]; user != "" {
			if err := c.note(user, stream, info.Name); err != nil {
				return err
			}
		}
	}
	return list.Err()
}

// forget takes out of the claims what is gone.
func (c *claims) forget(stream string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deskTimeout)
	defer cancel()
	there := map[string]bool{}
	s, err := c.js.Stream(ctx, stream)
	if err == nil {
		list := s.ConsumerNames(ctx)
		for name := range list.Name() {
			there[name] = true
		}
		err = list.Err()
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("consumers of %s: %w", stream, err)
	}
	for name := range c.owners[stream] {
		if !there[name] {
			c.drop(stream, name)
		}
	}
	return nil
}

// of is who made the consumer, "" if no reader did.
func (c *claims) of(user, stream, name string) (string, error) {
	if owner := c.owners[stream][name]; owner == "" || owner == user {
		return owner, nil
	}
	err := c.forget(stream)
	return c.owners[stream][name], err
}

// owned is an error for a consumer that is there and somebody else made.
func (c *claims) owned(user, stream, name string) error {
	if c.owners[stream][name] == user {
		return nil
	}
	if there, err := c.there(stream, name); err == nil && !there {
		return nil // the server says so, too
	}
	return fmt.Errorf("consumer %q of %s %w", name, stream, errNotYours)
}

// there reports whether the server has a consumer of that name, or has no such stream.
func (c *claims) there(stream, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), deskTimeout)
	defer cancel()
	_, err := c.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrInvalidConsumerName) {
		return false, nil // the server has a better answer to names that cannot be
	}
	return err == nil, err
}

// note claims a consumer for a user, and fences it in.
func (c *claims) note(user, stream, name string) error {
	if c.owners[stream] == nil {
		return nil
	}
	if err := c.fences.raise(user, stream, name); err != nil {
		c.fences.lower(stream, name)
		return err
	}
	c.owners[stream][name] = user
	return nil
}

func (c *claims) drop(stream, name string) {
	if c.owners[stream][name] != "" {
		delete(c.owners[stream], name)
		c.fences.lower(stream, name)
	}
}

// room is an error if the user has his share, or all readers together have theirs.
// Whoever asks again and again must not keep the desk from others.
func (c *claims) room(user, stream string) error {
	err := c.full(user, stream)
	if err == nil || time.Since(c.asked) < askAgain {
		return err
	}
	for s := range c.owners {
		if err := c.forget(s); err != nil {
			return err
		}
	}
	c.asked = time.Now()
	return c.full(user, stream)
}

func (c *claims) full(user, stream string) error {
	all := 0
	for _, owners := range c.owners {
		all += count(owners, user)
	}
	onStream := count(c.owners[stream], user)
	switch {
	case onStream >= maxOnStream:
		return fmt.Errorf("%w: reader %q has %d on stream %s", errShare, user, onStream, stream)
	case all >= maxOfReader:
		return fmt.Errorf("%w: reader %q has %d on all streams", errShare, user, all)
	case len(c.owners[stream]) >= maxReadersStream:
		return fmt.Errorf("%w: readers have %d on stream %s", errShare, len(c.owners[stream]), stream)
	}
	return nil
}

func count(owners map[string]string, user string) (n int) {
	for _, owner := range owners {
		if owner == user {
			n++
		}
	}
	return n
}

// crowd remembers the last consumer that was refused for want of room, over restarts
// in place.
type crowd struct {
	mu   sync.Mutex
	last error
	at   time.Time
}

// remembered is how long a refusal counts: who wants more than his share asks again.
const remembered = 5 * time.Minute

func (c *crowd) refused(err error) {
	if !errors.Is(err, errShare) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.at = err, time.Now()
}

func (c *crowd) find() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || time.Since(c.at) > remembered {
		return nil
	}
	return c.last
}

// Crowded reports that a reader wants more consumers than his share, or that a stream
// has nearly as many as the server takes, whoever made them: the bridge needs some of
// its own. It never waits for a restart.
func (s *Server) Crowded() error {
	if err := s.crowd.find(); err != nil {
		return err
	}
	ns, err := s.running()
	if err != nil || ns.GlobalAccount().JetStreamUsage().Consumers < crowded {
		return nil // what stands still is another alarm's
	}
	all, err := ns.Jsz(&server.JSzOptions{Account: ns.GlobalAccount().Name, Streams: true})
	if err != nil {
		return nil
	}
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			if n := stream.State.Consumers; n >= crowded {
				return fmt.Errorf("stream %s has %d consumers of at most %d", stream.Name, n, serverMax)
			}
		}
	}
	return nil
}
