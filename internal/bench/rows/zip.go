package rows

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/platformsim/world"
)

// extraColumns are more than are documented, as newer platforms have them.
const extraColumns = 9

// WriteZIP writes a file of n call detail records of the hour before to, of 38 columns and
// about 430 bytes each. The rows depend on n and to alone; member names the CSV in it, so
// that files of the same rows differ.
func WriteZIP(name, member string, n int, to time.Time) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("make a file of rows: %w", err)
	}
	z := zip.NewWriter(file)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
	w, err := z.CreateHeader(&zip.FileHeader{Name: member, Method: zip.Deflate, Modified: to})
	if err == nil {
		err = writeRows(w, n, to)
	}
	if err := errors.Join(err, z.Close(), file.Close()); err != nil {
		return fmt.Errorf("make a file of rows: %w", err)
	}
	return nil
}

func writeRows(to io.Writer, n int, end time.Time) error {
	w := bufio.NewWriterSize(to, 256<<10)
	header := append([]string(nil), world.Columns[world.Call]...)
	for i := range extraColumns {
		header = append(header, fmt.Sprintf("ext_%d", i+1))
	}
	if _, err := w.WriteString(strings.Join(header, ",") + "\n"); err != nil {
		return err
	}
	var line []byte
	for i := range n {
		at := end.Add(-time.Hour).Add(time.Duration(float64(i) / float64(n) * float64(55*time.Minute))).Truncate(time.Second)
		line = appendRow(line[:0], i, at)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return w.Flush()
}

// appendRow prints the leg of a call at an agent.
func appendRow(b []byte, i int, at time.Time) []byte {
	text := func(s string) { b = append(append(b, s...), ',') }
	number := func(n int) { b = append(strconv.AppendInt(b, int64(n), 10), ',') }
	moment := func(after int) {
		b = append(at.Add(time.Duration(after)*time.Second).AppendFormat(b, time.DateTime), ',')
	}
	text("benchak01")
	text("202405019999")
	number(1)
	agent := 101 + i%1000
	number(agent)
	b = append(strconv.AppendInt(b, at.Unix(), 10), '-')
	number(1_000_000 + i)
	number(5_550_000_000 + i*7919%9_000_000)
	number(5_550_199_000 + i%100)
	wait, ring, talk := i%30, 3+i%7, 20+i*31%260
	for _, after := range []int{0, wait, wait, wait + ring, wait + ring, wait + ring + talk} {
		moment(after)
	}
	number(2)
	number(agent)
	number(i % 2)
	number([]int{0, 511, 512, 771}[i%4])
	number(-1)
	number(39)
	number(1)
	number(12 + i%5)
	number(12 + i%5)
	number(12 + i%5)
	text("queue " + strconv.Itoa(12+i%5))
	number(15)
	text("")
	text("agent " + strconv.Itoa(agent))
	number(5)
	number(0)
	for j := range extraColumns {
		text("a value of ext " + strconv.FormatInt(int64(i*(j+3)%1_000_003), 36) + "-" + strconv.Itoa(j))
	}
	b[len(b)-1] = '\n'
	return b
}

// unzipped is what came of unzipping.
type unzipped struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
}

// Unzip reads a ZIP with the standard library and says what it took: the baseline.
func Unzip(ctx context.Context, name string, out io.Writer) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer z.Close()
	before, err := process.Own()
	if err != nil {
		return err
	}
	start := time.Now()
	var done unzipped
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		if err := errors.Join(err, r.Close(), ctx.Err()); err != nil {
			return fmt.Errorf("unzip %s: %w", f.Name, err)
		}
		done.Bytes += n
	}
	after, err := process.Own()
	if err != nil {
		return err
	}
	done.Seconds, done.CPU = time.Since(start).Seconds(), after.CPU-before.CPU
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(done); err != nil {
		return err
	}
	_, err = out.Write(line.Bytes())
	return err
}
