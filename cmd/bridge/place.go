package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"aiccbridge/bus/embedded"
	"aiccbridge/config"
	"aiccbridge/internal/instance"
)

// place finds what keeps a bridge with this configuration from starting on this machine
// as it is now. It makes and changes nothing. What only another process is in the way of
// is a warning: it may be gone at the start. While a bridge runs on the data folder
// nothing is said of addresses: they are in use by that one.
func place(cfg *config.Config) (found config.Errors, warnings []config.Finding) {
	if err := embedded.Owned(cfg.DataDir); err != nil {
		f := cfg.Finding("data_dir", err.Error(), "nothing was changed")
		switch {
		case writable(cfg.DataDir) != nil:
			found = append(found, f)
		case !embedded.Locked(cfg.DataDir): // root may check what only root may read; it may not run it
			warnings = append(warnings, f)
		}
	} else if err := writable(cfg.DataDir); err != nil {
		found = append(found, cfg.Finding("data_dir", err.Error(), "let the user that runs the bridge write there, or name another folder"))
	} else if err := instance.Fits(cfg.DataDir); err != nil {
		found = append(found, cfg.Finding("data_dir", err.Error(), "nothing was changed"))
	}
	if embedded.Locked(cfg.DataDir) {
		return found, nil
	}
	for _, l := range listeners(cfg) {
		if err := probe(l.address); err != nil {
			warnings = append(warnings, cfg.Finding(l.key, fmt.Sprintf("the bridge could not listen on %s now: %v", l.address, reason(err)), "stop what is listening there, or choose another address"))
		}
	}
	return found, warnings
}

type listener struct{ key, address string }

// listeners are the addresses that a bridge would open.
func listeners(cfg *config.Config) (all []listener) {
	for _, t := range cfg.Tenants {
		if t.Files != nil {
			all = append(all, listener{"listen.callbacks", cfg.Listen.Callbacks})
			break
		}
	}
	if cfg.Listen.Admin != "" {
		all = append(all, listener{"listen.admin", cfg.Listen.Admin})
	}
	if !cfg.NATS.External() && cfg.Listen.NATS != "" {
		all = append(all, listener{"listen.nats", cfg.Listen.NATS})
	}
	return all
}

// probe opens an address for a moment.
func probe(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// cannotListen is a sentence with the key to change, not a stack of verbs.
func cannotListen(key, address string, err error) error {
	return fmt.Errorf("%s: listen on %s: %w; stop what is listening there, or choose another address", key, address, reason(err))
}

// reason is why the system does not let listen, without what was tried.
func reason(err error) error {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number
	}
	return err
}

// writable says why nothing could be stored in a folder, or, if it is not there, why
// it could not be made.
func writable(dir string) error {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return fmt.Errorf("%s cannot be used: %w", dir, err)
		case !info.IsDir():
			return fmt.Errorf("%s cannot be used: %s is not a folder", dir, at)
		}
		if err := mayWrite(at); err != nil {
			return fmt.Errorf("%s cannot be written: %s: %w", dir, at, err)
		}
		return nil
	}
}

// inDataDir names the key of an error about a file in the data folder that must be
// mended outside the bridge.
func inDataDir(dir string, err error) error {
	var file *fs.PathError
	if !errors.As(err, &file) || !within(dir, file.Path) {
		return err
	}
	for _, outside := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR, syscall.ENOSPC, fs.ErrNotExist} {
		if errors.Is(err, outside) {
			return fmt.Errorf("data_dir: %w; let the user that runs the bridge write in %s and all below it, or name another folder in data_dir", err, dir)
		}
	}
	return err
}

func within(dir, path string) bool {
	away, err := filepath.Rel(dir, path)
	return err == nil && away != ".." && !strings.HasPrefix(away, ".."+string(filepath.Separator))
}
