package filestore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/truth"
)

// carryOut takes an extraction to its end: file, callback, repeats.
func (s *Store) carryOut(ctx context.Context, x *extraction) {
	next := s.o.RepeatEvery // the first try was made before the answer
	if x.file == nil {
		if !wait(ctx, x.delay) {
			return
		}
		s.generate(x)
		next = 0
	}
	if !x.wantsCallback() {
		s.o.Logger.Debug().Str("file", x.name).Msg("no callback")
		return
	}
	if x.faults.has(veryLate) {
		next += time.Duration(cmp.Or(s.faults.get().Callback.LateSeconds, 1200)) * time.Second
	}
	for x.tries <= max(s.o.RepeatLimit, 0) {
		if !wait(ctx, next) || s.round(ctx, x) {
			return
		}
		next = s.o.RepeatEvery
	}
	s.o.Logger.Info().Str("file", x.name).Int("attempt", x.tries).Msg("callback given up")
}

func (x *extraction) wantsCallback() bool {
	return x.file != nil && x.file.empty != noCallback && !x.faults.has(never)
}

// round tells the client once, or as often as the faults want, and returns
// whether it was acknowledged.
func (s *Store) round(ctx context.Context, x *extraction) bool {
	x.tries++
	if x.tries > 1 || !x.faults.has(atOnce) {
		acknowledged := s.try(ctx, x, x.tries)
		if acknowledged && x.faults.has(twice) {
			s.try(ctx, x, x.tries+1)
		}
		return acknowledged
	}
	var all sync.WaitGroup
	var acknowledged atomic.Bool
	for range cmp.Or(s.faults.get().Callback.Copies, 10) {
		all.Go(func() {
			if s.try(ctx, x, 1) {
				acknowledged.Store(true)
			}
		})
	}
	all.Wait()
	return acknowledged.Load()
}

// try sends one callback. It counts as acknowledged with a status of 2xx and
// a body that is not empty; everything else is repeated.
func (s *Store) try(ctx context.Context, x *extraction, attempt int) bool {
	how := append(s.faults.all(perTry), x.faults...)
	entry := truth.Callback{ResponseID: x.responseID, At: s.o.Now(), Attempt: attempt, Fault: how.String()}
	status, size, err := s.send(ctx, x, how)
	entry.Status, entry.BodyBytes = status, int(size)
	if err != nil {
		entry.Err = err.Error()
	}
	s.o.Truth.Callback(entry)
	ok := err == nil && status/100 == 2 && size > 0
	s.o.Logger.Debug().Err(err).Str("file", x.name).Int("attempt", attempt).Int("status", status).
		Bool("acknowledged", ok).Str("fault", entry.Fault).Msg("callback sent")
	return ok
}

// maxAnswerBytes is as much of an acknowledgement as is read.
const maxAnswerBytes = 64 << 10

func (s *Store) send(ctx context.Context, x *extraction, how drawn) (status int, size int64, err error) {
	req, err := s.callbackRequest(ctx, x, how)
	if err != nil {
		return 0, 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // it quotes the URL, whose path may be secret
			err = outer.Err
		}
		return 0, 0, fmt.Errorf("call back: %w", err)
	}
	defer resp.Body.Close()
	size, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		err = fmt.Errorf("read acknowledgement: %w", err)
	}
	return resp.StatusCode, size, err
}

func (s *Store) callbackRequest(ctx context.Context, x *extraction, how drawn) (*http.Request, error) {
	target := *x.callback
	if how.has(pathDropped) {
		target.Path, target.RawPath, target.RawQuery = "/", "", ""
	}
	body, err := s.callbackBody(x, how)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build callback: %w", err)
	}
	if how.has(chunked) {
		req.ContentLength, req.GetBody = -1, nil
	}
	authorization, err := s.signCallback(&target, body, how)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Accept": {"*/*"}, "Content-Type": {jsonType}, "Authorization": {authorization},
		"User-Agent": {""}, "Accept-Encoding": {"identity"}, // the platform sends neither
	}
	return req, nil
}

// signCallback signs with the developer's own keys.
func (s *Store) signCallback(target *url.URL, body []byte, how drawn) (string, error) {
	key, at := s.key(), s.o.Now()
	if how.has(wrongSignature) {
		key = c2sign.NewKey(key.AccessKey, key.Reveal()+"x")
	}
	if how.has(oldTimestamp) {
		at = at.Add(-time.Duration(cmp.Or(s.faults.get().Callback.OldSeconds, 3600)) * time.Second)
	}
	authorization, err := c2sign.Sign(key, c2sign.Profile{}, c2sign.Request{
		Method: http.MethodPost, Path: target.EscapedPath(), Query: target.Query(),
		Header: map[string]string{
			"host": signedHost(target, how), "content-type": jsonType, "content-length": strconv.Itoa(len(body)),
		},
		Body: body,
	}, at)
	if err != nil {
		return "", fmt.Errorf("sign callback: %w", err)
	}
	return authorization, nil
}

func signedHost(target *url.URL, how drawn) string {
	switch {
	case how.has(hostSignedWithoutPort):
		return target.Hostname()
	case how.has(hostSignedWithPort) && target.Port() == "":
		port := "443"
		if target.Scheme == "http" {
			port = "80"
		}
		return net.JoinHostPort(target.Hostname(), port)
	}
	return target.Host
}

// callbackBody prints the fields in the order of the samples.
func (s *Store) callbackBody(x *extraction, how drawn) ([]byte, error) {
	id, name := x.responseID, x.op.fileField
	if how.has(dashedResponseID) {
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	}
	if how.has(otherName) {
		name = cmp.Or(s.faults.get().Callback.FieldName, "fileName")
	}
	fields := [][2]string{{"responseId", id}, {name, x.name}}
	// The CDR sample returns an empty accountId that was sent empty, the
	// agent sample leaves it out.
	if account := x.msg["accountId"]; account.given && (account.value != "" || x.op.family == bills) {
		fields = append(fields, [2]string{"accountId", account.value})
	}
	var b bytes.Buffer
	b.WriteString(`{"request":{"version":"` + version + `"},"msgBody":{`)
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range f {
			quoted, err := json.Marshal(part)
			if err != nil {
				return nil, fmt.Errorf("encode callback: %w", err)
			}
			b.Write(quoted)
			if j == 0 {
				b.WriteByte(':')
			}
		}
	}
	b.WriteString("}}")
	return b.Bytes(), nil
}
