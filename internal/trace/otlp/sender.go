package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/rs/zerolog"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
)

// sender sends batches. It is an otlptrace.Client, whose errors nobody sees: the log has what
// changes.
type sender struct {
	settings *Settings
	http     *http.Client
	log      zerolog.Logger
	episode  trouble.Episode
	ended    context.Context // ends what is being sent
}

func newSender(ended context.Context, s *Settings, log zerolog.Logger) *sender {
	return &sender{
		settings: s, log: log, ended: ended,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: s.tls, ForceAttemptHTTP2: true,
				DialContext:     (&net.Dialer{Timeout: s.timeout}).DialContext,
				MaxIdleConns:    1, // one batch at a time
				IdleConnTimeout: 90 * time.Second,
			},
			// Headers hold credentials, which are the collector's alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Start does nothing.
func (s *sender) Start(context.Context) error { return nil }

// Stop is called once, after the last batch.
func (s *sender) Stop(context.Context) error {
	s.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends one batch, several times if need be. What is not taken in time is lost.
func (s *sender) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, s.settings.timeout)
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	err := s.upload(ctx, spans)
	switch {
	case s.ended.Err() != nil: // the bridge stops
	case err != nil:
		if _, changed := s.episode.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
			s.log.Warn().Err(err).Str("collector", s.settings.Endpoint()).Msg("traces are not taken; spans are lost until they are")
		}
	default:
		if failures, _ := s.episode.Over(); failures > 0 {
			s.log.Info().Int("failures", failures).Str("collector", s.settings.Endpoint()).Msg("traces are taken again")
		}
	}
	return nil
}

func (s *sender) upload(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire the same as the request of the collector's service, which comes with gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	if s.settings.gzip {
		body = packed(body)
	}
	var last error // what the collector said, not that time was over
	err = backoff.Retry(func() error {
		err := s.post(ctx, body)
		if err != nil && (last == nil || ctx.Err() == nil) {
			last = err
		}
		return err
	}, backoff.WithContext(retry.NewBackOff(250*time.Millisecond, 5*time.Second), ctx))
	if err == nil {
		return nil
	}
	return last
}

// packed is text as gzip has it.
func packed(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// maxAnswer is how much of an answer is read; it says nothing that is used.
const maxAnswer = 64 << 10

// post sends a batch once.
func (s *sender) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.settings.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("send spans: the collector's address is none"))
	}
	for name, value := range s.settings.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	if s.settings.gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := s.http.Do(request)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // without the address
		}
		return fmt.Errorf("send spans: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // so that the connection is used again
	switch retry.HTTPStatus(answer.StatusCode) {
	case retry.OK:
		return nil
	case retry.Retry:
		return fmt.Errorf("send spans: the collector answers HTTP %d", answer.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("send spans: the collector answers HTTP %d", answer.StatusCode))
}
