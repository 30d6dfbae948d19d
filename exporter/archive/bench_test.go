//go:build unix

package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// benchRows is how many rows the files of the benchmarks have.
const benchRows = 50_000

// benchText is a CDR file as a busy hour makes it: 38 columns, of which nine are newer than
// the documented ones, some 430 bytes a row, times without gaps, no quotes.
var benchText = sync.OnceValue(func() string {
	var b strings.Builder
	for _, c := range rows.Columns(schemas.KindCDR) {
		b.WriteString(c.Name + ",")
	}
	b.WriteString("queue_name,ivr_path,satisfaction,sip_code,trunk_no,region,campaign,ticket_no,note\n")
	random := uint64(1)
	for i := range benchRows {
		second := func(offset int) string {
			at := i/20 + offset
			return fmt.Sprintf("2026-01-01 %02d:%02d:%02d", 9+at/3600%12, at/60%60, at%60)
		}
		fmt.Fprintf(&b, "9000003,202405019999,1,%d,%d-%d,0755555%04d,0755%07d,%s,%s,%s,%s,%s,%s,",
			101+i%800, 1767258000+i/20, i, i%10000, (i*7919)%10000000, second(0), second(8+i%20), second(9+i%20), second(12+i%25), second(13+i%25), second(90+i%400))
		fmt.Fprintf(&b, "2,%d,%d,%d,%d,39,1,%d,%d,%d,%d,%d,400%04d,%d,5,,",
			30000+i%800, i%2, i%3, i*31, 12+i%9, 40+i%5, 40+i%7, 1+i%3, i%17, i%300, 2)
		random = random*6364136223846793005 + 1442695040888963407
		fmt.Fprintf(&b, "service-%d,main/sales/%d/%016x,%d,200,T%05d,华南,spring-campaign-2026,TK-%016x,called back by agent %d when the line was free\n",
			i%12, i%6, random, 1+i%5, i%4000, random*31, i%800)
	}
	return b.String()
})

func benchZip(b *testing.B) []byte { return exportertest.ZipOf(b, exportertest.CSVMember(benchText())) }

// perRow has a benchmark go over the file once in each loop, and say what a row costs:
// time of processors, which other work on the machine does not add to.
func perRow(b *testing.B, pass func()) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchText())))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processorTime(b)
	for b.Loop() {
		pass()
	}
	rows := float64(b.N) * benchRows
	b.ReportMetric(float64(processorTime(b)-start)/rows, "cpu-ns/row")
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/rows, "allocs/row")
}

func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	exportertest.Check(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func unzip(b *testing.B, path string, with zip.Decompressor) {
	z, err := zip.OpenReader(path)
	exportertest.Check(b, err)
	defer z.Close()
	if with != nil {
		z.RegisterDecompressor(zip.Deflate, with)
	}
	r, err := z.File[0].Open()
	exportertest.Check(b, err)
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	exportertest.Check(b, err)
}

// BenchmarkUnzip reads a member without looking at it; stdlib is what all others are
// measured by.
func BenchmarkUnzip(b *testing.B) {
	path := downloaded(b, benchZip(b))
	b.Run("stdlib", func(b *testing.B) { perRow(b, func() { unzip(b, path, nil) }) })
	b.Run("ours", func(b *testing.B) { perRow(b, func() { unzip(b, path, inflate) }) })
}

// BenchmarkVerify opens an archive.
func BenchmarkVerify(b *testing.B) {
	path := downloaded(b, benchZip(b))
	perRow(b, func() {
		a, err := Open(b.Context(), path, Options{Progress: func() {}})
		exportertest.Check(b, err)
		exportertest.Check(b, a.Close())
	})
}

// BenchmarkRecords reads the records of a member that is sound.
func BenchmarkRecords(b *testing.B) {
	a := openBytes(b, benchZip(b))
	perRow(b, func() { eachRecord(b, a.Members[0], func([]string) {}) })
}

func eachRecord(b *testing.B, m Member, visit func([]string)) {
	records, err := m.Records(b.Context(), func() {})
	exportertest.Check(b, err)
	defer records.Close()
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		exportertest.Check(b, err)
		visit(record)
	}
}

// BenchmarkWholePass does all that happens to a file but publishing: it is read to its end,
// read again, and its rows are identified and written as messages.
func BenchmarkWholePass(b *testing.B) {
	path := downloaded(b, benchZip(b))
	b.Run("stdlib-unzip", func(b *testing.B) { perRow(b, func() { unzip(b, path, nil) }) })
	b.Run("bridge", func(b *testing.B) {
		names, err := schemas.NewNames("aicc")
		exportertest.Check(b, err)
		file := schemas.FileReady{Tenant: "acme", Kind: schemas.KindCDR, Window: exportertest.Hour(0), FileName: "20260101_x.zip"}
		perRow(b, func() {
			a, err := Open(b.Context(), path, Options{Progress: func() {}})
			exportertest.Check(b, err)
			defer a.Close()
			m := a.Members[0]
			e := rows.NewEncoder(names, file, m.Kind, rows.Options{})
			exportertest.Check(b, e.Header(m.Headers[0]))
			eachRecord(b, m, func(record []string) {
				id, err := e.Identify(record)
				exportertest.Check(b, err)
				_, err = e.Message(record, id, 1)
				exportertest.Check(b, err)
			})
		})
	})
}
