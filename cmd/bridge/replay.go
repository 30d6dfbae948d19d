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

	"github.com/google/renameio/v2"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"aiccbridge/internal/ask"
	"aiccbridge/internal/replay"
	"aiccbridge/schemas"
)

// replayOptions are the flags of `bridge replay`.
type replayOptions struct {
	askOptions
	ask.Filter
	from, to      timeFlag
	kind          string
	streams       []string
	speed         string
	late          time.Duration
	subject, file string
	state         string
	resume        bool

	parquet              string
	allRevisions, follow bool
}

func newReplay() *cobra.Command {
	o := &replayOptions{}
	c := &cobra.Command{
		Use:   "replay",
		Short: "Give what was stored between two times once more",
		Long: "Give the messages between two times once more, of all streams merged in the order of\n" +
			"their times: to subjects below a prefix, at the pace at which they came or faster, so that\n" +
			"services can rehearse an incident; or to a file, one JSON object a line. Never into live\n" +
			"subjects; the header aicc-replay marks what is replayed. Or have the rows of complete\n" +
			"windows as a folder of Parquet files, which can be brought up to date again and again.",
		Example: "  bridge replay --from 10:00 --to 10:05 --speed 10 --to-subject rehearsal\n  bridge replay --from 2026-11-30 --agent 101 --to-file 101.ndjson\n  bridge replay --to-parquet lake --follow",
		Args:    noArguments,
		RunE:    o.run,
	}
	o.register(c)
	o.from.register(c, "from", "the first time; required")
	o.to.register(c, "to", "the time behind the last; now by default")
	f := c.Flags()
	f.StringVar(&o.Tenant, "tenant", "", "only this tenant's")
	f.StringVar(&o.Agent, "agent", "", "only what this agent's subjects have")
	f.StringVar(&o.Call, "call", "", "only what names this call")
	f.StringVar(&o.kind, "kind", "", "only of this kind: cdr, recording, operation or skill")
	f.StringSliceVar(&o.streams, "stream", nil, "only of these streams: events, files, rows, calls, coverage, deadletters")
	f.BoolVar(&o.NoRows, "no-rows", false, "of rows the markers only")
	f.BoolVar(&o.NoHeartbeats, "no-heartbeats", false, "no heartbeats")
	f.StringVar(&o.speed, "speed", "", "1: as it was, 10: ten times as fast, max, or step: a line of input each; by default 1 to subjects, max to a file")
	f.DurationVar(&o.late, "late", time.Hour, "how long after its time a message may have been stored: behind a spool as long as the hub was away")
	f.StringVar(&o.subject, "to-subject", "", "send to this prefix, followed by each message's own subject")
	f.StringVar(&o.file, "to-file", "", "write to this file, one JSON object a line")
	f.StringVar(&o.parquet, "to-parquet", "", "bring this folder of Parquet files up to date with the rows of complete windows")
	f.BoolVar(&o.allRevisions, "all-revisions", false, "with --to-parquet: every revision of each row; the newest otherwise")
	f.BoolVar(&o.follow, "follow", false, "with --to-parquet: keep the folder up to date until Ctrl-C")
	f.StringVar(&o.state, "state", "", "with --to-subject: a file that remembers how far it came, to go on from there")
	f.BoolVar(&o.resume, "resume", false, "with --to-file: go on with a file that is there")
	o.completeFlags(c)
	return c
}

func (o *replayOptions) run(c *cobra.Command, _ []string) error {
	from, to, pace, err := o.check()
	if err != nil {
		return err
	}
	if o.parquet != "" {
		return o.toParquet(c, from, to)
	}
	return o.with(c, func(ctx context.Context, l looking) error {
		out, err := o.open(l)
		if err != nil {
			return err
		}
		r := replay.Options{Hub: l.bus, Streams: o.chosen(), From: from, To: to, Late: o.late, Wants: o.Wants, Speed: pace, After: out.after()}
		step, progress := o.stepper(ctx, c.InOrStdin()), newProgress(c.ErrOrStderr())
		s, err := replay.Run(ctx, r, func(m replay.Message) error {
			if err := step(); err != nil {
				return err
			}
			progress.note(m)
			return out.emit(m)
		})
		progress.end()
		if errors.Is(err, io.EOF) { // of the steps
			err = nil
		}
		err = errors.Join(err, out.close())
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			fmt.Fprintf(c.ErrOrStderr(), "interrupted after %d messages\n", s.Messages)
			return errReported
		}
		if err != nil {
			return err
		}
		if o.asJSON {
			return lines(l.out, []replay.Summary{s})
		}
		_, err = fmt.Fprintf(l.out, "%d messages, from %s to %s\n", s.Messages, s.First.In(o.zone()).Format(time.RFC3339), s.Last.In(o.zone()).Format(time.RFC3339))
		return err
	})
}

// check reads the flags. pace is how many times as fast as it was, 0 for as fast as it goes.
func (o *replayOptions) check() (from, to time.Time, pace float64, err error) {
	if err := o.place(); err != nil {
		return from, to, 0, err
	}
	o.Kind = schemas.Kind(o.kind)
	if o.kind != "" {
		if err := o.Kind.Validate(); err != nil {
			return from, to, 0, usageError{fmt.Errorf("--kind: %w", err)}
		}
	}
	if from, err = o.from.read(o.zone()); err == nil {
		to, err = o.to.read(o.zone())
	}
	switch {
	case err != nil:
		return from, to, 0, err
	case from.IsZero() && o.parquet == "":
		return from, to, 0, usageError{errors.New("give --from")}
	case to.IsZero() && o.follow:
		to = time.Now().AddDate(100, 0, 0)
	case to.IsZero():
		to = time.Now()
	}
	if !from.Before(to) {
		return from, to, 0, usageError{errors.New("--to is not after --from")}
	}
	for _, s := range o.streams {
		if !slices.Contains(schemas.Streams(), schemas.Stream(strings.ToUpper(s))) {
			return from, to, 0, usageError{fmt.Errorf("--stream %s: give events, files, rows, calls, coverage or deadletters", s)}
		}
	}
	pace, err = o.pace()
	return from, to, pace, err
}

// place checks where it is to go: one place, and no flag of another one.
func (o *replayOptions) place() error {
	places := 0
	for _, place := range []string{o.subject, o.file, o.parquet} {
		if place != "" {
			places++
		}
	}
	switch {
	case places != 1:
		return usageError{errors.New("give one of --to-subject, --to-file and --to-parquet")}
	case o.parquet == "" && (o.follow || o.allRevisions):
		return usageError{errors.New("--follow and --all-revisions go with --to-parquet")}
	case o.subject == "" && o.state != "":
		return usageError{errors.New("--state goes with --to-subject; a file is gone on with by --resume")}
	case o.file == "" && o.resume:
		return usageError{errors.New("--resume goes with --to-file; what is sent is gone on with by --state")}
	}
	return nil
}

func (o *replayOptions) pace() (float64, error) {
	switch o.speed {
	case "max", "step":
		return 0, nil
	case "":
		if o.file != "" {
			return 0, nil
		}
		return 1, nil
	}
	pace, err := strconv.ParseFloat(o.speed, 64)
	if err != nil || pace <= 0 {
		return 0, usageError{fmt.Errorf("--speed %s: give a number above 0, max or step", o.speed)}
	}
	return pace, nil
}

// chosen are the streams that are replayed.
func (o *replayOptions) chosen() (all []schemas.Stream) {
	for _, s := range schemas.Streams() {
		if len(o.streams) == 0 || slices.ContainsFunc(o.streams, func(name string) bool { return strings.EqualFold(name, string(s)) }) {
			all = append(all, s)
		}
	}
	return all
}

// stepper waits for a line of input before each message, if that is wanted; its end is io.EOF.
func (o *replayOptions) stepper(ctx context.Context, in io.Reader) func() error {
	if o.speed != "step" {
		return func() error { return nil }
	}
	typed := make(chan error) // whoever types ends it with the program
	go func() {
		for input := bufio.NewReader(in); ; {
			_, err := input.ReadString('\n')
			typed <- err
		}
	}()
	return func() error {
		select {
		case err := <-typed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

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
	s := &toSubjects{l: l, prefix: o.subject, id: uuid.NewString(), state: o.state, given: map[schemas.Stream]uint64{}}
	return s, s.load()
}

// toSubjects sends what is replayed.
type toSubjects struct {
	l          looking
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
	err := s.l.bus.Say(s.prefix+"."+m.Subject, m.Stored, map[string]string{"aicc-replay": s.id, "aicc-replay-of": of})
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
	if err := s.l.bus.Said(ctx); err != nil || s.state == "" {
		return err
	}
	data, err := json.Marshal(s.given)
	if err == nil {
		err = renameio.WriteFile(s.state, data, 0o600)
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

// progress says on a terminal how far a long work is.
type progress struct {
	out   io.Writer
	n     int
	shown time.Time
}

// newProgress shows nothing where nobody watches.
func newProgress(out io.Writer) *progress {
	if !isTerminal(out) {
		out = nil
	}
	return &progress{out: out}
}

func (p *progress) note(m replay.Message) {
	if p.n++; p.out != nil && time.Since(p.shown) > time.Second {
		p.shown = time.Now()
		fmt.Fprintf(p.out, "\r%d messages, %s ", p.n, m.Time.Local().Format(time.DateTime))
	}
}

func (p *progress) end() {
	if p.out != nil && p.n > 0 {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
