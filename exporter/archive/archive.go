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
	Rows    int        // records, the header not counted
	Headers [][]string // header lines that differ, in order; none: cells are told by position
	Shapes  []Shape    // of its records, in order; those of the first few
	Charset string     // utf-8 or gb18030
	Torn    int        // places where a character of the text is cut; U+FFFD stands there

	part       int  // sequence number in the name, 0 for none
	documented bool // the name has the documented form
	shape      int  // place in Shapes of that of the record counted last
	even       bool // all lines are records, but for a header line at the top
	text       [sha256.Size]byte
	entry      *zip.File
	layout     layout
	dialect    Dialect
}

// Shape is how many cells records of a member have, below one header line or below none.
type Shape struct {
	Header      []string // nil: none
	Cells, Rows int
}

// maxShapes bounds what is told of a member whose records differ without end.
const maxShapes = 16

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
			_ = f.Close() // the first error says more
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
	for _, m := range o.members(z) {
		if err := o.member(ctx, a, m, &left); err != nil {
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

// Text is a digest of what the members say, in 32 hex digits: their kinds and texts, in order, not
// their names and times, nor how they are packed. "": there are none.
func (a *Archive) Text() string {
	if len(a.Members) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, m := range a.Members {
		fmt.Fprintf(sum, "%s %x\n", m.Kind, m.text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
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

// member inspects one member and keeps it when its rows are wanted. Nearly all are UTF-8
// throughout and need be read only once; others are surveyed first.
func (o Options) member(ctx context.Context, a *Archive, m Member, left *int64) error {
	before, plain := *left, m
	if m.Kind != "" && o.Dialect.Charset != charsetGB18030 && o.read(ctx, &plain, left, plain.inspectPlain) == nil {
		return a.keep(plain)
	}
	*left = before
	var known text
	err := o.read(ctx, &m, left, func(r io.Reader) (err error) {
		if m.Kind != "" {
			known, err = survey(r, o.Dialect)
		}
		return err
	})
	if err == nil && m.Kind != "" {
		again := o.Limits.MaxUnpackedBytes // it has been counted
		err = o.read(ctx, &m, &again, func(r io.Reader) error { return m.inspect(newCSVReader(r), known) })
	}
	if err != nil {
		return err
	}
	return a.keep(m)
}

// read has a member read by f, and then to its end: even for a CSV that is no CSV a
// wrong checksum is the better explanation of whatever is wrong in it.
func (o Options) read(ctx context.Context, m *Member, left *int64, f func(io.Reader) error) error {
	r, err := m.entry.Open()
	if err != nil {
		return blame(err, nil)
	}
	defer r.Close()
	sum := sha256.New()
	counted := &countedReader{r: io.TeeReader(Steady(ctx, r, o.Progress), sum), left: left}
	problem := f(counted)
	if errors.Is(problem, errNotPlain) {
		return problem // it is read once more
	}
	_, err = io.Copy(io.Discard, counted)
	m.text = [sha256.Size]byte(sum.Sum(nil))
	return blame(err, problem)
}

// keep adds a member, if it has rows. One that is there already, in another folder, is a
// copy of it or a reason to refuse the file.
func (a *Archive) keep(m Member) error {
	if m.Kind == "" {
		a.Skipped = append(a.Skipped, m.Name)
		return nil
	}
	i := slices.IndexFunc(a.Members, func(other Member) bool { return strings.EqualFold(other.Name, m.Name) })
	switch {
	case i < 0:
		a.Members = append(a.Members, m)
	case a.Members[i].entry.CRC32 != m.entry.CRC32 || a.Members[i].entry.UncompressedSize64 != m.entry.UncompressedSize64:
		return damaged(schemas.ReasonUnsafeZip, errors.New("two members in different folders have the same name and are not alike"))
	default:
		a.Skipped = append(a.Skipped, m.entry.Name)
	}
	return nil
}

// members says of each member of a ZIP which rows it may hold: those with a documented
// name; only if there is none, those whose name is like one. What computers and people
// add to a folder that they pack is left out.
func (o Options) members(z *zip.Reader) (all []Member) {
	documented := false
	for _, entry := range z.File {
		if strings.HasSuffix(entry.Name, "/") {
			continue // a folder: nothing is in it but its name
		}
		m := Member{Name: path.Base(entry.Name), entry: entry, dialect: o.Dialect}
		if !isLitter(entry.Name) {
			m.Kind, m.part, m.documented = kindOf(m.Name)
		}
		documented = documented || m.documented
		all = append(all, m)
	}
	for i := range all {
		if documented && !all[i].documented {
			all[i].Kind = ""
		}
	}
	return all
}

// isLitter reports a member that some program keeps beside a file: macOS's AppleDouble,
// hidden files, an office's locks.
func isLitter(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, "__MACOSX") || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "~$") {
			return true
		}
	}
	return false
}

// kindOf tells a member's kind and sequence number from its name, and whether that has
// the documented form. Without a known kind the member is no table.
func kindOf(base string) (k schemas.Kind, part int, documented bool) {
	if m := memberPattern.FindStringSubmatch(base); m != nil {
		part, _ = strconv.Atoi(m[2]) // digits or nothing
		base, documented = "_"+m[1]+".csv", true
	}
	lower := strings.ToLower(base)
	if !strings.HasSuffix(lower, ".csv") {
		return "", 0, false
	}
	for _, k := range []schemas.Kind{schemas.KindOperation, schemas.KindSkill, schemas.KindRecording, schemas.KindCDR} {
		if strings.Contains(lower, strings.ToLower(rows.FilePart(k))) {
			return k, part, documented
		}
	}
	return "", 0, false
}

// errNotPlain says that a member is not UTF-8 throughout.
var errNotPlain = errors.New("its text has to be surveyed")

// inspectPlain inspects a member as UTF-8.
func (m *Member) inspectPlain(r io.Reader) error {
	csv := newCSVReader(r)
	csv.fill()
	rest, _ := cutMarks(csv.text)
	err := m.inspect(csv, text{charset: charsetUTF8, head: headOf(rest), plain: true})
	if csv.impure {
		return errNotPlain
	}
	return err
}

// inspect reads every record of a member and finds out its header lines. A member whose
// name is only like that of a table, and which is none, loses its kind. A table of whose
// records none can be told from others was not understood, whatever the reason: refused.
func (m *Member) inspect(csv *csvReader, known text) (err error) {
	m.Charset, m.Torn = known.charset, known.torn
	if m.layout, err = layoutOf(m.Kind, known); err != nil {
		return err
	}
	t := m.table(csv)
	told, fits := false, m.documented
	tells, _ := rows.Tells(m.Kind, nil) // there is no header line to be wrong
	for {
		one, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if known.plain && csv.impure {
			return errNotPlain
		}
		if one.fresh {
			tells = m.under(t.names)
		}
		m.count(t.names, len(one.cells), one.fresh)
		told = told || tells == nil || tells(one.cells)
		fits = fits || rows.Fit(m.Kind, one.cells) > 0
	}
	if t.fresh { // the last header line has no records
		m.under(t.names)
	}
	m.even = !t.odd
	return m.judge(told, fits, t.widest)
}

// count counts a record below a header line, nil for none; fresh: the first below it.
func (m *Member) count(header []string, cells int, fresh bool) {
	m.Rows++
	if fresh || m.shape >= len(m.Shapes) || m.Shapes[m.shape].Cells != cells {
		m.shape = slices.IndexFunc(m.Shapes, func(s Shape) bool { return s.Cells == cells && slices.Equal(s.Header, header) })
		if m.shape < 0 {
			m.shape = len(m.Shapes)
			m.Shapes = append(m.Shapes, Shape{Header: header, Cells: cells})[:min(m.shape+1, maxShapes)]
		}
	}
	if m.shape < len(m.Shapes) {
		m.Shapes[m.shape].Rows++
	}
}

// judge says what a member is, by whether any of its records can be told from others, and
// any fits the columns or its name says that they do, and by the cells of the widest.
func (m *Member) judge(told, fits bool, widest int) error {
	switch byPosition := len(m.Headers) == 0 && m.Rows > 0; {
	case byPosition && !fits:
		m.Kind = ""
	case m.Rows > 0 && !told, byPosition && widest == 1:
		return damaged(schemas.ReasonMissingColumns, fmt.Errorf("%s: none of %d records has what tells it from others: its columns are not those of %s rows", m.Name, m.Rows, m.Kind))
	}
	return nil
}

// under notes a header line and returns what tells records below it apart; nil if it
// lacks the columns, which whoever publishes the rows reports.
func (m *Member) under(names []string) func([]string) bool {
	m.Headers = append(m.Headers, names)
	tells, err := rows.Tells(m.Kind, names)
	if err != nil {
		return nil
	}
	return tells
}

// table begins to read the records of a member whose layout and encoding are known.
func (m *Member) table(csv *csvReader) *table {
	return newTable(csv.as(m.layout), m.Kind, m.dialect, m.Charset)
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
	case text == nil, errors.As(text, new(*schemas.Permanent)):
		return text
	}
	return damaged(schemas.ReasonDamagedCSV, text)
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
