package ccfs

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"aiccbridge/internal/foreign"
	"aiccbridge/internal/retry"
)

// answer is a successful answer: either data of a JSON answer or a file still arriving.
type answer struct {
	status int
	data   json.RawMessage // resultData; may be empty
	file   io.Reader       // the ZIP, from its first byte
	length int64           // Content-Length of the file, -1 if not given
	body   io.Closer
}

func (a *answer) close() { _ = a.body.Close() } // nothing can be done about it

// body is a JSON answer, or the error page of the platform's web server (cec_07_0836).
type body struct {
	ResultCode foreign.Text    `json:"resultCode"`
	ResultDesc foreign.Text    `json:"resultDesc"`
	ResultData json.RawMessage `json:"resultData"`
	Response   json.RawMessage `json:"response"` // legacy: used when resultCode is missing
	Timestamp  foreign.Text    `json:"timestamp"`
	Status     foreign.Text    `json:"status"`
	Error      foreign.Text    `json:"error"`
	Message    foreign.Text    `json:"message"`
	Path       foreign.Text    `json:"path"`
}

// ofWebServer reports the shape of the platform's own error page. A firewall's JSON lacks
// it, and so do result codes.
func (b body) ofWebServer() bool {
	return b.Timestamp.String() != "" && b.Status.String() != "" && b.Error.String() != "" && b.Path.String() != ""
}

// result returns code and text, falling back to the legacy object.
func (b body) result() (code, message string) {
	if b.ResultCode.String() == "" && len(b.Response) > 0 {
		var legacy struct {
			ResultCode foreign.Text `json:"resultCode"`
			ResultMsg  foreign.Text `json:"resultMsg"`
		}
		if json.Unmarshal(b.Response, &legacy) == nil {
			return legacy.ResultCode.String(), legacy.ResultMsg.String()
		}
	}
	return b.ResultCode.String(), b.ResultDesc.String()
}

// read decides what an answer is by its first bytes. It reads JSON to the end, under the
// watchdog, and leaves a file to be streamed.
func (c *Client) read(ctx context.Context, operation string, res *http.Response, watchdog *time.Timer) (*answer, error) {
	stream := &timed{r: res.Body, watchdog: watchdog}
	in := bufio.NewReader(stream)
	kind, err := sniff(in)
	err = cutOff(ctx, err)
	ok := retry.HTTPStatus(res.StatusCode) == retry.OK
	if err != nil && ok {
		return nil, c.noAnswer(ctx, operation, err)
	}
	if ok && kind == zipFile {
		stream.idle = c.options.IdleTimeout
		return &answer{status: res.StatusCode, file: in, length: res.ContentLength, body: res.Body}, nil
	}
	content, err := io.ReadAll(io.LimitReader(in, c.options.MaxAnswerBytes+1))
	err = cutOff(ctx, err)
	if err != nil && ok { // a bad status counts even when its body is cut off
		return nil, c.noAnswer(ctx, operation, err)
	}
	e := &Error{Operation: operation, Status: res.StatusCode}
	switch {
	case !ok:
		judgeStatus(e, kind, content)
		heedRetryAfter(e, res.Header, c.options.Now())
	case int64(len(content)) > c.options.MaxAnswerBytes:
		e.Class, e.Message = Broken, fmt.Sprintf("the answer is longer than %d bytes", c.options.MaxAnswerBytes)
	case kind == jsonText:
		data, good := judgeJSON(e, content)
		if good {
			return &answer{status: res.StatusCode, data: data, body: res.Body}, nil
		}
	default:
		judgeForeign(e, kind, content)
	}
	return nil, c.fail(e)
}

// judgeJSON returns resultData of a success, or completes e.
func judgeJSON(e *Error, content []byte) (data json.RawMessage, good bool) {
	var b body
	if err := json.Unmarshal(content, &b); err != nil {
		e.Class, e.Message, e.Err = Broken, "the answer is not valid JSON", err
		return nil, false
	}
	code, message := b.result()
	if succeeded(code) {
		return b.ResultData, true
	}
	if code == "" {
		e.Class, e.Message = Broken, "the answer has no resultCode: "+cmp.Or(b.Message.String(), b.Error.String())
		return nil, false
	}
	applyCode(e, code, message)
	return nil, false
}

func applyCode(e *Error, code, message string) {
	v := judge(code)
	e.Code, e.Class, e.MaxAttempts, e.RetryAfter = code, v.class, v.maxAttempts, v.retryAfter
	e.Message = cmp.Or(message, v.text)
}

// judgeForeign completes e for an answer with status 200 that is neither ZIP nor JSON.
func judgeForeign(e *Error, k kind, content []byte) {
	switch k {
	case empty:
		e.Class, e.Message = Again, "the answer is empty"
	case htmlText:
		e.Class, e.RetryAfter, e.Message = Firewall, firewallPause, "a web page instead of an answer: "+plain(content)
	default:
		e.Class, e.Message = Broken, "the answer is neither ZIP nor JSON"
	}
}

const (
	firewallPause = 30 * time.Second
	longestPause  = time.Hour
)

// judgeStatus completes e for an answer with another status than 200: by its resultCode,
// else by its status. A 401 counts as one whatever its body says, since each may be one
// step towards the lock.
func judgeStatus(e *Error, k kind, content []byte) {
	var b body
	if k == jsonText {
		_ = json.Unmarshal(content, &b) // without a text the status alone decides
	}
	code, message := b.result()
	if code != "" && !succeeded(code) && e.Status != http.StatusUnauthorized {
		applyCode(e, code, message)
		return
	}
	said := cmp.Or(message, b.Message.String(), b.Error.String())
	switch e.Class = statusClass(e.Status, k, b.ofWebServer()); e.Class {
	case Auth:
		e.Message = "the signature was refused: " + cmp.Or(said, "no reason given")
	case Locked:
		e.Message = "the platform locked our address: " + cmp.Or(said, "no reason given")
	case Firewall:
		e.RetryAfter, e.Message = firewallPause, cmp.Or(said, "a firewall or proxy answered: "+plain(content))
	case Permanent:
		e.Message = cmp.Or(said, "check the URL, and whether this tenant offers the operation")
	default:
		e.Message = said
	}
}

// statusClass judges a status without a result code. own tells that the body is the
// platform's own error page. Firewalls in front of the platform answer 403, 418, 429 and
// 502 with pages, or JSON, of their own; only the platform can say that it locked us.
func statusClass(status int, k kind, own bool) Class {
	switch retry.HTTPStatus(status) {
	case retry.Auth:
		return Auth
	case retry.Locked:
		if own {
			return Locked
		}
		return Firewall
	case retry.Retry:
		firewall := !own && (status == 418 || status == 429 || status == 502)
		if firewall || k == htmlText {
			return Firewall
		}
		return Again
	}
	return Permanent
}

var markup = regexp.MustCompile(`(?is)<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>`)

// plain returns the words of a web page.
func plain(page []byte) string { return markup.ReplaceAllString(string(page), " ") }

// heedRetryAfter lets the answer's Retry-After, seconds or a date, lengthen the pause of a
// temporary failure, to at most an hour. A date is taken by the clock that wrote it, the
// answer's Date, or by now without one.
func heedRetryAfter(e *Error, header http.Header, now time.Time) {
	if e.Class != Again && e.Class != FlowControl && e.Class != Firewall {
		return
	}
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		e.RetryAfter = max(e.RetryAfter, time.Duration(min(seconds, int(longestPause/time.Second)))*time.Second)
		return
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	e.RetryAfter = max(e.RetryAfter, min(until.Sub(now), longestPause))
}

// kind is what the first bytes of an answer say it is.
type kind int

const (
	otherKind kind = iota
	empty
	zipFile
	jsonText
	htmlText
)

const maxBlanks = 1024

// sniff skips blanks and a byte order mark and looks at the next bytes without taking them.
func sniff(in *bufio.Reader) (kind, error) {
	for range maxBlanks {
		head, err := in.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return otherKind, err
		}
		skip := 0
		switch {
		case len(head) == 0:
			return empty, nil
		case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
			skip = 3
		case bytes.IndexByte([]byte(" \t\r\n"), head[0]) >= 0:
			skip = 1
		default:
			return kindOf(head), nil
		}
		if _, err := in.Discard(skip); err != nil {
			return otherKind, err
		}
	}
	return otherKind, nil
}

// kindOf knows ZIPs by a first entry or, when empty, by the end record.
func kindOf(head []byte) kind {
	switch {
	case string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06":
		return zipFile
	case head[0] == '{':
		return jsonText
	case head[0] == '<':
		return htmlText
	}
	return otherKind
}
