package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"aiccbridge/internal/formattest"
)

func TestFormats(t *testing.T) {
	formattest.JSON[mark](t, "line")
	formattest.JSON[written](t, "format")
	const id = "6f1e8a52-7c0d-4b3e-9a41-2d5f0c7b8e90"
	formattest.Bytes(t, "instance", []byte(id+"\n"), func(text []byte) error {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			return err
		}
		if read, err := ID(dir); err != nil || read != id {
			return fmt.Errorf("it is %q, %v", read, err)
		}
		return nil
	})
}
