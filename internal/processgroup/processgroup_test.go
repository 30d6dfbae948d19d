//go:build unix

package processgroup

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// start runs a script that leaves a process behind which holds file 3, and says so in a
// line. held is read to its end once nobody holds that file any more.
func start(t *testing.T, ctx context.Context, script string) (held *os.File, ended chan error) {
	t.Helper()
	held, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.ExtraFiles = []*os.File{w}
	said, out := io.Pipe()
	cmd.Stdout = out
	ended = make(chan error, 1)
	go func() { ended <- Run(cmd); _ = out.Close() }()
	if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return held, ended
}

func gone(t *testing.T, held *os.File) {
	t.Helper()
	if err := held.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(held); err != nil {
		t.Error("what the command started is still there:", err)
	}
}

func TestStopTakesAll(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	held, ended := start(t, ctx, `trap "exit 3" INT; (trap "" INT; exec sleep 300 >/dev/null) & echo; wait`)
	stop()
	if err := <-ended; err == nil {
		t.Error("a command that was stopped ended well")
	}
	gone(t, held)
}

func TestEndTakesWhatIsLeft(t *testing.T) {
	held, ended := start(t, t.Context(), `sleep 300 >/dev/null & echo`)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	gone(t, held)
}
