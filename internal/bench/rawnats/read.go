package rawnats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Kept are messages of a stream with its settings, as they go from one process to another.
type Kept struct {
	Config   jetstream.StreamConfig
	Messages []Message
}

// Count is how many messages a stream has, and how many bytes.
func (s *Stream) Count(ctx context.Context, stream string) (messages, size uint64, err error) {
	x, err := s.js.Stream(ctx, stream)
	if err != nil {
		return 0, 0, fmt.Errorf("count %s: %w", stream, err)
	}
	state := x.CachedInfo().State
	return state.Msgs, state.Bytes, nil
}

// Keep reads the first messages of a stream back, at most so many.
func (s *Stream) Keep(ctx context.Context, stream string, most int) (k Kept, err error) {
	x, err := s.js.Stream(ctx, stream)
	if err != nil {
		return k, fmt.Errorf("read %s: %w", stream, err)
	}
	k.Config = x.CachedInfo().Config
	consumer, err := x.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return k, fmt.Errorf("read %s: %w", stream, err)
	}
	for most = min(most, int(x.CachedInfo().State.Msgs)); len(k.Messages) < most; {
		batch, err := consumer.Fetch(min(1000, most-len(k.Messages)), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return k, fmt.Errorf("read %s: %w", stream, err)
		}
		before := len(k.Messages)
		for m := range batch.Messages() {
			k.Messages = append(k.Messages, Message{Subject: m.Subject(), Header: headerOf(m.Headers()), Data: m.Data()})
		}
		if len(k.Messages) == before {
			return k, fmt.Errorf("read %s: %d of %d messages came: %w", stream, before, most, batch.Error())
		}
	}
	return k, nil
}

// headerOf prints what the sender of a message wrote, without what belongs to its batch and
// its place.
func headerOf(header map[string][]string) []byte {
	b := []byte("NATS/1.0\r\n")
	for name, values := range header {
		if strings.HasPrefix(name, "Nats-Batch-") || strings.HasPrefix(name, "Nats-Expected-Last-") || name == "Nats-Msg-Id" {
			continue
		}
		for _, v := range values {
			b = append(b, name+": "+v+"\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// Create makes the stream of what was kept, as it was.
func (s *Stream) Create(ctx context.Context, k Kept) error {
	_, err := s.js.CreateStream(ctx, k.Config)
	if err != nil {
		return fmt.Errorf("create %s: %w", k.Config.Name, err)
	}
	return nil
}

// Make makes a compressed stream for a subject.
func (s *Stream) Make(ctx context.Context, name, subject string) error {
	return s.Create(ctx, Kept{Config: jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Compression: jetstream.S2Compression}})
}

// Save writes what was kept to a file.
func (k Kept) Save(file string) error {
	config, err := json.Marshal(k.Config)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	piece := func(p []byte) {
		b.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		b.WriteByte('\n')
		b.Write(p)
	}
	piece(config)
	for _, m := range k.Messages {
		piece([]byte(m.Subject))
		piece(m.Header)
		piece(m.Data)
	}
	return os.WriteFile(file, b.Bytes(), 0o600)
}

// Load reads what Save wrote.
func Load(file string) (k Kept, err error) {
	all, err := os.ReadFile(file)
	if err != nil {
		return k, err
	}
	piece := func() (p []byte) {
		size, rest, ok := bytes.Cut(all, []byte("\n"))
		n, e := strconv.Atoi(string(size))
		if err != nil || !ok || e != nil || n < 0 || n > len(rest) {
			err = fmt.Errorf("%s is damaged", file)
			all = nil
			return nil
		}
		p, all = rest[:n:n], rest[n:]
		return p
	}
	config := piece()
	if err == nil {
		err = json.Unmarshal(config, &k.Config)
	}
	for len(all) > 0 && err == nil {
		k.Messages = append(k.Messages, Message{Subject: string(piece()), Header: piece(), Data: piece()})
	}
	return k, err
}

// Watch calls f with the body of each message that a stream gets from now on, once it is
// stored, until ctx ends; it returns when the watching has begun.
func (s *Stream) Watch(ctx context.Context, stream, filter string, f func(body []byte)) error {
	x, err := s.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return fmt.Errorf("watch %s: %w", stream, err)
	}
	watching, err := x.Consume(func(m jetstream.Msg) { f(m.Data()) })
	if err != nil {
		return fmt.Errorf("watch %s: %w", stream, err)
	}
	context.AfterFunc(ctx, watching.Stop)
	return nil
}
