package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

// Style is how a platform wants apps to look inside it: safe values of CSS custom properties, by the names of SMART App
// Launch 2.2.
type Style struct{ Values map[string]string }

// Bounds of styles.
const (
	maxStyle    = 64 << 10
	maxStyles   = 64
	maxStyleURL = 2 << 10
	styleFor    = 5 * time.Second
	styleKept   = 24 * time.Hour // a style that changes gets another URL (SMART App Launch 2.2, smart_style_url)
	styleRetry  = time.Minute    // after a failure
)

// styles keeps what was read, by URL.
type styles struct {
	mu     sync.Mutex
	of     map[string]*styled
	asking sync.WaitGroup
}

// styled is one style; what it is may be read once done is closed.
type styled struct {
	done  chan struct{}
	at    time.Time
	style Style
	err   error
}

func (s *styled) stale(now time.Time) bool {
	select {
	case <-s.done:
	default:
		return false
	}
	return s.err != nil && now.Sub(s.at) > styleRetry || now.Sub(s.at) > styleKept
}

// Style is how the platform behind a connection wants the page to look; none where its launch named no style, or one that
// lies where Locum does not look: on no host of the platform's configuration. It is fetched without a token. Errors:
// *tokens.Error, *Error.
func (p *Proxy) Style(ctx context.Context, practitioner, connection string) (Style, error) {
	if !p.enter() {
		return Style{}, &Error{Code: codeUnavailable}
	}
	defer p.calls.Done()
	view, err := p.tokens.Get(practitioner, connection)
	if err != nil {
		return Style{}, err
	}
	live, err := p.platforms.Get(view.Platform)
	if err != nil {
		return Style{}, err
	}
	at, ok := styleAt(live, view.Clinic, view.Launch.StyleURL)
	if !ok {
		return Style{Values: map[string]string{}}, nil
	}
	s := p.styles.find(at.String(), func(s *styled) { p.readStyle(live, at, s) })
	select {
	case <-s.done:
		return s.style, s.err
	case <-ctx.Done():
		return Style{}, &Error{Code: codeUnavailable, Err: ctx.Err()}
	}
}

// find gives the style of a URL, and begins to read it where nobody has. read fills it in.
func (all *styles) find(at string, read func(*styled)) *styled {
	all.mu.Lock()
	defer all.mu.Unlock()
	now := time.Now()
	if s := all.of[at]; s != nil && !s.stale(now) {
		return s
	}
	if all.of == nil || len(all.of) >= maxStyles {
		all.of = map[string]*styled{} // whoever waits keeps what they wait for
	}
	s := &styled{done: make(chan struct{}), at: now}
	all.of[at] = s
	all.asking.Go(func() {
		defer close(s.done)
		read(s)
	})
	return s
}

// styleAt reads the URL of a style: on a host that the operator has configured for this platform, directly or by pinning its
// metadata, and at no address that a header or a browser could change. The scheme is the host's.
func styleAt(live *platform.Live, address, raw string) (*url.URL, bool) {
	if raw == "" || len(raw) > maxStyleURL || live.Kind == platform.KindJane {
		return nil, false
	}
	at, err := url.Parse(raw)
	if err != nil || at.User != nil || at.Fragment != "" || at.Host == "" || !isVisible(raw) {
		return nil, false
	}
	origin := canonicalOrigin(at.Scheme, at.Host)
	server := live.OAuth.Server()
	for _, known := range []string{live.FHIRBase, address, server.Issuer, server.Authorization, server.Token} {
		if u, err := url.Parse(known); err == nil && u.Host != "" && canonicalOrigin(u.Scheme, u.Host) == origin {
			return at, true
		}
	}
	return nil, false
}

// isVisible says whether a URL can stand in a request line as it is: visible ASCII.
func isVisible(raw string) bool {
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] >= 0x7f || raw[i] == '\\' {
			return false
		}
	}
	return true
}

// readStyle asks for a style once, by the platform's guarded dialler, without a token, a cookie or a redirect.
func (p *Proxy) readStyle(live *platform.Live, at *url.URL, s *styled) {
	lines := linesTo(live, at)
	defer lines.close()
	lines.timeout, lines.maxBody = styleFor, maxStyle
	req, out := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(out)
	req.Header.SetRequestURI(at.RequestURI())
	req.Header.SetHost(at.Host)
	req.Header.SetMethod(fasthttp.MethodGet)
	req.Header.Set(fasthttp.HeaderAccept, contentJSON)
	req.Header.Set(fasthttp.HeaderAcceptEncoding, "identity")
	req.Header.SetUserAgent(userAgent)
	code := codeUnavailable
	err := lines.send(context.Background(), req, out)
	if err == nil {
		code = codeBadAnswer
		s.style, err = styleIn(out)
	} else if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		code = codeBadAnswer
	}
	if err != nil {
		p.log.Warn("the platform's style cannot be read", "platform", live.ID, "host", at.Host, "error", err)
		s.err = &Error{Code: code, Err: err}
	}
}

// styleIn reads an answer that holds a style. One that is not there is none.
func styleIn(out *fasthttp.Response) (Style, error) {
	status := out.StatusCode()
	if status == fasthttp.StatusNotFound {
		return Style{Values: map[string]string{}}, nil
	}
	if status != fasthttp.StatusOK || len(out.Header.ContentEncoding()) > 0 {
		return Style{}, fmt.Errorf("status %d", status)
	}
	var members map[string]any
	if body := out.Body(); !utf8.Valid(body) || json.Unmarshal(body, &members) != nil {
		return Style{}, errNotJSON
	}
	return Style{Values: safeStyle(members)}, nil
}
