package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/outward"
	"aiccbridge/internal/platformsim/pause"
	"aiccbridge/internal/platformsim/truth"
)

// Poster posts. It is safe for concurrent use.
type Poster struct {
	o      Options
	client *http.Client
}

// New returns a poster with complete options. It does no I/O.
func New(o Options) *Poster {
	return &Poster{o: o, client: outward.New(outward.Options{Roots: o.Roots, TrustAll: o.TrustAll, Timeout: o.Timeout, Dial: o.Dial})}
}

// Source is a session with its queue.
type Source interface {
	// Names are the agent's id, and the session's in truth.
	Names() (agent, session string)
	// Keys are the newest GUID and the service token.
	Keys() (guid, token string)
	// Waiting blocks until events wait, and returns them printed, oldest first, at most
	// so many (0: all). They stay in the queue. None: the session or ctx has ended.
	Waiting(ctx context.Context, most int) []json.RawMessage
	// Envelope is the answer of a poll that brings an event.
	Envelope(event json.RawMessage) json.RawMessage
	// Posted takes the first n events out of the queue; taken says whether the receiver
	// has them for certain.
	Posted(n int, taken bool)
}

// Run posts what comes until the session or ctx ends. life ends with the session, ctx
// with the platform: a POST under way when the agent signs out is finished. It is false
// when the receiver was out of reach for so long that the agent must be signed out.
func (p *Poster) Run(ctx, life context.Context, to Target, from Source) bool {
	most := 0
	if to.way == single {
		most = 1
	}
	for {
		events := from.Waiting(life, most)
		if len(events) == 0 {
			return true
		}
		d := &delivery{Poster: p, to: to, from: from, begun: p.o.Now()}
		taken := d.repeat(ctx, life, most)
		from.Posted(d.events, taken)
		if !taken && to.way == list {
			return life.Err() != nil
		}
	}
}

// delivery is what is tried until it is taken.
type delivery struct {
	*Poster
	to     Target
	from   Source
	begun  time.Time
	tries  int
	events int // in the last POST
}

// repeat posts until the events are taken, or given up, or life ends. A list grows by
// what has come meanwhile.
func (d *delivery) repeat(ctx, life context.Context, most int) bool {
	for {
		events := d.from.Waiting(life, most)
		if len(events) == 0 {
			return false
		}
		d.events = len(events)
		d.tries++
		if d.round(ctx, events) {
			return true
		}
		wait := d.o.RepeatEvery
		if d.to.way == single {
			wait = d.o.Pause
		}
		if d.spent(wait) || !pause.For(life, wait) {
			return false
		}
	}
}

// spent reports whether there is no further try after a wait.
func (d *delivery) spent(wait time.Duration) bool {
	if d.to.way == single {
		return d.tries >= d.o.Tries
	}
	return d.o.Now().Add(wait).Sub(d.begun) > d.o.GiveUp
}

// round posts once, or twice where a fault wants it, and returns whether the platform
// takes the events for delivered.
func (d *delivery) round(ctx context.Context, events []json.RawMessage) bool {
	agent, _ := d.from.Names()
	how := d.o.Faults.All(fault.Occasion{Agent: agent}, late, unheard, twice, wrongToken)
	if !pause.For(ctx, time.Duration(how.Get(late).Delay)) {
		return false
	}
	taken := d.post(ctx, events, how)
	if taken && how.Has(twice) {
		d.post(ctx, events, how)
	}
	return taken && !how.Has(unheard)
}

// post sends one POST, and tells truth.
func (d *delivery) post(ctx context.Context, events []json.RawMessage, how fault.Hits) bool {
	agent, session := d.from.Names()
	entry := truth.Push{
		At: d.o.Now(), Agent: agent, Session: session, Way: d.to.way.String(), Attempt: d.tries, Events: len(events), Fault: how.String(),
	}
	status, taken, err := d.send(ctx, agent, events, how)
	entry.Status, entry.Taken = status, taken
	if err != nil {
		entry.Err = err.Error()
	}
	d.o.Truth.Push(entry)
	d.o.Logger.Debug().Err(err).Str("agent", agent).Int("attempt", d.tries).Int("status", status).Bool("taken", taken).
		Str("fault", entry.Fault).Msg("events posted")
	return taken
}

// maxAnswerBytes is as much of an answer as is read.
const maxAnswerBytes = 64 << 10

func (d *delivery) send(ctx context.Context, agent string, events []json.RawMessage, how fault.Hits) (status int, taken bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.to.address, bytes.NewReader(d.body(agent, events)))
	if err != nil {
		return 0, false, errors.New("build push: the address is none")
	}
	guid, token := d.from.Keys()
	if how.Has(wrongToken) {
		token = strings.Repeat("x", max(1, len(token)))
	}
	req.Header = http.Header{"Content-Type": {"application/json; charset=UTF-8"}, "Guid": {guid}, "Accept-Encoding": {"identity"}}
	if d.to.way == list {
		req.Header["service_token"] = []string{token} // as the page spells it
	}
	resp, err := d.client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // it quotes the address, whose query may be secret
			err = outer.Err
		}
		return 0, false, fmt.Errorf("post events: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return resp.StatusCode, false, fmt.Errorf("read the answer to a push: %w", err)
	}
	return resp.StatusCode, resp.StatusCode == http.StatusOK && d.to.way.takes(answer), nil
}

// takes judges the body of an answer with status 200: retcode 0, as a string or a
// number; to a single event some clients answer nothing at all.
func (d dialect) takes(body []byte) bool {
	if len(bytes.TrimSpace(body)) == 0 {
		return d == single
	}
	var a struct{ Retcode json.RawMessage }
	return json.Unmarshal(body, &a) == nil && strings.Trim(string(a.Retcode), `"`) == "0"
}

func (d *delivery) body(agent string, events []json.RawMessage) []byte {
	if d.to.way == single {
		return d.from.Envelope(events[0])
	}
	var b bytes.Buffer
	b.WriteString(`{"workNo":` + strconv.Quote(agent) + `,"eventList":[`)
	for i, e := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e)
	}
	b.WriteString("]}")
	return b.Bytes()
}
