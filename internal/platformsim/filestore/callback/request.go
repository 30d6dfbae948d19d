package callback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
)

// contentType is the platform's own spelling.
const contentType = "application/json;charset=UTF-8"

// maxAnswerBytes is as much of an acknowledgement as is read.
const maxAnswerBytes = 64 << 10

func (d *Delivery) send(ctx context.Context, how fault.Hits) (status int, size int64, err error) {
	req, err := d.request(ctx, how)
	if err != nil {
		return 0, 0, err
	}
	resp, err := d.s.client.Do(req)
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

func (d *Delivery) request(ctx context.Context, how fault.Hits) (*http.Request, error) {
	target := *d.n.URL
	if how.Has(pathDropped) {
		target.Path, target.RawPath, target.RawQuery = "/", "", ""
	}
	body, err := d.body(how)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build callback: %w", err)
	}
	if how.Has(chunked) {
		req.ContentLength, req.GetBody = -1, nil
	}
	authorization, err := d.s.sign(&target, body, how)
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{
		"Accept": {"*/*"}, "Content-Type": {contentType}, "Authorization": {authorization},
		"User-Agent": {""}, "Accept-Encoding": {"identity"}, // the platform sends neither
	}
	return req, nil
}

// sign signs with the developer's own keys.
func (s *Sender) sign(target *url.URL, body []byte, how fault.Hits) (string, error) {
	key, at := s.o.Key, s.o.Now()
	if how.Has(wrongSignature) {
		key = c2sign.NewKey(key.AccessKey, key.Reveal()+"x")
	}
	at = at.Add(-time.Duration(how.Get(oldTimestamp).Delay))
	authorization, err := c2sign.Sign(key, c2sign.Profile{}, c2sign.Request{
		Method: http.MethodPost, Path: target.EscapedPath(), Query: target.Query(),
		Header: map[string]string{
			"host": signedHost(target, how), "content-type": contentType, "content-length": strconv.Itoa(len(body)),
		},
		Body: body,
	}, at)
	if err != nil {
		return "", fmt.Errorf("sign callback: %w", err)
	}
	return authorization, nil
}

func signedHost(target *url.URL, how fault.Hits) string {
	switch {
	case how.Has(hostSignedWithoutPort):
		return target.Hostname()
	case how.Has(hostSignedWithPort) && target.Port() == "":
		port := "443"
		if target.Scheme == "http" {
			port = "80"
		}
		return net.JoinHostPort(target.Hostname(), port)
	}
	return target.Host
}

// body prints the fields in the order of the samples.
func (d *Delivery) body(how fault.Hits) ([]byte, error) {
	id, name := d.n.ResponseID, d.n.Field
	if how.Has(dashedResponseID) {
		id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	}
	if how.Has(otherField) {
		name = how.Get(otherField).Field
	}
	fields := [][2]string{{"responseId", id}, {name, d.n.FileName}}
	if d.n.Account != nil && !how.Has(noAccount) {
		fields = append(fields, [2]string{"accountId", *d.n.Account})
	}
	var b bytes.Buffer
	b.WriteString(`{"request":{"version":"2.0"},"msgBody":{`)
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
