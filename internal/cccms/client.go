package cccms

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/foreign"
)

// Options configure a Client. Service.URL, Service.Key and VDN are needed.
type Options struct {
	// Service is where the monitor is and how it is reached. URL is the base address,
	// https://host:port/rest/cmsapp/v1/openapi. MaxAnswerBytes is 16 MiB by default, enough
	// for 60,000 agents, AnswerTimeout 20 s.
	Service ccfs.Options
	CC      int // call centre, 1 to 65535; default 1, as in installations that have one
	VDN     int // 1 to 5000
	// Budget is waited for before each request. Clients under one access key share it. nil:
	// there is none.
	Budget *rate.Limiter
}

// Client looks at the agents of one VDN. Safe for concurrent use.
type Client struct {
	service *ccfs.Client
	scope   scope
	budget  *rate.Limiter

	mu     sync.Mutex
	absent map[string]bool // calls that this platform does not have
}

// scope is what every request says.
type scope struct {
	CC  int `json:"ccId"`
	VDN int `json:"vdn"`
}

// New checks the options and returns a Client; it does no I/O.
func New(o Options) (*Client, error) {
	s := o.Service
	s.Form = "https://host:port/rest/cmsapp/v1/openapi"
	s.MaxAnswerBytes = cmp.Or(s.MaxAnswerBytes, 16<<20)
	s.AnswerTimeout = cmp.Or(s.AnswerTimeout, 20*time.Second)
	service, err := ccfs.New(s)
	if err != nil {
		return nil, err
	}
	o.CC = cmp.Or(o.CC, 1)
	if o.CC < 1 || o.CC > 65535 || o.VDN < 1 || o.VDN > 5000 {
		return nil, errors.New("monitor client: want a call centre of 1 to 65535 and a VDN of 1 to 5000")
	}
	return &Client{service: service, scope: scope{o.CC, o.VDN}, budget: o.Budget, absent: map[string]bool{}}, nil
}

// Close drops idle connections. Calls in progress go on.
func (c *Client) Close() { c.service.Close() }

// Skew is the platform's clock minus ours; see [ccfs.Client.Skew].
func (c *Client) Skew() (time.Duration, bool) { return c.service.Skew() }

// Ping asks whether the monitor answers, and takes our signature (cec_07_0687).
func (c *Client) Ping(ctx context.Context) error {
	const up = "UP"
	return c.ask(ctx, "ping", map[string]any{"say": map[string]string{"hello": "bridge"}}, func(o foreign.Object) error {
		if !strings.EqualFold(o.Maybe("status").String(), up) {
			return errors.New("the monitor does not say that it is up")
		}
		return nil
	})
}

// ask makes one call within the budget.
func (c *Client) ask(ctx context.Context, operation string, body any, read func(foreign.Object) error) error {
	if c.budget != nil {
		if err := c.budget.Wait(ctx); err != nil {
			return &ccfs.Error{Operation: operation, Class: ccfs.Again, Local: true, Err: err}
		}
	}
	return c.service.Ask(ctx, operation, body, read)
}

// errAbsent is why nothing was asked that this platform does not have.
var errAbsent = errors.New("this edition of the platform has no such call")

// codeEdition is what an edition answers that lacks a call (cec_07_0696).
const codeEdition = "0100003"

// first makes the first of some calls that this platform has. Which it lacks it says once.
func (c *Client) first(calls ...attempt) error {
	for _, one := range calls {
		if c.lacks(one.operation) {
			continue
		}
		err := one.make()
		var e *ccfs.Error
		if !errors.As(err, &e) || strings.TrimLeft(e.Code, "0") != strings.TrimLeft(codeEdition, "0") {
			return err
		}
		c.mu.Lock()
		c.absent[one.operation] = true
		c.mu.Unlock()
	}
	return &ccfs.Error{Operation: calls[0].operation, Code: codeEdition, Class: ccfs.Permanent, Err: errAbsent}
}

// attempt is one of several calls that tell the same.
type attempt struct {
	operation string
	make      func() error
}

func (c *Client) lacks(operation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.absent[operation]
}
