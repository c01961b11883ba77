package e2e_test

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a step may take before the journey fails: generous, since the machines are shared.
const patience = 30 * time.Second

// browser is one Chromium with a profile of its own, and the tab that a journey walks through.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // console errors, exceptions and policy violations, in order
}

// newBrowser starts a browser, or skips the test with a clear word where none is installed.
func newBrowser(t *testing.T, flags ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			t.Skip("no chromium on this machine: make setup installs it")
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("lang", "en-US"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	b := &browser{t: t, ctx: ctx}
	b.watch()
	b.do(chromedp.EmulateViewport(1180, 860))
	return b
}

// tab opens a second tab of the same browser, with the same cookies.
func (b *browser) tab() *browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("open a tab: %v", err)
	}
	other := &browser{t: b.t, ctx: ctx}
	other.watch()
	other.do(chromedp.EmulateViewport(1180, 860))
	return other
}

// watch collects what the browser complains about: a policy violation or an exception fails the journey at its end.
func (b *browser) watch() {
	chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complain("exception: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if strings.Contains(e.Entry.Text, "Content Security Policy") || strings.Contains(e.Entry.Text, "TrustedTypes") {
				b.complain("policy: " + e.Entry.Text)
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError {
				var text []string
				for _, arg := range e.Args {
					text = append(text, string(arg.Value))
				}
				b.complain("console: " + strings.Join(text, " "))
			}
		}
	})
}

func (b *browser) complain(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, what)
}

// clean fails the test if the browser complained of anything (T096: not one policy violation in the whole run).
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		b.t.Errorf("the browser complained: %s", problem)
	}
}

// do runs steps, each journey step under its own patience.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for i, step := range steps {
		if err := chromedp.Do(ctx, step); err != nil {
			b.shot("failure")
			b.t.Fatalf("step %d at %s: %v\n%s", i+1, b.where(), err, b.visible())
		}
	}
}

func (b *browser) open(url string)       { b.t.Helper(); b.do(chromedp.Navigate(url)) }
func (b *browser) click(selector string) { b.t.Helper(); b.do(chromedp.Click(chromedp.CSS(selector))) }

// tap is click on a page of a platform, which is not ours to judge: at the element and not at a place on the screen, since
// a place may move on a busy machine between the look at it and the click.
func (b *browser) tap(selector string) {
	b.t.Helper()
	b.see(selector)
	mustEvaluate[bool](b, `(document.querySelector(`+strconv.Quote(selector)+`).click(), true)`)
}

func (b *browser) see(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}
func (b *browser) gone(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitNotPresent(chromedp.CSS(selector)))
}
func (b *browser) typeInto(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// says waits until the page's visible text holds the words.
func (b *browser) says(words string) {
	b.t.Helper()
	b.until("the page says "+strconv.Quote(words), `document.body && document.body.innerText.includes(`+strconv.Quote(words)+`)`)
}

// until polls an expression in the page; every journey waits like this and never sleeps.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, err := evaluate[bool](b, expression)
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			b.shot("failure")
			b.t.Fatalf("waited for: %s; at %s (last error %v)\n%s", what, b.where(), err, b.visible())
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-b.ctx.Done():
			b.t.Fatal(b.ctx.Err())
		}
	}
}

// at waits until the address starts with prefix.
func (b *browser) at(prefix string) {
	b.t.Helper()
	b.until("the address starts with "+prefix, `location.href.startsWith(`+strconv.Quote(prefix)+`)`)
}

func (b *browser) where() string {
	address, err := evaluate[string](b, `location.href`)
	if err != nil {
		return "an unknown address"
	}
	return address
}

func (b *browser) visible() string {
	text, err := evaluate[string](b, `document.body ? document.body.innerText.slice(0, 3000) : ""`)
	if err != nil {
		return err.Error()
	}
	return text
}

func evaluate[T any](b *browser, expression string, options ...chromedp.EvaluateOption) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if errors.Is(err, context.Canceled) && b.ctx.Err() == nil {
		err = context.DeadlineExceeded
	}
	return value, err
}

func mustEvaluate[T any](b *browser, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	value, err := evaluate[T](b, expression, options...)
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}
