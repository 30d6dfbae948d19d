package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestProgramLinksNoTestCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "net/http") {
		t.Fatalf("only %d packages were looked at", len(linked))
	}
	for _, test := range []string{"testing", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp/cmp", "net/http/httptest", "github.com/chromedp/chromedp", "github.com/chromedp/cdproto/cdp"} {
		if slices.Contains(linked, test) {
			t.Errorf("the program links %s", test)
		}
	}
}
