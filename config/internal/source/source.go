// Package source reads what a configuration consists of: files of a sane size, and YAML that
// its parser can bear. What is wrong comes with a remedy and the place. It imports
// config/internal/scalar.
package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Limits that keep a mistaken file (a dump, a binary) from occupying the YAML
// parser, whose time grows with the square of length and depth.
const (
	MaxFileBytes = 16 << 20 // of any file; as CSV some 300,000 agents
	MaxYAMLBytes = 4 << 20  // some 30,000 agents
	MaxMargin    = 20_000   // lines that begin at the margin and are no entries of a list
	MaxLineBytes = 4096
	MaxDepth     = 64
)

// Read reads a file, and its mode.
func Read(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, 0, errFolder
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if len(data) > MaxFileBytes {
		return nil, 0, ErrLarge
	}
	return data, info.Mode(), err
}

// What is there, but is no file to read.
var (
	errFolder = errors.New("it is a folder")
	ErrLarge  = errors.New("it is larger than 16 MiB")
)

// Cure is what to do about a file that cannot be read; absent when it is not there.
func Cure(err error, absent string) string {
	switch {
	case errors.Is(err, ErrLarge):
		return "check that this is the right file; nothing that the bridge reads is that large"
	case errors.Is(err, errFolder):
		return "name a file in it"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs the bridge read the file and enter its folders"
	}
	return absent
}

// Cause is the part of a file error that does not repeat the path.
func Cause(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}

// Below reports whether a file is in a folder or below it; false for the folder "".
func Below(dir, path string) bool {
	below, err := filepath.Rel(dir, path)
	return dir != "" && err == nil && filepath.IsLocal(below)
}
