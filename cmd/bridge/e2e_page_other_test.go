//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// alone runs a command on the machine's own addresses.
func alone(cmd *exec.Cmd) ([]byte, error) { return cmd.CombinedOutput() }

func runLonely([]string) error { return errors.ErrUnsupported }
