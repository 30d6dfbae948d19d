package ccfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"
)

type billFile struct {
	Name string `json:"billFileName"`
}

type agentOperationFile struct {
	Name string `json:"agentOprInfoFileName"`
}

type agentSkillFile struct {
	Name string `json:"agentSkillInfoFileName"`
}

// fileName is yyyyMMdd_{responseId}.zip.
var fileName = regexp.MustCompile(`^\d{8}_[0-9A-Za-z-]{1,40}\.zip$`)

// DownloadBills writes the ZIP of that name to w (downloadBillFile) and returns how many
// bytes were written. An *Error of class NotThere means it is not generated yet or has
// expired; Broken that it ended early: what was written is then useless. A failure of w is
// returned wrapped, not as *Error. The ZIP is not checked beyond its first four bytes.
func (c *Client) DownloadBills(ctx context.Context, name string, w io.Writer) (n int64, err error) {
	return c.download(ctx, "downloadBillFile", name, billFile{name}, w)
}

// DownloadAgentOperations writes the ZIP of that name to w (downloadAgentOprInfoFile), as
// DownloadBills does.
func (c *Client) DownloadAgentOperations(ctx context.Context, name string, w io.Writer) (n int64, err error) {
	return c.download(ctx, "downloadAgentOprInfoFile", name, agentOperationFile{name}, w)
}

// DownloadAgentSkills writes the ZIP of that name to w (downloadAgentSkillInfoFile), as
// DownloadBills does. The page (cec_07_0821) leaves open whether the request has the usual
// envelope; it is sent with it.
func (c *Client) DownloadAgentSkills(ctx context.Context, name string, w io.Writer) (n int64, err error) {
	return c.download(ctx, "downloadAgentSkillInfoFile", name, agentSkillFile{name}, w)
}

func (c *Client) download(ctx context.Context, operation, name string, body any, w io.Writer) (n int64, err error) {
	if !fileName.MatchString(name) {
		return 0, invalid(operation, fmt.Errorf("file name %q is not yyyyMMdd_responseId.zip", clean(name)))
	}
	err = c.exchange(ctx, enveloped(operation, body), func(ctx context.Context, a *answer) error {
		n, err = c.stream(ctx, operation, a, w, c.options.MaxFileBytes, zipFile)
		return err
	})
	return n, err
}

// stream copies a file of one of the wanted kinds. That its length equals Content-Length is seen to by net/http,
// which reports a shorter body as io.ErrUnexpectedEOF.
func (c *Client) stream(ctx context.Context, operation string, a *answer, w io.Writer, limit int64, wanted ...kind) (int64, error) {
	broken := &Error{Operation: operation, Status: a.status, Class: Broken, Message: "success, but no file"}
	switch {
	case a.file == nil:
		return 0, c.fail(broken)
	case a.status == http.StatusPartialContent: // nobody asked for a part
		broken.Message = "the answer is a part of a file"
		return 0, c.fail(broken)
	case !slices.Contains(wanted, a.kind):
		broken.Message = "the file is sound, not a ZIP"
		return 0, c.fail(broken)
	}
	tooLarge := &Error{Operation: operation, Status: a.status, Class: Permanent,
		Message: fmt.Sprintf("the file is larger than the limit of %d bytes", limit)}
	if a.length > limit {
		return 0, c.fail(tooLarge)
	}
	out := &sink{w: w}
	n, err := io.Copy(out, io.LimitReader(a.file, limit))
	if err == nil && n == limit {
		if _, end := io.ReadFull(a.file, make([]byte, 1)); end == nil {
			return n, c.fail(tooLarge)
		} else if !errors.Is(end, io.EOF) {
			err = end
		}
	}
	err = cutOff(ctx, err)
	if out.err != nil {
		return n, fmt.Errorf("%s: write file: %w", operation, out.err)
	}
	if err != nil {
		e := c.noAnswer(ctx, operation, err)
		e.Status, e.Message = a.status, fmt.Sprintf("the file ended early, after %d bytes", n)
		if ctx.Err() == nil { // neither silence nor the caller: the other end cut it off
			e.Class = Broken
		}
		return n, e
	}
	return n, nil
}

// cutOff returns err, or the reason why ctx ended. When we hang up, a server may still end
// its body in good order before the connection is gone; such an end proves nothing.
func cutOff(ctx context.Context, err error) error {
	if err == nil {
		return context.Cause(ctx)
	}
	return err
}

// sink tells failures to write from failures to read.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	s.err = err
	return n, err
}

// timed restarts the watchdog for each read once idle is set. The watchdog rests between
// reads: a slow writer is not the platform's fault.
type timed struct {
	r        io.Reader
	watchdog *time.Timer
	idle     time.Duration
}

func (w *timed) Read(p []byte) (int, error) {
	if w.idle > 0 {
		w.watchdog.Reset(w.idle)
		defer w.watchdog.Stop()
	}
	return w.r.Read(p)
}
