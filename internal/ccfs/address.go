package ccfs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/dialguard"
	"aiccbridge/internal/foreign"
)

// Address is a URL that plays one recording to whoever has it: a secret. It prints as ***
// through fmt, JSON and zerolog. The zero value leads nowhere.
type Address struct {
	// Until is how long the address is good, as far as is known.
	Until time.Time

	operation string        // playVoice, or objectStore
	url       func() string // a func, because nothing that prints by reflection looks into it
}

// objectStore stands for an operation in errors about addresses of the object store.
const objectStore = "object store"

const playVoice = "playVoice"

func newAddress(operation, address string, until time.Time) Address {
	return Address{Until: until, operation: operation, url: func() string { return address }}
}

// secrets are what must be in no error: the values of the query as they are written and as
// they are meant, but for those too short to be one.
func (a Address) secrets() (all []string) {
	const short = 8
	_, query, _ := strings.Cut(a.url(), "?")
	for pair := range strings.SplitSeq(query, "&") {
		_, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if len(value) >= short {
			all = append(all, value)
		}
		if err == nil && plain != value && len(plain) >= short {
			all = append(all, plain)
		}
	}
	return all
}

// Reveal returns the URL, "" for the zero value.
func (a Address) Reveal() string {
	if a.url == nil {
		return ""
	}
	return a.url()
}

// String returns ***.
func (a Address) String() string { return "***" }

// Format writes *** for every verb.
func (a Address) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "***") }

// MarshalJSON returns "***".
func (a Address) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

const (
	playLife   = 30 * time.Minute // cec_07_0822
	objectLife = 8 * time.Hour    // cec_07_0813, by default
)

// RequestPlay returns an address that plays the recording of that original_file_name for 30
// minutes (requestPlayVoice, playVoice, cec_07_0822, 0823). Errors are those of DownloadRecording.
func (c *Client) RequestPlay(ctx context.Context, fileName string) (Address, error) {
	const operation = "requestPlayVoice"
	if err := name(fileName, 225); err != nil {
		return Address{}, invalid(operation, err)
	}
	asked, token := c.options.Now(), ""
	err := c.ask(ctx, enveloped(operation, soundFile{slashes(fileName)}), "success without a usable token", func(a *answer) error {
		data, err := foreign.ParseObject(a.data)
		if err != nil {
			return errors.New("resultData is not an object") // the cause could quote it
		}
		if token = data.Maybe("token").String(); !isToken(token) {
			return errors.New("the token is empty, too long, or has blanks")
		}
		return nil
	})
	if err != nil {
		return Address{}, err
	}
	target := *c.base
	target.Path += "/" + playVoice
	target.RawQuery = "t=" + strconv.FormatInt(asked.UnixMilli(), 10) + "&version=2.0&st=" + url.QueryEscape(token)
	return newAddress(playVoice, target.String(), asked.Add(playLife)), nil
}

// isToken takes what can stand in a URL.
func isToken(s string) bool {
	return s != "" && len(s) <= 1024 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Stored asks where the recordings of a call are in the platform's object store.
type Stored struct {
	CallID string // at most 25 characters
	// From and To bound the call, at most 3 days apart. Their wall clock is sent as it
	// stands: give them in the tenant's time zone.
	From, To time.Time
}

type storedQuery struct {
	Version   string `json:"version"`
	CallID    string `json:"callId"`
	BeginTime string `json:"beginTime"`
	EndTime   string `json:"endTime"`
}

// codeCallID is the answer of platforms that want the part of a call id behind the dash.
const codeCallID = "0300028"

// RequestStored returns the addresses of a call's recordings in the object store, in the
// order of their begin, good for 8 hours by default (getRecordFileUrlFromObs, cec_07_0813). A
// platform that refuses a call id like 1714525260-1001 is asked for 1001, at once in later
// calls. NotThere (0300012) is the normal answer about a call without recording; a 404,
// Permanent, that of platforms before AICC 22.100, which don't know the operation.
func (c *Client) RequestStored(ctx context.Context, s Stored) ([]Address, error) {
	if err := s.check(); err != nil {
		return nil, invalid(operationStored, err)
	}
	_, short, composite := strings.Cut(s.CallID, "-")
	if !composite || !c.shortIDs.Load() {
		found, err := c.requestStored(ctx, s, s.CallID)
		var e *Error
		if !composite || !errors.As(err, &e) || significant(e.Code) != significant(codeCallID) {
			return found, err
		}
	}
	found, err := c.requestStored(ctx, s, short)
	var e *Error
	if err == nil || errors.As(err, &e) && e.Class == NotThere {
		c.shortIDs.Store(true)
	}
	return found, err
}

const operationStored = "getRecordFileUrlFromObs"

func (s Stored) check() error {
	if s.CallID == "" || len(s.CallID) > 25 {
		return errors.New("the call id is empty, or has more than 25 characters")
	}
	if s.From.IsZero() || s.To.IsZero() {
		return errors.New("the window has no begin or no end")
	}
	return checkSpan(s.From, s.To)
}

func (c *Client) requestStored(ctx context.Context, s Stored, callID string) ([]Address, error) {
	q := call{operation: operationStored, body: storedQuery{
		Version: "2.0", CallID: callID, BeginTime: s.From.Format(wallClock), EndTime: s.To.Format(wallClock),
	}}
	until := c.options.Now().Add(objectLife)
	var found []Address
	err := c.ask(ctx, q, "success without a usable address", func(a *answer) error {
		for _, address := range addresses(a) {
			if _, err := c.objectURL(address); err != nil {
				return err
			}
			found = append(found, newAddress(objectStore, address, until))
		}
		if len(found) == 0 {
			return errors.New("there is no URL in it")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

const (
	// maxAddresses bounds the recordings of one call.
	maxAddresses = 100
	// maxAddressBytes bounds an address of the object store.
	maxAddressBytes = 8 << 10
)

// addresses finds the URLs of an answer. Pages and clients name three places (resultData.url,
// resultData.obsFileUrl, url), and not how several are written.
func addresses(a *answer) []string {
	for _, place := range [][]json.RawMessage{{a.data}, a.whole.All("url", "obsFileUrl")} {
		found := slices.DeleteFunc(texts(place), func(s string) bool {
			return !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://")
		})
		if len(found) > 0 {
			return found[:min(len(found), maxAddresses)]
		}
	}
	return nil
}

// texts are all texts in these values that are no keys, each once, in their order.
func texts(values []json.RawMessage) (out []string) {
	for _, v := range values {
		d := json.NewDecoder(bytes.NewReader(v))
		for t, err := d.Token(); err == nil; t, err = d.Token() {
			if s, ok := t.(string); ok && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// objectURL reads an address of the object store. The errors don't quote it.
func (c *Client) objectURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || len(address) > maxAddressBytes {
		return nil, errors.New("the address of the recording is not a URL")
	}
	if u.Scheme != "https" && !c.options.AllowHTTP {
		return nil, errors.New("the address of the recording does not begin with https://")
	}
	if u.User != nil {
		return nil, errors.New("the address of the recording holds a user")
	}
	return u, nil
}

// Open writes what an address plays to w, without Authorization. NotThere means that the
// address is over: ask for a new one. Other errors are those of DownloadRecording; none holds
// the address.
func (c *Client) Open(ctx context.Context, a Address, w io.Writer) (s Sound, err error) {
	if a.url == nil {
		return s, invalid(objectStore, errors.New("there is no address"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c = c.hiding(a.secrets)
	got, err := c.open(ctx, cancel, a)
	if err != nil {
		return s, a.explain(err)
	}
	defer got.close()
	return c.streamSound(ctx, a.operation, got, w)
}

func (c *Client) open(ctx context.Context, cancel context.CancelCauseFunc, a Address) (*answer, error) {
	watchdog := time.AfterFunc(c.options.AnswerTimeout, func() { cancel(errSilent) })
	defer watchdog.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url(), nil)
	if err != nil {
		return nil, c.fail(&Error{Operation: a.operation, Class: Permanent, Local: true, Message: "the address is not a URL"})
	}
	setCommon(req.Header)
	clients := c.objects
	if a.operation == playVoice {
		clients = []*http.Client{c.play}
	}
	res, err := first(clients, req)
	if err != nil {
		return nil, c.noAnswer(ctx, a.operation, err)
	}
	return c.take(ctx, a.operation, res, watchdog)
}

// first asks by the first client that trusts the server. Of a request to one that is not
// trusted nothing was sent.
func first(clients []*http.Client, req *http.Request) (res *http.Response, err error) {
	for _, client := range clients {
		if res, err = client.Do(req); err == nil || !errors.As(err, new(x509.UnknownAuthorityError)) {
			return res, err
		}
	}
	return nil, err
}

// explain says when an address is over, or must not be opened.
func (a Address) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if refused := (*dialguard.Error)(nil); a.operation == objectStore && errors.As(err, &refused) {
		e.Class, e.Err = Permanent, nil // its cure is for the file store's own URL
		e.Message = "the platform named " + refused.Address.String() + ", a link-local or metadata address, which is never opened"
	}
	over := a.operation == playVoice && significant(e.Code) == significant(codeToken) ||
		a.operation == objectStore && slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, e.Status)
	if over {
		e.Class, e.RetryAfter, e.Skew = NotThere, 0, 0
		e.Message = cmp.Or(e.Message, "refused") + "; the address is over, ask for a new one"
	}
	return err
}

// codeToken is the answer to a token that is none.
const codeToken = "010106"
