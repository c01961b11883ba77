package e2e_test

import (
	"context"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"locum/shared"
)

// received is one answer as the browser got it: headers and body, before any script saw it.
type received struct {
	url, method string
	status      int64
	headers     string
	body        []byte
}

// recorder holds every answer that one origin sent to a tab. It pauses each answer until it has its bytes, so that no
// navigation can throw a body away before it is read.
type recorder struct {
	mu      sync.Mutex
	answers []received
	missed  []string
	done    sync.WaitGroup
	stop    context.CancelFunc
}

// record begins to record what origin sends to the tab, and goes on until the test ends.
func (b *browser) record(origin string) *recorder {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	r := &recorder{stop: cancel}
	events := chromedp.Events(ctx, fetch.RequestPaused)
	pattern := &fetch.RequestPattern{URLPattern: origin + "/*", RequestStage: fetch.RequestStageResponse}
	if _, err := chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{pattern}}); err != nil {
		b.t.Fatalf("record: %v", err)
	}
	r.done.Go(func() {
		for event, err := range events {
			if err != nil {
				return
			}
			r.take(ctx, event)
		}
	})
	b.t.Cleanup(r.end)
	b.hear(ctx, r)
	return r
}

// hear records what streams of events say, each event as an answer of its own.
func (b *browser) hear(ctx context.Context, r *recorder) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		b.t.Fatalf("record: %v", err)
	}
	err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*network.EventEventSourceMessageReceived); ok {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.answers = append(r.answers, received{url: "event: " + e.EventName, headers: e.EventID, body: []byte(e.Data)})
		}
	})
	if err != nil {
		b.t.Fatalf("record: %v", err)
	}
}

// end stops recording and waits for the last answer.
func (r *recorder) end() {
	r.stop()
	r.done.Wait()
}

func (r *recorder) take(ctx context.Context, event fetch.EventRequestPaused) {
	answer := received{url: event.Request.URL, method: event.Request.Method, status: event.ResponseStatusCode}
	for _, header := range event.ResponseHeaders {
		answer.headers += header.Name + ": " + header.Value + "\n"
	}
	redirect := event.ResponseStatusCode >= 300 && event.ResponseStatusCode < 400
	stream := strings.HasSuffix(answer.url, shared.PathEvents) // it has no end to wait for: see hear
	if !redirect && !stream && event.ResponseErrorReason == "" {
		body, err := chromedp.Call(ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: event.RequestID})
		if err != nil {
			r.miss(ctx, answer.url, err)
		}
		answer.body = body.Body
	}
	r.mu.Lock()
	r.answers = append(r.answers, answer)
	r.mu.Unlock()
	_, err := chromedp.Call(ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
	if err != nil && !stream { // a page that left meanwhile has given its stream up
		r.miss(ctx, answer.url, err)
	}
}

// miss notes an answer that could not be read; one that was still under way when the recording ended is no loss.
func (r *recorder) miss(ctx context.Context, url string, err error) {
	if ctx.Err() != nil {
		return
	}
	what := url + ": " + err.Error()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed = append(r.missed, what)
}

// all answers what was recorded so far, and what could not be read.
func (r *recorder) all() ([]received, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.answers...), append([]string(nil), r.missed...)
}

// storage is everything the page can keep: cookies that scripts see, web storage, databases, caches, window.name and
// the history entry's state, as one text.
func (b *browser) storage() string {
	b.t.Helper()
	return mustEvaluate[string](b, `(async () => JSON.stringify({
		cookie: document.cookie, local: {...localStorage}, session: {...sessionStorage},
		databases: await indexedDB.databases(), caches: await caches.keys(),
		name: window.name, state: history.state, html: document.documentElement.outerHTML,
		workers: (await navigator.serviceWorker.getRegistrations()).length,
		entries: performance.getEntries().map(e => e.name), referrer: document.referrer, location: location.href,
	}))()`, chromedp.EvalAwaitPromise)
}

// wasmMemory searches the linear memory of the app for texts and answers those it found, and how many bytes it read.
func (b *browser) wasmMemory(texts []string) (found []string, size int) {
	b.t.Helper()
	prototype := mustEvaluate[*runtime.RemoteObject](b, `WebAssembly.Memory.prototype`)
	objects, err := chromedp.Call(b.ctx, runtime.QueryObjects, runtime.QueryObjectsParams{PrototypeObjectID: prototype.ObjectID})
	if err != nil {
		b.t.Fatalf("find the app's memory: %v", err)
	}
	type answer struct {
		Found []string `json:"found"`
		Size  int      `json:"size"`
	}
	const search = `function(texts) {
		let size = 0; const found = [];
		for (const memory of this) {
			const text = new TextDecoder("latin1").decode(new Uint8Array(memory.buffer)); size += text.length;
			for (const one of texts) if (text.includes(one) && !found.includes(one)) found.push(one);
		}
		return {found, size};
	}`
	result, err := chromedp.Run(b.ctx, chromedp.CallFunctionOn[answer](search, func(p *runtime.CallFunctionOnParams) {
		p.ObjectID = objects.Objects.ObjectID
	}, texts))
	if err != nil {
		b.t.Fatalf("read the app's memory: %v", err)
	}
	return result.Found, result.Size
}

// cookieJar asks the browser itself, so HttpOnly hides nothing.
func (b *browser) cookieJar() []*network.Cookie {
	b.t.Helper()
	jar, err := chromedp.CallBrowser(b.ctx, storage.GetCookies, storage.GetCookiesParams{})
	if err != nil {
		b.t.Fatalf("read the cookies: %v", err)
	}
	return jar.Cookies
}
