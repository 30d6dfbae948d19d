package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"aiccbridge/internal/processgroup"
)

// judgeAll tries what the tester did not, since it stands outside of blocks; so many at once.
func judgeAll(ctx context.Context, root string, all []verdict, workers int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range all {
		v := &all[i]
		if v.status != notCovered || !v.outside {
			continue
		}
		group.Go(func() (err error) {
			v.status, err = judge(ctx, root, v.change)
			return err
		})
	}
	return group.Wait()
}

// judge runs the tests of a change's package as if the change were made in its file.
func judge(ctx context.Context, root string, made change) (status string, err error) {
	dir, err := os.MkdirTemp("", "bridge-mutation-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := made.overlay(root, dir)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-timeout", "2m", "-overlay", overlay, "./"+made.folder)
	cmd.Dir = root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = processgroup.Run(cmd)
	switch {
	case err == nil:
		return lived, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case bytes.Contains(out.Bytes(), []byte("panic: test timed out")):
		return timedOut, nil
	case !bytes.Contains(out.Bytes(), []byte("\nFAIL\t")) || bytes.Contains(out.Bytes(), []byte(" failed]")):
		return "", fmt.Errorf("try %s: %w\n%s", made.name, err, out.Bytes())
	}
	return killed, nil
}

// overlay writes the changed file, and for go test what it stands for, into dir.
func (c change) overlay(root, dir string) (path string, err error) {
	original, err := filepath.Abs(filepath.Join(root, c.file))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	behind := text[c.offset+len(c.operator.String()):]
	text = append(append(bytes.Clone(text[:c.offset]), c.to.String()...), behind...)
	file := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	said, err := json.Marshal(map[string]map[string]string{"Replace": {original: file}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, said, 0o600)
}
