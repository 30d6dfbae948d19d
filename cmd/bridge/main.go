// Command bridge carries what happens in a Huawei Cloud contact centre onto NATS
// JetStream. This package is flags and wiring, nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	_ "time/tzdata" // tenant zones must not depend on the machine

	"github.com/spf13/cobra"

	"aiccbridge/internal/stopsignal"
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// execute runs one command line. The first SIGINT, SIGTERM or SIGHUP ends its context, but for
// a SIGHUP of `run`; see package stopsignal.
func execute(args []string, stdout, stderr io.Writer) int {
	ctx, cancel := stopsignal.Context(context.Background())
	defer cancel()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(stderr, "bridge: %v\nbridge: see %s --help\n", err, command.CommandPath())
		return exitUsage
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintf(stderr, "bridge: %v\n", err)
	}
	return exitFailed
}

// errReported is a failure whose explanation has been printed already.
var errReported = errors.New("reported")

// group is commands that belong together.
type group struct {
	name     string
	commands []*cobra.Command
}

// groups are all commands.
func groups() []group {
	return []group{
		{"try", []*cobra.Command{newDemo(), newSimulate()}},
		{"run", []*cobra.Command{newRun(), newCheck(), newApply(), newReload(), newDoctor()}},
		{"look", []*cobra.Command{newStatus(), newAgents(), newWindows(), newCall(), newCallList(), newTail(), newSchema()}},
		{"repair", []*cobra.Command{newBackfill(), newDeadLetters(), newImport()}},
		{"replay", []*cobra.Command{newReplay()}},
		{"files", []*cobra.Command{newRecordings(), newIVR()}},
		{"", []*cobra.Command{newVersion(), newMan()}},
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "bridge",
		Short:         "Huawei Cloud contact centre events and files as NATS JetStream messages",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Version:       currentVersions().String(),
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	all := groups()
	for _, g := range all {
		root.AddCommand(g.commands...)
	}
	helpOfOne := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if c.HasParent() {
			helpOfOne(c, args)
			return
		}
		helpOfAll(c.OutOrStdout(), c, all)
	})
	return root
}

// helpOfAll is the help of the program, on one screen.
func helpOfAll(out io.Writer, root *cobra.Command, all []group) {
	fmt.Fprintf(out, "%s\nUsage: bridge [command]\n\n", root.Short)
	for _, g := range all {
		name := g.name
		for _, c := range g.commands {
			fmt.Fprintf(out, "%-7s %-11s %s\n", name, c.Name(), c.Short)
			name = ""
		}
	}
	fmt.Fprintf(out, "%-7s %-11s %s\n\n", "", "completion", "Print completions for bash, zsh, fish or PowerShell")
	fmt.Fprintln(out, "`bridge COMMAND --help` tells more.")
}

// knownCommand refuses a word that is no command and names the likely ones.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{errors.New(message)}
}

// noArguments refuses words behind a command that takes flags only.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is too much: the command takes flags only", args[0])}
	}
	return nil
}
