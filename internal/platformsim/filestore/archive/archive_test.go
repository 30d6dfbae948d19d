package archive

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"
)

func TestDialect(t *testing.T) {
	header := []string{"id", "name"}
	rows := [][]string{{"1", `X:\17\0`}, {"2", `a,"b"`}, {"", "队列"}}
	gbk := func(s string) string {
		out, err := simplifiedchinese.GBK.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		d    Dialect
		want string
	}{
		"default":        {Dialect{}, "id,name\n1,X:\\17\\0\n2,\"a,\"\"b\"\"\"\n,队列\n"},
		"no header":      {Dialect{NoHeader: true}, "1,X:\\17\\0\n2,\"a,\"\"b\"\"\"\n,队列\n"},
		"bom and crlf":   {Dialect{BOM: true, CRLF: true}, "\ufeffid,name\r\n1,X:\\17\\0\r\n2,\"a,\"\"b\"\"\"\r\n,队列\r\n"},
		"padded":         {Dialect{Padded: true}, "id,name\n 1 \t, X:\\17\\0 \t\n 2 \t,\" a,\"\"b\"\" \t\"\n  \t, 队列 \t\n"},
		"quoted":         {Dialect{Quoted: true}, "\"id\",\"name\"\n\"1\",\"X:\\17\\0\"\n\"2\",\"a,\"\"b\"\"\"\n\"\",\"队列\"\n"},
		"semicolon":      {Dialect{Separator: ';'}, "id;name\n1;X:\\17\\0\n2;\"a,\"\"b\"\"\"\n;队列\n"},
		"gbk has no bom": {Dialect{Encoding: simplifiedchinese.GBK, BOM: true}, gbk("id,name\n1,X:\\17\\0\n2,\"a,\"\"b\"\"\"\n,队列\n")},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := c.d.Write(&out, header, rows); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCSVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A lone CR is lost by encoding/csv, which is the judge here.
		cell := rapid.StringMatching(`[a-z0-9 ,"\\\n;队列-]{1,12}`)
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, 3, 3), 1, 8).Draw(t, "rows")
		d := Dialect{NoHeader: true, Quoted: rapid.Bool().Draw(t, "quoted")}
		var out bytes.Buffer
		if err := d.Write(&out, nil, rows); err != nil {
			t.Fatal(err)
		}
		got, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestMemberName(t *testing.T) {
	at := time.Date(2024, 5, 1, 9, 8, 7, 42_000_000, time.UTC)
	for _, c := range []struct {
		random, part int
		kind, want   string
	}{
		{7, 0, "call", "20240501090807042007_call.csv"},
		{1999, 2, "agentOprInfo", "20240501090807042999_agentOprInfo_2.csv"},
	} {
		if got := MemberName(at, c.random, c.kind, c.part); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func write(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestBuild(t *testing.T) {
	at := time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC)
	want := map[string]string{"a.csv": "x,y\n", "b.csv": ""}
	members := []Member{{"a.csv", write("x,y\n")}, {"b.csv", nil}}
	zipped, err := Build(at, members)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Build(at, members)
	if err != nil || !bytes.Equal(zipped, again) {
		t.Errorf("two builds differ (%v)", err)
	}
	got := map[string]string{}
	for name, data := range unzip(t, zipped) {
		got[name] = data
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	empty, err := Build(at, nil)
	if err != nil || !strings.HasPrefix(string(empty), "PK\x05\x06") {
		t.Errorf("empty archive: %q %v", empty, err)
	}
	broken := errors.New("disk full")
	if _, err := Build(at, []Member{{"c.csv", func(io.Writer) error { return broken }}}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func unzip(t *testing.T, zipped []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range r.File {
		m, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(m)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		out[f.Name] = string(data)
	}
	return out
}

func TestFlip(t *testing.T) {
	line := "testak01,202405019999,1,101,1714525260-1001,5550100,5550199\n"
	for name, data := range map[string]string{"short": "a,b\n", "one line": line, "long": strings.Repeat(line+"x", 2000)} {
		t.Run(name, func(t *testing.T) {
			zipped, err := Build(time.Time{}, []Member{{"empty.csv", nil}, {"a.csv", write(data)}})
			if err != nil {
				t.Fatal(err)
			}
			before := bytes.Clone(zipped)
			damaged, err := Flip(zipped)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, zipped) {
				t.Error("the original was changed")
			}
			if n := differences(zipped, damaged); n != 1 {
				t.Errorf("%d bytes differ, want 1", n)
			}
			if err := readMember(damaged, 1); !errors.Is(err, zip.ErrChecksum) {
				t.Errorf("reading the damaged member: %v", err)
			}
		})
	}
	empty, err := Build(time.Time{}, []Member{{"empty.csv", nil}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Flip(empty); err == nil {
		t.Error("an archive without data was damaged")
	}
	if _, err := Flip([]byte("no zip")); err == nil {
		t.Error("text was damaged")
	}
}

func differences(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
