package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/types"
	"io"
	"os"
	"os/exec"
)

// compiler tells whether a change compiles: two texts have a sum and no difference.
type compiler struct {
	code   *code
	config types.Config
}

// newCompiler builds what the packages of a folder need. It works in the folder root.
func newCompiler(ctx context.Context, c *code, root, folder string) (*compiler, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-export", "-json=ImportPath,Export", "./"+folder+"/...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	exports := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list packages: %w", err)
		}
		exports[p.ImportPath] = p.Export
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	made := &compiler{c, types.Config{Importer: importer.ForCompiler(c.set, "gc", open)}}
	for folder := range c.files {
		if err := made.check(folder); err != nil {
			return nil, fmt.Errorf("check %s before any change: %w", folder, err)
		}
	}
	return made, nil
}

// check returns an error if a package, as its syntax tree is now, does not compile.
func (c *compiler) check(folder string) error {
	_, err := c.config.Check(folder, c.code.set, c.code.files[folder], nil)
	return err
}

func (c *compiler) compiles(made change) (ok bool) {
	made.with(func() { ok = c.check(made.folder) == nil })
	return ok
}
