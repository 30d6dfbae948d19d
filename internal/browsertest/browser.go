//go:build browser

package browsertest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// Browser is a tab of a Chromium. When the test ends, nothing may have been an error in its
// console, nor asked of another host than 127.0.0.1.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu        sync.Mutex
	odd       []string // that the console got
	elsewhere []string
	excused   bool
	until     float64 // of what is excused, as a runtime.Timestamp: the report may come later
}

// Open starts a Chromium, which ends with the test.
func Open(t testing.TB) *Browser {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("lang", "en"))
	allocated, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), o...)
	ctx, endTab := chromedp.NewContext(allocated)
	b := &Browser{t: t, ctx: ctx}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser
		endTab()
		end()
		b.judge()
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("start Chromium (Debian: chromium): %v", err)
	}
	b.Do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}),
		command(performance.Enable, performance.EnableParams{}))
	return b
}

// command is a command of the protocol as an action.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *Browser) hear(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		b.odd = append(b.odd, fmt.Sprintf("exception: %s", e.ExceptionDetails.Text))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.odd = append(b.odd, fmt.Sprintf("console: %v", e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if !b.excused && e.Entry.Timestamp.Float64() > b.until && (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) {
			b.odd = append(b.odd, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") {
			b.elsewhere = append(b.elsewhere, e.Request.URL)
		}
	}
}

// Excuse says that requests may fail from now on, because the test ends the server, or not any
// more.
func (b *Browser) Excuse(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.excused && !yes {
		b.until = float64(time.Now().UnixMilli())
	}
	b.excused = yes
}

func (b *Browser) judge() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.odd {
		b.t.Errorf("the browser reports: %s", text)
	}
	for _, url := range b.elsewhere {
		b.t.Errorf("the page asks for %s", url)
	}
}

// Do runs actions; one that fails ends the test.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Goto opens an address.
func (b *Browser) Goto(url string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(url))
}

// Keys presses keys.
func (b *Browser) Keys(keys string) {
	b.t.Helper()
	b.Do(chromedp.KeyEvent(keys))
}

// Value is what an expression is in the page.
func Value[T any](b *Browser, expression string) T {
	b.t.Helper()
	v, err := try[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func try[T any](b *Browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits for an expression to be true, over pages that are loaded anew.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := try[bool](b, expression); err == nil && ok {
			return
		}
		select {
		case <-over.C:
			b.Shoot("failed")
			b.t.Fatalf("waited in vain for %s; the page says %.600q", expression, Value[string](b, "document.body.innerText"))
		case <-tick.C:
		}
	}
}

// Look is how a page is looked at.
type Look struct {
	Name          string
	Width, Height int64
	Scale         float64 // pixels of the screen in one of the page; 0: 1
	Dark          bool
}

// As changes the look.
func (b *Browser) As(l Look) {
	b.t.Helper()
	scheme := "light"
	if l.Dark {
		scheme = "dark"
	}
	b.Do(command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.Width, Height: l.Height, DeviceScaleFactor: cmp.Or(l.Scale, 1), Mobile: l.Width < 600,
	}), command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}))
}

// Script has pages loaded from now on run no script, or do.
func (b *Browser) Script(on bool) {
	b.t.Helper()
	b.Do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}

// Shoot takes a picture, and says where it is.
func (b *Browser) Shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	dir := filepath.Join(os.TempDir(), "bridge-pictures")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	path := filepath.Join(dir, name+".png")
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("picture: %s (%d kB)", path, len(png)/1000)
}

// Metrics are Chromium's own of the page: ScriptDuration, TaskDuration and so on, in seconds.
func (b *Browser) Metrics() map[string]float64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, m := range r.Metrics {
		all[m.Name] = m.Value
	}
	return all
}
