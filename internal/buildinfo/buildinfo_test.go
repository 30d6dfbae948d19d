package buildinfo

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// built is a program with a dependency, and one in the place of another.
func built() *debug.BuildInfo {
	return &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "aiccbridge", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v0.1.0", Sum: "h1:aaa="},
			{Path: "example.com/b/v2", Version: "v2.0.0", Sum: "h1:bbb=", Replace: &debug.Module{Path: "example.com/c", Version: "v3.0.0", Sum: "h1:ccc="}},
		},
		Settings: []debug.BuildSetting{
			{Key: "GOOS", Value: "linux"}, {Key: "vcs.revision", Value: "594a218"}, {Key: "vcs.time", Value: "2026-12-01T02:50:29Z"}, {Key: "vcs.modified", Value: "false"},
		},
	}
}

func TestOf(t *testing.T) {
	b := Of(built())
	if b.Version != "v1.2.3" || b.Commit != "594a218" || !b.Time.Equal(time.Date(2026, 12, 1, 2, 50, 29, 0, time.UTC)) || b.Go != "go1.26.8" {
		t.Errorf("%+v", b)
	}
	for name, info := range map[string]*debug.BuildInfo{"nothing": nil, "no repository": {Main: debug.Module{Version: "(devel)"}}} {
		if b := Of(info); b.Version != Devel || b.Commit != "" || !b.Time.IsZero() {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// TestBOM: what a reader of CycloneDX finds, and that it is the same each time.
func TestBOM(t *testing.T) {
	var first, second bytes.Buffer
	if err := Of(built()).WriteBOM(&first); err != nil {
		t.Fatal(err)
	}
	if err := Of(built()).WriteBOM(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("another bill of the same build: %v\n%s", err, &second)
	}
	var bill cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(first.Bytes()), cdx.BOMFileFormatJSON).Decode(&bill); err != nil {
		t.Fatal(err)
	}
	if c := bill.Metadata.Component; c.Name != "aiccbridge" || c.Version != "v1.2.3" || bill.Metadata.Timestamp != "2026-12-01T02:50:29Z" {
		t.Errorf("the program is %+v", bill.Metadata)
	}
	var urls []string
	for _, c := range *bill.Components {
		urls = append(urls, c.PackageURL)
		if c.Name == "example.com/c" && (*c.Properties)[0].Value != "h1:ccc=" {
			t.Errorf("%+v", c)
		}
	}
	if got, want := strings.Join(urls, " "), "pkg:golang/std@1.26.8 pkg:golang/example.com/a@v0.1.0 pkg:golang/example.com/c@v3.0.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if needs := *(*bill.Dependencies)[0].Dependencies; len(needs) != len(urls) {
		t.Errorf("it needs %q", needs)
	}
	if bill.SerialNumber != "" || strings.Contains(first.String(), `"licenses"`) {
		t.Errorf("invented: %s", &first)
	}
}
