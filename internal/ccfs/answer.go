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
	"strings"
	"time"

	"aiccbridge/internal/foreign"
	"aiccbridge/internal/retry"
)

// answer is a successful answer: either a JSON answer or a file still arriving.
type answer struct {
	status int
	whole  body            // of a JSON answer
	data   json.RawMessage // its resultData; may be empty
	file   io.Reader       // the ZIP or WAV, from its first byte
	kind   kind            // of the file
	length int64           // Content-Length of the file, -1 if not given
	body   io.Closer
}

func (a *answer) close() { _ = a.body.Close() } // nothing can be done about it

// body is a JSON answer, or the error page of the platform's web server (cec_07_0836).
type body struct{ foreign.Object }

// readBody reads a JSON answer in whatever encoding it comes. An error leaves nothing
// of it.
func readBody(content []byte, contentType string) (body, error) {
	o, err := foreign.ParseObject(foreign.Clean(content, contentType))
	return body{o}, err
}

// ofWebServer reports the shape of the platform's own error page. A firewall's JSON lacks
// it, and so do result codes.
func (b body) ofWebServer() bool {
	for _, name := range []string{"timestamp", "status", "error", "path"} {
		if b.Maybe(name).String() == "" {
			return false
		}
	}
	return true
}

// result returns code and text, falling back to the legacy object. agreed is false if
// there are two codes.
func (b body) result() (code, message string, agreed bool) {
	said, agreed := b.Text("resultCode")
	if legacy, _ := b.One("response"); agreed && said.String() == "" && len(legacy) > 0 {
		if o, err := foreign.ParseObject(legacy); err == nil {
			said, agreed = o.Text("resultCode")
			return said.String(), o.Maybe("resultMsg").String(), agreed
		}
	}
	if said.String() == "" { // older calls of the monitor (cec_07_0708), and its ping (0687)
		said = b.Maybe("result")
		if strings.EqualFold(b.Maybe("status").String(), "UP") {
			return "0", "", agreed
		}
	}
	return said.String(), b.Maybe("resultDesc").String(), agreed
}

// said is what an error page says.
func (b body) said() string { return cmp.Or(b.Maybe("message").String(), b.Maybe("error").String()) }

// read decides what an answer is by its first bytes. It reads JSON to the end, under the
// watchdog, and leaves a file to be streamed.
func (c *Client) read(ctx context.Context, operation string, res *http.Response, watchdog *time.Timer) (*answer, error) {
	stream := &timed{r: res.Body, watchdog: watchdog}
	ok := retry.HTTPStatus(res.StatusCode) == retry.OK
	plain, packed, err := foreign.Unpacked(stream, res.Header.Get("Content-Encoding"))
	if err = cutOff(ctx, err); err != nil && ok {
		return nil, c.noAnswer(ctx, operation, err)
	}
	length, contentType := res.ContentLength, res.Header.Get("Content-Type")
	if packed {
		length = -1
	}
	in := bufio.NewReader(plain)
	kind, marked, err := sniff(in)
	if marked {
		contentType = marksUTF8
	}
	err = cutOff(ctx, err)
	if err != nil && ok {
		return nil, c.noAnswer(ctx, operation, err)
	}
	if ok && kind.isFile() {
		stream.idle = c.options.IdleTimeout
		return &answer{status: res.StatusCode, file: in, kind: kind, length: length, body: res.Body}, nil
	}
	content, err := io.ReadAll(io.LimitReader(in, c.options.MaxAnswerBytes+1))
	err = cutOff(ctx, err)
	if err != nil && ok { // a bad status counts even when its body is cut off
		return nil, c.noAnswer(ctx, operation, err)
	}
	e := &Error{Operation: operation, Status: res.StatusCode}
	switch {
	case !ok:
		judgeStatus(e, kind, content, contentType)
		heedRetryAfter(e, res.Header, c.options.Now())
	case int64(len(content)) > c.options.MaxAnswerBytes:
		e.Class, e.Message = Broken, fmt.Sprintf("the answer is longer than %d bytes", c.options.MaxAnswerBytes)
	case kind == jsonText:
		if whole, data, good := judgeJSON(e, content, contentType); good {
			return &answer{status: res.StatusCode, whole: whole, data: data, body: res.Body}, nil
		}
	default:
		judgeForeign(e, kind, content)
	}
	return nil, c.fail(e)
}

// judgeJSON returns a success and its resultData, or completes e.
func judgeJSON(e *Error, content []byte, contentType string) (b body, data json.RawMessage, good bool) {
	b, err := readBody(content, contentType)
	if err != nil {
		e.Class, e.Message, e.Err = Broken, "the answer is not valid JSON", err
		return b, nil, false
	}
	code, message, agreed := b.result()
	switch {
	case !agreed:
		e.Class, e.Message = Broken, "the answer has two result codes"
	case code == "":
		e.Class, e.Message = Broken, "the answer has no resultCode: "+b.said()
	case !succeeded(code):
		applyCode(e, code, message)
	default:
		if data, agreed = b.One("resultData"); agreed {
			return b, data, true
		}
		e.Class, e.Message = Broken, "the answer has resultData twice"
	}
	return b, nil, false
}

func applyCode(e *Error, code, message string) {
	v := judge(code)
	e.Code, e.Class, e.MaxAttempts, e.RetryAfter = code, v.class, v.maxAttempts, v.retryAfter
	e.Message = cmp.Or(message, v.text)
}

// judgeForeign completes e for an answer with status 200 that is neither a file nor JSON.
func judgeForeign(e *Error, k kind, content []byte) {
	switch k {
	case empty:
		e.Class, e.Message = Again, "the answer is empty"
	case htmlText:
		e.Class, e.RetryAfter, e.Message = Firewall, firewallPause, "a web page instead of an answer: "+plain(content)
	default:
		e.Class, e.Message = Broken, "the answer is neither ZIP, WAV nor JSON"
	}
}

const (
	firewallPause = 30 * time.Second
	longestPause  = time.Hour
)

// judgeStatus completes e for an answer with another status than 200: by its resultCode,
// else by its status. A 401 counts as one whatever its body says, since each may be one
// step towards the lock.
func judgeStatus(e *Error, k kind, content []byte, contentType string) {
	if e.Status == http.StatusProxyAuthRequired {
		e.Class, e.RetryAfter = Firewall, firewallPause
		e.Message = "a proxy on the way wants user and password: look at proxy_url and proxy_credentials_file"
		return
	}
	var b body
	if k == jsonText {
		b, _ = readBody(content, contentType) // without a text the status alone decides
	}
	code, message, _ := b.result()
	if code != "" && !succeeded(code) && e.Status != http.StatusUnauthorized {
		applyCode(e, code, message)
		return
	}
	said := cmp.Or(message, b.said())
	switch e.Class = statusClass(e.Status, k, b.ofWebServer()); e.Class {
	case Auth:
		e.Message = "the signature was refused: " + cmp.Or(said, "no reason given")
	case Locked:
		e.Message = "the platform locked our address: " + cmp.Or(said, "no reason given")
	case Firewall:
		e.RetryAfter, e.Message = firewallPause, cmp.Or(said, "a firewall or proxy answered: "+plain(content))
		if retry.HTTPStatus(e.Status) == retry.Permanent {
			e.Message = "check the URL if it lasts; " + e.Message
		}
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
	if !own && inBetween(status, k) {
		return Firewall
	}
	return Permanent
}

// inBetween reports an answer that the platform does not give: it speaks JSON or says
// nothing, and never sends a caller elsewhere. What does stands before it (a login page,
// a proxy whose back end is gone), says nothing of the request, and may go away.
func inBetween(status int, k kind) bool {
	return k == htmlText || k == otherKind || status >= 300 && status < 400
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
	wavFile
	jsonText
	htmlText
)

func (k kind) isFile() bool { return k == zipFile || k == wavFile }

const maxBlanks = 1024

// marksUTF8 stands for a Content-Type when the answer began with a byte order mark.
const marksUTF8 = "application/json;charset=UTF-8"

// sniff skips blanks and byte order marks and looks at the next bytes without taking them.
func sniff(in *bufio.Reader) (k kind, marked bool, err error) {
	for range maxBlanks {
		head, err := in.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return otherKind, marked, err
		}
		skip := 0
		switch {
		case len(head) == 0:
			return empty, marked, nil
		case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
			skip, marked = 3, true
		case bytes.IndexByte([]byte(" \t\r\n"), head[0]) >= 0:
			skip = 1
		default:
			return kindOf(head), marked, nil
		}
		if _, err := in.Discard(skip); err != nil {
			return otherKind, marked, err
		}
	}
	return otherKind, marked, nil
}

// kindOf knows ZIPs by a first entry or, when empty, by the end record, and sound by its
// container.
func kindOf(head []byte) kind {
	if string(head) == "RIFF" {
		return wavFile
	}
	if string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06" {
		return zipFile
	}
	if head[0] == '{' || string(head) == "\xff\xfe{\x00" || string(head) == "\xfe\xff\x00{" {
		return jsonText
	}
	if head[0] == '<' {
		return htmlText
	}
	return otherKind
}
