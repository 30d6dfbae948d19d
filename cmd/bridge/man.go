package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands into a folder",
		Long: "Write a manual page for each command into a folder, which is made if need be:\n" +
			"bridge.1, bridge-run.1, bridge-windows-retry.1. With SOURCE_DATE_EPOCH they have that date.",
		Example: "  bridge man /usr/local/share/man/man1\n  bridge man man && man -l man/bridge-run.1",
		Args:    oneArgument("the folder"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of manual pages: %w", err)
			}
			c.Root().DisableAutoGenTag = true // no date but the page's
			header := &doc.GenManHeader{Section: "1", Source: "bridge " + currentVersions().Bridge, Manual: "The bridge"}
			if err := doc.GenManTree(c.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}
