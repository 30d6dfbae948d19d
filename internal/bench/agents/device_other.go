//go:build !linux

package agents

import "errors"

func deviceOf(string) (string, error) { return "", errors.New("only Linux counts flushes") }
