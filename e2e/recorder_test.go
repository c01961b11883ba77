package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
)

// TestTheRecorderTellsWithdrawnFromMissed: an answer that is dropped while the recorder holds it was missed if the page is
// still there to have received it, and was received by nobody if the page gave it up or has left.
func TestTheRecorderTellsWithdrawnFromMissed(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "no-store") // a page that has left is gone, with all that it asked for
		fmt.Fprint(w, "<p>", r.URL.Path)
	}))
	t.Cleanup(site.Close)
	for _, c := range []struct {
		name   string
		drop   func(t *testing.T, b *browser, paused fetch.EventRequestPaused)
		doubts int // at least: a page that has left may linger, and its request with it
		missed bool
	}{
		{"the page leaves", func(t *testing.T, b *browser, _ fetch.EventRequestPaused) { b.open("about:blank") }, 0, false},
		{"the page gives it up", func(t *testing.T, b *browser, _ fetch.EventRequestPaused) {
			mustEvaluate[bool](b, `(stop.abort(), true)`)
		}, 1, false},
		{"the answer goes on unread", func(t *testing.T, b *browser, paused fetch.EventRequestPaused) {
			if _, err := chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: paused.RequestID}); err != nil {
				t.Error(err)
			}
		}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBrowser(t)
			recorded := b.record(site.URL)
			recorded.before = func(paused fetch.EventRequestPaused) {
				if strings.HasSuffix(paused.Request.URL, "/late") {
					c.drop(t, b, paused)
					eventually(t, "the browser knows it no more", func() bool {
						if c.doubts == 0 {
							return true
						}
						ctx, cancel := context.WithTimeout(b.ctx, patience)
						defer cancel()
						_, err := chromedp.Call(ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: paused.RequestID})
						return err != nil
					})
				}
			}
			b.open(site.URL + "/page")
			mustEvaluate[bool](b, `(window.stop = new AbortController(), fetch("/late", {signal: stop.signal}).catch(() => 0), true)`)
			eventually(t, "the recorder is done with it: reading it and letting it go on may both be refused", func() bool {
				answers, _ := recorded.all()
				recorded.mu.Lock()
				defer recorded.mu.Unlock()
				return slices.ContainsFunc(answers, func(a received) bool { return a.url == site.URL+"/late" }) && len(recorded.doubts) >= c.doubts
			})
			recorded.end()
			if _, missed := recorded.all(); (len(missed) > 0) != c.missed {
				t.Errorf("missed %v", missed)
			}
		})
	}
}
