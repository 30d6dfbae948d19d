package ccfs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/foreign"
)

// What Query.DataType can ask for.
const (
	DataTypeCall       = "call"        // call detail records
	DataTypeRecord     = "record"      // recording index
	DataTypeCallRecord = "call_record" // both, in one ZIP
)

// maxSpan is the longest window. The platform's own sample uses exactly this much.
const maxSpan = 72 * time.Hour

const wallClock = "2006-01-02 15:04:05"

// Query asks for one extraction. Unused optional fields stay empty and are left out of the
// request: the platform has an error code for empty strings.
type Query struct {
	// DataType is one of the DataType constants for QueryBills, empty for the others.
	DataType string
	// From and To bound the window, at most 3 days apart. Their wall clock is sent as it
	// stands, so give them in the tenant's time zone; fractions of seconds are dropped. To
	// is sent as the end and should be meant inclusively.
	From, To    time.Time
	AccountID   string // enterprise account; at most 20 characters
	AgentID     string // at most 20 characters
	CallID      string // QueryBills only; at most 25 characters
	CallbackURL string // where the platform posts the file name; no query, no fragment
}

type billQuery struct {
	BeginTime   string `json:"beginTime"`
	EndTime     string `json:"endTime"`
	AccountID   string `json:"accountId,omitempty"`
	AgentID     string `json:"agentId,omitempty"`
	CallID      string `json:"callId,omitempty"`
	DataType    string `json:"dataType"`
	CallBackURL string `json:"callBackURL"`
}

// agentQuery asks for operations or skill changes of agents.
type agentQuery struct {
	BeginTime   string `json:"beginTime"`
	EndTime     string `json:"endTime"`
	AccountID   string `json:"accountId,omitempty"`
	AgentID     string `json:"agentId,omitempty"`
	CallBackURL string `json:"callBackURL"`
}

// QueryBills orders a file of call records and/or recording indexes (queryBillData) and
// returns its responseId: 32 lower-case hex digits without dashes. The callback may arrive
// before this returns. Errors are of type *Error.
func (c *Client) QueryBills(ctx context.Context, q Query) (responseID string, err error) {
	const operation = "queryBillData"
	if err := q.check(true); err != nil {
		return "", invalid(operation, err)
	}
	return c.query(ctx, operation, billQuery{
		BeginTime: q.From.Format(wallClock), EndTime: q.To.Format(wallClock),
		AccountID: q.AccountID, AgentID: q.AgentID, CallID: q.CallID,
		DataType: q.DataType, CallBackURL: q.CallbackURL,
	})
}

// QueryAgentOperations orders a file of agent operations (queryAgentOprInfoData) and
// returns its responseId, as QueryBills does.
func (c *Client) QueryAgentOperations(ctx context.Context, q Query) (responseID string, err error) {
	return c.queryAgents(ctx, "queryAgentOprInfoData", q)
}

// QueryAgentSkills orders a file of agents' skill changes (queryAgentSkillInfoData,
// cec_07_0820) and returns its responseId, as QueryBills does.
func (c *Client) QueryAgentSkills(ctx context.Context, q Query) (responseID string, err error) {
	return c.queryAgents(ctx, "queryAgentSkillInfoData", q)
}

func (c *Client) queryAgents(ctx context.Context, operation string, q Query) (string, error) {
	if err := q.check(false); err != nil {
		return "", invalid(operation, err)
	}
	return c.query(ctx, operation, agentQuery{
		BeginTime: q.From.Format(wallClock), EndTime: q.To.Format(wallClock),
		AccountID: q.AccountID, AgentID: q.AgentID, CallBackURL: q.CallbackURL,
	})
}

func (c *Client) query(ctx context.Context, operation string, body any) (string, error) {
	var id string
	err := c.ask(ctx, enveloped(operation, body), "success without a usable responseId", func(a *answer) error {
		data, err := foreign.ParseObject(a.data)
		if err == nil {
			id, err = normaliseResponseID(data.Maybe("responseId").String())
		}
		return err
	})
	return id, err
}

// Ask asks another service that is signed for and answers as the file store does, below the
// client's URL: body is sent as it stands, read gets the answer of a success and says what is
// wrong with it. Errors are of type *Error.
func (c *Client) Ask(ctx context.Context, operation string, body any, read func(foreign.Object) error) error {
	return c.ask(ctx, call{operation: operation, body: body}, "success without what was asked for", func(a *answer) error {
		return read(a.whole.Object)
	})
}

// ask makes a call that is answered in JSON. useless says what a success is that read
// refuses.
func (c *Client) ask(ctx context.Context, q call, useless string, read func(*answer) error) error {
	return c.exchange(ctx, q, func(_ context.Context, a *answer) error {
		e := &Error{Operation: q.operation, Status: a.status, Class: Broken, Message: useless}
		if a.file != nil {
			e.Message = "the answer is a file, not JSON"
			return c.fail(e)
		}
		if e.Err = read(a); e.Err != nil {
			return c.fail(e)
		}
		return nil
	})
}

var responseIDText = regexp.MustCompile(`^[0-9a-f]{32}$`)

// normaliseResponseID removes dashes and lowers the case: one table of the documentation
// prints the id as a UUID while its file name has none. The result is 32 hex digits.
func normaliseResponseID(s string) (string, error) {
	id := strings.ToLower(strings.ReplaceAll(s, "-", ""))
	if !responseIDText.MatchString(id) {
		return "", fmt.Errorf("responseId %q is not 32 hex digits", clean(s))
	}
	return id, nil
}

func (q Query) check(bills bool) error {
	knownType := slices.Contains([]string{DataTypeCall, DataTypeRecord, DataTypeCallRecord}, q.DataType)
	if bills && !knownType {
		return fmt.Errorf("data type %q is none of call, record, call_record", q.DataType)
	}
	if !bills && (q.DataType != "" || q.CallID != "") {
		return errors.New("operations and skill changes of agents have neither data type nor call id")
	}
	if q.From.IsZero() || q.To.IsZero() {
		return errors.New("the window has no begin or no end")
	}
	if len(q.AccountID) > 20 || len(q.AgentID) > 20 || len(q.CallID) > 25 {
		return errors.New("account, agent or call id is too long (20, 20 and 25 characters)")
	}
	if err := checkSpan(q.From, q.To); err != nil {
		return err
	}
	return checkCallback(q.CallbackURL)
}

// checkSpan compares what is written, as the platform does, not the instants: they differ
// across a DST change.
func checkSpan(from, to time.Time) error {
	span := written(to).Sub(written(from))
	if span < 0 {
		return errors.New("the window ends before it begins, as written in the tenant's time zone")
	}
	if span > maxSpan {
		return errors.New("the window is longer than 3 days, as written in the tenant's time zone")
	}
	return nil
}

// written returns t's wall clock, to the second, as if it were UTC.
func written(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func checkCallback(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the callback URL is not an absolute http or https URL")
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") || u.User != nil {
		return errors.New("the callback URL must not have a query, a fragment or a user")
	}
	return nil
}

func invalid(operation string, err error) *Error {
	return &Error{Operation: operation, Class: Permanent, Local: true, Message: "invalid request", Err: err}
}
