//go:build readers

package consuming

import (
	"path/filepath"
	"testing"
)

// TestReadersJavaScript: each recipe in JavaScript, killed twice, loses nothing and has nothing
// twice. make readers installs what they need.
func TestReadersJavaScript(t *testing.T) {
	each(t, func(name string) []string { return []string{"node", filepath.Join("js", name+".mjs")} })
}
