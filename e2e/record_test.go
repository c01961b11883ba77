package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
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
	ended   sync.Once
	before  func(fetch.EventRequestPaused) // for the recorder's own tests: called before an answer is read; nil: nothing

	// What the browser says of requests whose page left while their answer was paused.
	doubts    []doubt
	asked     []*network.EventRequestWillBeSent
	shown     map[cdp.FrameID]cdp.LoaderID // the document that each frame shows now
	finished  map[network.RequestID]bool
	withdrawn map[network.RequestID]bool // given up by the page (Network.loadingFailed, canceled)
}

// doubt is a paused answer that the browser no longer knew: it was withdrawn, or the recorder has missed it. The event of an
// abandoned request may come without its id, so the request is told by its frame and address.
type doubt struct {
	request network.RequestID // "" where it is not known
	frame   cdp.FrameID
	url     string
	err     error
}

// record begins to record what origin sends to the tab, and goes on until the test ends.
func (b *browser) record(origin string) *recorder {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	r := &recorder{stop: cancel, shown: map[cdp.FrameID]cdp.LoaderID{}, finished: map[network.RequestID]bool{}, withdrawn: map[network.RequestID]bool{}}
	b.hear(ctx, r)
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
	return r
}

// hear records what streams of events say, each event as an answer of its own, and which requests pages gave up.
func (b *browser) hear(ctx context.Context, r *recorder) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		b.t.Fatalf("record: %v", err)
	}
	err := chromedp.Listen(ctx, func(event any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch e := event.(type) {
		case *network.EventEventSourceMessageReceived:
			r.answers = append(r.answers, received{url: "event: " + e.EventName, headers: e.EventID, body: []byte(e.Data)})
		case *network.EventRequestWillBeSent:
			r.asked = append(r.asked, e)
		case *network.EventLoadingFailed:
			if e.Canceled {
				r.withdrawn[e.RequestID] = true
			}
		case *network.EventLoadingFinished:
			r.finished[e.RequestID] = true
		case *page.EventFrameNavigated:
			r.shown[e.Frame.ID] = e.Frame.LoaderID
		}
	})
	if err != nil {
		b.t.Fatalf("record: %v", err)
	}
}

// end stops recording and waits for the last answer, and before for what the browser has to say of answers in doubt.
func (r *recorder) end() {
	r.ended.Do(func() {
		for deadline := time.Now().Add(2 * time.Second); r.doubtful() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		r.stop()
	})
	r.done.Wait()
}

func (r *recorder) take(ctx context.Context, event fetch.EventRequestPaused) {
	answer := received{url: event.Request.URL, method: event.Request.Method, status: event.ResponseStatusCode}
	for _, header := range event.ResponseHeaders {
		answer.headers += header.Name + ": " + header.Value + "\n"
	}
	if r.before != nil {
		r.before(event)
	}
	redirect := event.ResponseStatusCode >= 300 && event.ResponseStatusCode < 400
	stream := strings.HasSuffix(answer.url, shared.PathEvents) // it has no end to wait for: see hear
	if !redirect && !stream && event.ResponseErrorReason == "" {
		body, err := chromedp.Call(ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: event.RequestID})
		if err != nil {
			r.miss(ctx, event, err)
		}
		answer.body = body.Body
	}
	r.mu.Lock()
	r.answers = append(r.answers, answer)
	r.mu.Unlock()
	_, err := chromedp.Call(ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
	if err != nil && !stream { // a page that left meanwhile has given its stream up
		r.miss(ctx, event, err)
	}
}

// unknownInterception is the code of "Invalid InterceptionId" (JSON-RPC 2.0 §5.1, invalid params): the browser has dropped
// the request that was paused.
const unknownInterception = -32602

// miss notes an answer that could not be read; one that was still under way when the recording ended is no loss. One that
// the browser has dropped is in doubt, until the browser says that the page withdrew the request: then nobody received it.
func (r *recorder) miss(ctx context.Context, event fetch.EventRequestPaused, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused *cdproto.Error
	if errors.As(err, &refused) && refused.Code == unknownInterception {
		r.doubts = append(r.doubts, doubt{event.NetworkID, event.FrameID, event.Request.URL, err})
		return
	}
	r.missed = append(r.missed, event.Request.URL+": "+err.Error())
}

// undelivered says whether nobody received a dropped answer: the page gave the request up, or the frame shows another
// document than the one that asked, and the request was never finished.
func (r *recorder) undelivered(d doubt) bool {
	for _, asked := range slices.Backward(r.asked) {
		if d.request != "" && d.request != asked.RequestID || asked.FrameID != d.frame || asked.Request.URL != d.url || r.finished[asked.RequestID] {
			continue
		}
		shown, navigated := r.shown[d.frame]
		return r.withdrawn[asked.RequestID] || navigated && asked.LoaderID != "" && asked.LoaderID != shown
	}
	return false
}

// doubtful says whether there are answers of which the browser has not said what became of them.
func (r *recorder) doubtful() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.doubts, func(d doubt) bool { return !r.undelivered(d) })
}

// all answers what was recorded so far, and what could not be read although a page received it.
func (r *recorder) all() ([]received, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	missed := slices.Clone(r.missed)
	for _, d := range r.doubts {
		if !r.undelivered(d) {
			missed = append(missed, fmt.Sprintf("%s: %v; the request is %q", d.url, d.err, d.request))
		}
	}
	return slices.Clone(r.answers), missed
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
