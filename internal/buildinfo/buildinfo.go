// Package buildinfo says what a program was built of, as the Go toolchain noted it: the version
// is that of the commit's tag, else the toolchain's pseudo-version of the commit. Nothing is
// passed to the linker, so that a version cannot be another than that of the source.
//
// It knows nothing of the bridge.
package buildinfo

import (
	"io"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Devel is the version of a program that was built without its repository.
const Devel = "devel"

// Build is what a program was built of.
type Build struct {
	Version string    // with +dirty when files had been changed; [Devel] where nothing is known
	Commit  string    // "": not known
	Time    time.Time // of the commit, zero: not known
	Go      string    // version of the toolchain, as in go1.26.0
	info    *debug.BuildInfo
}

// Of says what is noted in info, which may be nil.
func Of(info *debug.BuildInfo) Build {
	if info == nil {
		info = &debug.BuildInfo{}
	}
	b := Build{Version: Devel, Go: info.GoVersion, info: info}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	b.Commit = b.setting("vcs.revision")
	b.Time, _ = time.Parse(time.RFC3339, b.setting("vcs.time")) // zero without one
	return b
}

// Current is that of the program which runs.
func Current() Build {
	info, _ := debug.ReadBuildInfo()
	return Of(info)
}

func (b Build) setting(key string) string {
	for _, s := range b.info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// WriteBOM writes which modules are in the program, as CycloneDX 1.6 in JSON. It has no serial
// number and no time but that of the commit: a build has one bill. Licences are not in it,
// because the toolchain does not note them.
func (b Build) WriteBOM(out io.Writer) error {
	name := b.info.Main.Path
	program := cdx.Component{
		BOMRef: "pkg:golang/" + name + "@" + b.Version, Type: cdx.ComponentTypeApplication, Name: name, Version: b.Version,
		Properties: properties("vcs.revision", b.Commit, "GOOS", b.setting("GOOS"), "GOARCH", b.setting("GOARCH"), "CGO_ENABLED", b.setting("CGO_ENABLED"), "-tags", b.setting("-tags")),
	}
	components := []cdx.Component{library("std", strings.TrimPrefix(b.Go, "go"), "")}
	for _, d := range b.info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		components = append(components, library(d.Path, d.Version, d.Sum))
	}
	var needs []string
	for _, c := range components {
		needs = append(needs, c.BOMRef)
	}
	bill := cdx.NewBOM()
	bill.Metadata = &cdx.Metadata{Component: &program}
	if !b.Time.IsZero() {
		bill.Metadata.Timestamp = b.Time.UTC().Format(time.RFC3339)
	}
	bill.Components, bill.Dependencies = &components, &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &needs}}
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bill, cdx.SpecVersion1_6)
}

func library(path, version, sum string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url, Properties: properties("go.sum", sum)}
}

// properties are names and values by turns; empty ones are left out.
func properties(pairs ...string) *[]cdx.Property {
	var all []cdx.Property
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, cdx.Property{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	if all == nil {
		return nil
	}
	return &all
}
