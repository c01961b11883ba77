package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shot keeps a picture of the page in the folder that LOCUM_SHOTS names, for the eyes of whoever changes a page; without
// that variable it does nothing. Nothing is compared: a picture is for looking at.
func (b *browser) shot(name string) {
	dir := os.Getenv("LOCUM_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
		return
	}
	file := filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "_")+"-"+name+".png")
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
	}
}

// wholeShot is shot of the whole length of a page: wide, as on a phone, and there in the dark.
func (b *browser) wholeShot(name string) {
	if os.Getenv("LOCUM_SHOTS") == "" {
		return
	}
	height := mustEvaluate[int64](b, `Math.min(4000, document.documentElement.scrollHeight)`)
	b.do(chromedp.EmulateViewport(1180, height))
	b.shot(name)
	b.do(chromedp.EmulateViewport(390, height))
	b.shot(name + "-phone")
	dark := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: "dark"}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{dark}}); err != nil {
		b.t.Logf("no dark picture of %s: %v", name, err)
	}
	b.shot(name + "-phone-dark")
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{}); err != nil {
		b.t.Logf("light again after %s: %v", name, err)
	}
	b.do(chromedp.EmulateViewport(1180, 860))
}
