// Command release makes what is given away of the bridge: an archive and a bill of materials for
// each platform, Debian packages, and their checksums. Run it by `make release`, `make deb` and
// `make reproducible`.
//
// Invariants: the same commit gives the same bytes, in whatever folder and at whatever time it is
// built, by the same Go and the same xz. Every name and number in it comes from the program that
// was built (package buildinfo), every date from its commit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// platforms are those that a release has.
var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	out            string
	only           string
	archives, debs bool
	twice          bool
}

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "dist", "folder to write to; it is emptied before")
	f.StringVar(&o.only, "only", "", "platforms, as in linux/amd64,windows/amd64; empty: all")
	f.BoolVar(&o.archives, "archives", false, "make an archive and a bill of materials for each platform")
	f.BoolVar(&o.debs, "deb", false, "make a Debian package for each of the platforms that is Linux; needs dpkg-deb")
	f.BoolVar(&o.twice, "twice", false, "make everything of two clones in two folders, and compare")
	if err := f.Parse(args); err != nil {
		return err
	}
	wanted, err := choose(o.only)
	if err != nil {
		return err
	}
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if o.twice {
		return compareTwo(ctx, root, work, args)
	}
	m := &maker{root: root, work: work, out: o.out}
	return m.make(ctx, wanted, o)
}

// choose are the platforms of a list.
func choose(list string) (all []platform, err error) {
	if list == "" {
		return platforms, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(platforms, func(p platform) bool { return p.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no release for %q; the platforms are %v", name, platforms)
		}
		all = append(all, platforms[i])
	}
	return all, nil
}

// make makes everything that is wanted.
func (m *maker) make(ctx context.Context, wanted []platform, o options) error {
	if err := os.RemoveAll(m.out); err != nil {
		return fmt.Errorf("empty the folder: %w", err)
	}
	if err := os.MkdirAll(m.out, 0o755); err != nil {
		return err
	}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for _, p := range wanted {
		binary, err := m.build(ctx, p)
		if err != nil {
			return err
		}
		if o.archives {
			err = m.archive(p, binary)
		}
		if err == nil && o.debs && p.os == "linux" {
			err = m.deb(ctx, p, binary)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return writeSums(m.out)
}

// compareTwo makes the same of two clones, and says where they differ.
func compareTwo(ctx context.Context, root, work string, args []string) error {
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.TrimLeft(a, "-") == "twice" })
	var sums [2]string
	for i, name := range []string{"one", filepath.Join("elsewhere", "deep", "two")} {
		clone, out := filepath.Join(work, name), filepath.Join(work, fmt.Sprint("out", i))
		if err := command(ctx, root, nil, "git", "clone", "--quiet", root, clone); err != nil {
			return err
		}
		if err := command(ctx, clone, nil, "go", append([]string{"run", "./internal/release"}, append(args, "-out", out)...)...); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(out, sumsFile))
		if err != nil {
			return err
		}
		sums[i] = string(text)
	}
	if sums[0] != sums[1] || sums[0] == "" {
		return fmt.Errorf("two builds of one commit differ:\n%s\n%s", sums[0], sums[1])
	}
	fmt.Printf("%stwo builds in two folders are alike\n", sums[0])
	return nil
}

// command runs a program in a folder; the error has what it printed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// host is where release runs.
var host = platform{runtime.GOOS, runtime.GOARCH}

var errNoCommit = errors.New("the program knows no commit that it is of; build it in a clone with git, or set SOURCE_DATE_EPOCH")
