package archive

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// Limits bound what a downloaded file may be.
type Limits struct {
	MaxUnpackedBytes int64 // of all members together, counted while reading; default 10 GiB
	MaxRatio         int64 // unpacked : packed of a member over 1 MiB; default 200
	MaxMembers       int   // default 64
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxUnpackedBytes: cmp.Or(l.MaxUnpackedBytes, 10<<30),
		MaxRatio:         cmp.Or(l.MaxRatio, 200),
		MaxMembers:       cmp.Or(l.MaxMembers, 64),
	}
}

// Archive is a ZIP on disk that was read to its end and found sound. The zero value is
// one without members: an answer to a window in which nothing happened.
type Archive struct {
	Members []Member // of known kinds, in the order their rows are to go out
	Skipped []string // base names of members that are no rows
	SHA256  string   // of the file, in hex

	file *os.File
}

// Member is one CSV of an archive.
type Member struct {
	Name    string // without folders
	Kind    schemas.Kind
	Rows    int      // records, the header not counted
	Header  []string // nil: none, cells are told by position
	Charset string   // utf-8 or gb18030

	part  int // sequence number in the name, 0 for none
	entry *zip.File
}

// memberPattern is the documented form (cec_07_0831, cec_07_0832): 17 digits of
// time, three random ones, the kind, and in some editions a sequence number.
var memberPattern = regexp.MustCompile(`(?i)^\d{20}_(call|record|agentOprInfo|agentSkillInfo)(?:_(\d{1,6}))?\.csv$`)

// Options say how an archive is read.
type Options struct {
	Dialect  Dialect
	Limits   Limits
	Progress func() // called while reading; required
}

// Open opens a ZIP and reads all of it: every member to its end, so that sizes
// and checksums are known to hold, and every CSV record. The error is a
// *schemas.Permanent when the file is to blame.
func Open(ctx context.Context, name string, o Options) (_ *Archive, err error) {
	o.Limits = o.Limits.withDefaults()
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	a := &Archive{file: f}
	if err := a.digest(Steady(ctx, f, o.Progress)); err != nil {
		return nil, err
	}
	z, err := directory(f, o.Limits)
	if err != nil {
		return nil, err
	}
	left := o.Limits.MaxUnpackedBytes
	for _, entry := range z.File {
		if err := o.member(ctx, a, entry, &left); err != nil {
			return nil, err
		}
	}
	if len(a.Members) == 0 && len(z.File) > 0 {
		return nil, damaged(schemas.ReasonDamagedZip, errors.New("no member is a CSV of a known kind"))
	}
	slices.SortStableFunc(a.Members, func(x, y Member) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.part, y.part), cmp.Compare(x.Name, y.Name))
	})
	return a, nil
}

// Close closes the file.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// Of returns the members of a kind, in order.
func (a *Archive) Of(k schemas.Kind) (members []Member) {
	for _, m := range a.Members {
		if m.Kind == k {
			members = append(members, m)
		}
	}
	return members
}

// Holds reports whether the archive has a member of a kind. An archive without
// members holds every kind, without rows.
func (a *Archive) Holds(k schemas.Kind) bool { return len(a.Members) == 0 || len(a.Of(k)) > 0 }

func (a *Archive) digest(r io.Reader) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// member inspects one member and keeps it when its rows are wanted.
func (o Options) member(ctx context.Context, a *Archive, entry *zip.File, left *int64) error {
	m := Member{Name: path.Base(entry.Name), entry: entry}
	var isTable bool
	m.Kind, m.part, isTable = kindOf(m.Name)
	r, err := entry.Open()
	if err != nil {
		return blame(err, nil)
	}
	defer r.Close()
	counted := &countedReader{r: Steady(ctx, r, o.Progress), left: left}
	var problem error
	if isTable {
		problem = m.inspect(counted, o.Dialect)
		a.Members = append(a.Members, m)
	} else {
		a.Skipped = append(a.Skipped, m.Name)
	}
	// Even a CSV that is no CSV is read to its end: a wrong checksum is the
	// better explanation of whatever is wrong in it.
	_, err = io.Copy(io.Discard, counted)
	return blame(err, problem)
}

// kindOf tells a member's kind and sequence number from its name.
func kindOf(base string) (k schemas.Kind, part int, ok bool) {
	if m := memberPattern.FindStringSubmatch(base); m != nil {
		part, _ = strconv.Atoi(m[2]) // digits or nothing
		base = "_" + m[1] + ".csv"
	}
	lower := strings.ToLower(base)
	if !strings.HasSuffix(lower, ".csv") {
		return "", 0, false
	}
	for _, k := range []schemas.Kind{schemas.KindOperation, schemas.KindSkill, schemas.KindRecording, schemas.KindCDR} {
		if strings.Contains(lower, strings.ToLower(rows.FilePart(k))) {
			return k, part, true
		}
	}
	return "", 0, false
}

// inspect reads every record of a member and finds out header and encoding.
func (m *Member) inspect(r io.Reader, d Dialect) error {
	csv, err := newCSVReader(r)
	if err != nil {
		return err
	}
	text := newSniffer(d.Charset)
	for first := true; ; first = false {
		cells, err := csv.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, cell := range cells {
			text.see(cell)
		}
		if first && d.Header != "absent" {
			names := words(cells)
			if d.Header == "present" || rows.IsHeader(m.Kind, names) {
				m.Header = names
				continue
			}
		}
		m.Rows++
	}
	if m.Charset, err = text.charset(); err == nil && m.Charset == charsetGB18030 {
		m.Header, err = decodeWords(m.Header)
	}
	return err
}

func words(cells [][]byte) []string {
	words := make([]string, len(cells))
	for i, cell := range cells {
		words[i] = string(cell)
	}
	return words
}

// blame names the reason of a member that could not be read: the archive's
// (reading failed) before the text's. Our own disk and the end of the work are
// not the file's fault.
func blame(reading, text error) error {
	var disk *fs.PathError
	switch {
	case errors.As(reading, &disk), errors.Is(reading, context.Canceled), errors.Is(reading, context.DeadlineExceeded):
		return fmt.Errorf("read archive: %w", reading)
	case errors.Is(reading, errTooLarge):
		return damaged(schemas.ReasonUnsafeZip, reading)
	case reading != nil:
		return damaged(schemas.ReasonDamagedZip, reading)
	case text != nil:
		return damaged(schemas.ReasonDamagedCSV, text)
	}
	return nil
}

func damaged(reason schemas.Reason, err error) error {
	return &schemas.Permanent{Reason: reason, Err: err}
}

var errTooLarge = errors.New("it unpacks to more than the limit")

// countedReader takes what is read off a common budget and keeps the first
// error, so that a caller that stopped early can ask again.
type countedReader struct {
	r    io.Reader
	left *int64
	err  error
}

func (c *countedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if *c.left -= int64(n); *c.left < 0 {
		err = errTooLarge
	}
	c.err = err
	return n, err
}

// Steady returns a reader that calls progress whenever something was read, and ends with
// its context.
func Steady(ctx context.Context, r io.Reader, progress func()) io.Reader {
	return &steadyReader{ctx, r, progress}
}

type steadyReader struct {
	ctx      context.Context
	r        io.Reader
	progress func()
}

func (s *steadyReader) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if n > 0 {
		s.progress()
	}
	return n, err
}
