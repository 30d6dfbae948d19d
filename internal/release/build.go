package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	build "aiccbridge/internal/buildinfo"
)

// maker makes releases of the source in root.
type maker struct {
	root, work, out string

	version string    // of the program, without the v
	date    time.Time // of its commit
	pages   []file    // manual pages and completions
}

// file is one that goes into an archive or a package.
type file struct {
	name string // with slashes
	mode os.FileMode
	text []byte
}

// prepare builds the program for this machine, and has it say its version and write its pages.
func (m *maker) prepare(ctx context.Context) error {
	binary, err := m.build(ctx, host)
	if err != nil {
		return err
	}
	b, err := builtOf(binary)
	if err != nil {
		return err
	}
	m.version, m.date = strings.TrimPrefix(b.Version, "v"), b.Time
	if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		m.date = time.Unix(epoch, 0).UTC()
	}
	if m.date.IsZero() {
		return errNoCommit
	}
	man := filepath.Join(m.work, "man")
	if err := command(ctx, m.work, []string{m.epoch()}, binary, "man", man); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(man, "*"))
	if err != nil {
		return err
	}
	for _, path := range pages {
		if err := m.page("man/"+filepath.Base(path), path); err != nil {
			return err
		}
	}
	for shell, name := range map[string]string{"bash": "bridge.bash", "zsh": "_bridge", "fish": "bridge.fish"} {
		path := filepath.Join(m.work, name)
		if err := command(ctx, m.work, nil, "sh", "-c", fmt.Sprintf("%q completion %s > %q", binary, shell, path)); err != nil {
			return err
		}
		if err := m.page("completions/"+name, path); err != nil {
			return err
		}
	}
	return nil
}

// builtOf says what a program was built of.
func builtOf(binary string) (build.Build, error) {
	info, err := buildinfo.ReadFile(binary)
	return build.Of(info), err
}

func (m *maker) page(name, path string) error {
	text, err := os.ReadFile(path)
	m.pages = append(m.pages, file{name, 0o644, text})
	return err
}

// epoch is the variable that gives programs the commit's date.
func (m *maker) epoch() string { return fmt.Sprintf("SOURCE_DATE_EPOCH=%d", m.date.Unix()) }

// build builds the program for a platform: without C, without paths of this machine, without
// symbols for debuggers, and with its commit whatever GOFLAGS says.
func (m *maker) build(ctx context.Context, p platform) (binary string, err error) {
	binary = filepath.Join(m.work, p.os+"-"+p.arch, "bridge"+p.extension())
	env := []string{"CGO_ENABLED=0", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOFLAGS="}
	return binary, command(ctx, m.root, env, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", binary, "./cmd/bridge")
}

func (p platform) extension() string {
	if p.os == "windows" {
		return ".exe"
	}
	return ""
}

// source reads a file of the repository as one that ships.
func (m *maker) source(path, name string) (file, error) {
	text, err := os.ReadFile(filepath.Join(m.root, filepath.FromSlash(path)))
	return file{name, 0o644, text}, err
}
