package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sumsFile is what `sha256sum -c` reads.
const sumsFile = "SHA256SUMS"

// archive writes a platform's archive, and beside it the bill of materials.
func (m *maker) archive(p platform, binary string) error {
	name := strings.Join([]string{"bridge", m.version, p.os, p.arch}, "-")
	text, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files := append([]file{{"bridge" + p.extension(), 0o755, text}}, m.pages...)
	sources := []string{"README.md", "CHANGELOG.md", "LICENSE", "bridge.example.yaml"}
	if p.os == "linux" {
		sources = append(sources, "docs/deploy/systemd/bridge.service", "docs/deploy/systemd/bridge.yaml", "docs/deploy/systemd/agents.csv")
	}
	for _, path := range sources {
		f, err := m.source(path, strings.TrimPrefix(path, "docs/deploy/"))
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	write, end := writeTar, ".tar.gz"
	if p.os == "windows" {
		write, end = writeZIP, ".zip"
	}
	var packed, bill bytes.Buffer
	if err := write(&packed, name, files, m.date); err != nil {
		return err
	}
	built, err := builtOf(binary)
	if err != nil {
		return err
	}
	if err := built.WriteBOM(&bill); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.out, name+end), packed.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.out, name+".cdx.json"), bill.Bytes(), 0o644)
}

// inOrder are files by their names.
func inOrder(files []file) []file {
	return slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
}

// writeTar writes files into one folder, all of one date and of nobody in particular.
func writeTar(out io.Writer, folder string, files []file, date time.Time) error {
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(packed)
	for _, f := range inOrder(files) {
		h := &tar.Header{Name: folder + "/" + f.name, Mode: int64(f.mode), Size: int64(len(f.text)), ModTime: date, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.text); err != nil {
			return err
		}
	}
	return cmp.Or(w.Close(), packed.Close())
}

// writeZIP is writeTar for Windows.
func writeZIP(out io.Writer, folder string, files []file, date time.Time) error {
	w := zip.NewWriter(out)
	for _, f := range inOrder(files) {
		h := &zip.FileHeader{Name: folder + "/" + f.name, Method: zip.Deflate, Modified: date.UTC()}
		h.SetMode(f.mode)
		to, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := to.Write(f.text); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeSums writes the checksums of all files in a folder.
func writeSums(dir string) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range all { // in the order of their names
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(text), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(sums.String()), 0o644)
}
