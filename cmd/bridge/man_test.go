package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestMan: every command has a manual page, which has its example and every word of its help.
func TestMan(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man", "man1")
	var out, errOut bytes.Buffer
	if code := execute([]string{"man", dir}, &out, &errOut); code != exitOK || out.Len()+errOut.Len() > 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.Bytes(), errOut.Bytes())
	}
	plain := strings.NewReplacer(`\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\&`, "", `\-`, "-", `\\`, `\`)
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			look(sub)
		}
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		pages++
		text := plain.Replace(string(page))
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			wantWords(t, c.CommandPath()+" --"+f.Name, text, f.Usage)
		})
		wantWords(t, c.CommandPath(), text, c.Short+" "+c.Long)
		if c.HasParent() && (c.Example == "" || !strings.Contains(text, ".SH EXAMPLE\n")) {
			t.Errorf("%s has no example", c.CommandPath())
		}
		wantWords(t, c.CommandPath(), text, c.Example)
	}
	look(newRoot())
	if pages < 40 {
		t.Errorf("%d pages", pages)
	}
	if code := execute([]string{"man"}, &out, &errOut); code != exitUsage {
		t.Errorf("without a folder: exit code %d", code)
	}
}

// wantWords wants every word of a text in a page.
func wantWords(t *testing.T, what, page, text string) {
	t.Helper()
	for _, word := range strings.Fields(strings.ReplaceAll(text, "`", "")) { // which pages show in bold
		if !strings.Contains(page, word) {
			t.Errorf("the page of %s lacks %q", what, word)
		}
	}
}
