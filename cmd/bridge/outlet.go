package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe" // on Windows, which has no atomic replacement, a plain write
	"github.com/google/uuid"

	"aiccbridge/bus"
	"aiccbridge/internal/replay"
	"aiccbridge/schemas"
)

// outlet is where a replay goes.
type outlet interface {
	emit(m replay.Message) error
	after() map[schemas.Stream]uint64 // up to where an earlier run came
	close() error
}

func (o *replayOptions) open(l looking) (outlet, error) {
	if o.file != "" {
		return openReplayFile(o.file, o.resume, l.Names)
	}
	if first, _, _ := strings.Cut(o.subject, "."); first == l.Names.Prefix() || strings.HasPrefix(first, "$") || strings.HasPrefix(first, "_") || strings.ContainsAny(o.subject, "*> \t") || slices.Contains(strings.Split(o.subject, "."), "") {
		return nil, usageError{fmt.Errorf("--to-subject %s: give a prefix of your own, such as rehearsal; what is replayed never goes to live subjects", o.subject)}
	}
	s := &toSubjects{l: l, echo: l.bus.Echo(), prefix: o.subject, id: uuid.NewString(), state: o.state, given: map[schemas.Stream]uint64{}}
	return s, s.load()
}

// toSubjects sends what is replayed.
type toSubjects struct {
	l          looking
	echo       *bus.Echo
	prefix, id string
	state      string // the file that remembers how far it came; "": none
	given      map[schemas.Stream]uint64
	saved      time.Time
}

func (s *toSubjects) load() error {
	if s.state == "" {
		return nil
	}
	data, err := os.ReadFile(s.state)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s.given)
	}
	if err != nil || s.given == nil {
		return fmt.Errorf("read how far the replay came from %s: %w", s.state, cmp.Or(err, errors.New("it says nothing")))
	}
	return nil
}

func (s *toSubjects) after() map[schemas.Stream]uint64 { return s.given }

func (s *toSubjects) emit(m replay.Message) error {
	of := s.l.Names.Stream(m.Stream) + "/" + strconv.FormatUint(m.Sequence, 10)
	err := s.echo.Send(s.prefix+"."+m.Subject, m.Stored, map[string]string{"aicc-replay": s.id, "aicc-replay-of": of})
	if err != nil {
		return err
	}
	s.given[m.Stream] = m.Sequence
	if time.Since(s.saved) > time.Second {
		return s.save()
	}
	return nil
}

// save waits until what was sent is there, and remembers so.
func (s *toSubjects) save() error {
	s.saved = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.l.wait)
	defer cancel()
	if err := s.echo.Wait(ctx); err != nil || s.state == "" {
		return err
	}
	data, err := json.Marshal(s.given)
	if err == nil {
		err = maybe.WriteFile(s.state, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("remember how far the replay came: %w", err)
	}
	return nil
}

func (s *toSubjects) close() error { return s.save() }

// toFile writes what is replayed.
type toFile struct {
	file  *os.File
	out   *bufio.Writer
	given map[schemas.Stream]uint64
}

// openReplayFile makes a file, or goes on behind the last whole line of one.
func openReplayFile(path string, resume bool, names schemas.Names) (*toFile, error) {
	flags := os.O_RDWR | os.O_CREATE
	if !resume {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already: give another name, or --resume to go on with it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the replay's file: %w", err)
	}
	t := &toFile{file: f, given: map[schemas.Stream]uint64{}}
	end, err := t.read(names)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go on with %s: %w", path, err), f.Close())
	}
	t.out = bufio.NewWriterSize(f, 1<<20)
	return t, nil
}

// read finds what the file has, and where its last whole line ends.
func (t *toFile) read(names schemas.Names) (end int64, err error) {
	in := bufio.NewReaderSize(t.file, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // what has no end was cut off
			return end, nil
		}
		var e envelope
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		stream, ok := names.StreamOf(e.Subject)
		if err != nil || !ok {
			return end, errors.Join(err, errors.New("it is no replay's file"))
		}
		t.given[stream] = max(t.given[stream], e.Sequence)
		end += int64(len(line))
	}
}

func (t *toFile) after() map[schemas.Stream]uint64 { return t.given }

func (t *toFile) emit(m replay.Message) error {
	line, err := json.Marshal(envelopeOf(m.Stored))
	if err != nil {
		return err
	}
	_, err = t.out.Write(append(line, '\n'))
	return err
}

func (t *toFile) close() error { return errors.Join(t.out.Flush(), t.file.Sync(), t.file.Close()) }
