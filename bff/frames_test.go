package bff_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/shared"
)

// frame is a page of Locum inside an EHR's: the values of its two cookies, and of the window that it opens.
type frame struct {
	*ehrBench
	session, flow, window string
}

func (f *frame) cookie() [2]string {
	var list []string
	for name, value := range map[string]string{"frame": f.session, "frame-flow": f.flow} {
		if value != "" {
			list = append(list, f.name(name)+"="+value)
		}
	}
	return [2]string{"Cookie", strings.Join(list, "; ")}
}

func (f *frame) change(path string, body any) answer {
	f.t.Helper()
	encoded, err := json.Marshal(body)
	must(f.t, err)
	return f.do(request{"POST", path, [][2]string{f.cookie(), {"Origin", f.origin}, {"Sec-Fetch-Site", "same-origin"},
		{shared.HeaderClient, shared.ClientApp}, {"Content-Type", "application/json"}}, string(encoded)})
}

func (f *frame) read(path string, more ...[2]string) answer {
	f.t.Helper()
	return f.get(path, append([][2]string{f.cookie(), {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Dest", "empty"}}, more...)...)
}

// opened is the EHR's call into its frame; the frame keeps the cookie.
func (f *frame) opened(l sandbox.Launch) string {
	f.t.Helper()
	l.App = "locum"
	address, err := f.athena.Launch(l)
	must(f.t, err)
	at, err := url.Parse(address)
	must(f.t, err)
	header := navigated("iframe")
	if f.flow != "" {
		header = append(header, f.cookie())
	}
	a := f.get(at.RequestURI(), header...)
	handle, ours := strings.CutPrefix(a.header.Get("Location"), "/launch/")
	if a.status != http.StatusSeeOther || !ours || a.setCookie(f.name("flow")) != "" {
		f.t.Fatalf("launch into a frame: %d %v", a.status, a.header)
	}
	f.flow = a.cookie(f.name("frame-flow"))
	want := f.name("frame-flow") + "=" + f.flow + "; max-age=1800; path=/; HttpOnly; secure; SameSite=None; Partitioned"
	if line := a.setCookie(f.name("frame-flow")); !strings.EqualFold(line, want) { // launch, attempt and outcome: ten minutes each
		f.t.Errorf("the frame's flow cookie is %q, want %q", line, want)
	}
	return handle
}

// popup are the headers of a window that a page of ours has opened.
func popup(more ...[2]string) [][2]string {
	return append([][2]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}}, more...)
}

// agreed is the click in the frame: the address of the ticket.
func (f *frame) agreed(handle, state string) string {
	f.t.Helper()
	begun := decoded[shared.ConnectAnswer](f.t, f.change(shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: state}))
	if begun.AuthorizationURL != "" || !strings.HasPrefix(begun.TicketURL, shared.PathTicket+"/") {
		f.t.Fatalf("the frame is told %+v", begun)
	}
	return begun.TicketURL
}

// through takes the window to the platform and back.
func (f *frame) through(ticket, login string) answer {
	f.t.Helper()
	var had [][2]string
	if f.window != "" {
		had = append(had, [2]string{"Cookie", f.name("flow") + "=" + f.window})
	}
	a := f.get(ticket, popup(had...)...)
	if a.status != http.StatusSeeOther || len(a.body) != 0 {
		f.t.Fatalf("ticket: %d %s", a.status, a.body)
	}
	f.window = a.cookie(f.name("flow"))
	back, err := f.athena.Approve(a.header.Get("Location"), sandbox.Choice{Login: login})
	must(f.t, err)
	return browser{bench: f.bench, flow: f.window}.callback(back)
}

func (f *frame) outcome(state, signIn string) (shared.Outcome, answer) {
	f.t.Helper()
	a := f.change(shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: signIn})
	return decoded[shared.Outcome](f.t, a), a
}

// TestEmbeddedLaunch is the whole way in a frame, over TLS in front: cookies of its own, consent in a window, the outcome
// asked for by the frame.
func TestEmbeddedLaunch(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			b := openEHR(t, ehrOptions{embedded: true, change: func(cfg *config.Config, _ *bff.Options) { cfg.PublicURL.Scheme = scheme }})
			b.linked(loginOne, "athena", "robin@example.test")
			f := &frame{ehrBench: b}
			handle := f.opened(sandbox.Launch{})
			if info := decoded[shared.LaunchInfo](t, f.read(shared.PathLaunch+"/"+handle)); !info.Framed {
				t.Errorf("the page is told %+v", info)
			}
			state := clientState()
			ticket := f.agreed(handle, state)
			if o, _ := f.outcome(state, ""); o.Code != shared.OutcomePending || !o.Framed {
				t.Errorf("before the window opened: %+v", o)
			}
			if a := f.through(ticket, ""); a.status != http.StatusSeeOther || a.header.Get("Location") != "/connect/done" {
				t.Errorf("the window ends at %d %q", a.status, a.header.Get("Location"))
			}
			ready, a := f.outcome(state, "")
			if ready.Code != shared.OutcomeSignInReady || a.setCookie(f.name("frame")) != "" {
				t.Fatalf("%+v", ready)
			}
			done, a := f.outcome(state, ready.SignsIn.ID)
			line := a.setCookie(f.name("frame"))
			f.session = a.cookie(f.name("frame"))
			want := f.name("frame") + "=" + f.session + "; path=/; HttpOnly; secure; SameSite=None; Partitioned"
			if done.Code != shared.OutcomeConnected || !strings.EqualFold(line, want) || a.setCookie(f.name("session")) != "" {
				t.Errorf("%+v, cookie %q, want %q", done, line, want)
			}
			who := decoded[shared.Session](t, f.read(shared.PathSession))
			if who.Frame == nil || len(who.Frame.Ancestors) != 2 || who.Frame.Ancestors[0] != b.athena.EHROrigin() {
				t.Errorf("the app is told %+v", who.Frame)
			}
			begun := decoded[shared.ConnectAnswer](t, f.change(shared.PathConnect, shared.ConnectRequest{Platform: "athena",
				Clinic: sandbox.Practice, ClientState: clientState(), Context: shared.Context{Page: "home"}}))
			if begun.TicketURL == "" || begun.AuthorizationURL != "" {
				t.Errorf("connecting in a frame: %+v", begun)
			}
			out := b.form(shared.PathSignOut, [][2]string{f.cookie(), {"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Site", "same-origin"}}, nil)
			if !strings.Contains(strings.ToLower(out.setCookie(f.name("frame"))), "expires=") || f.read(shared.PathSession).status != http.StatusUnauthorized {
				t.Errorf("signing out: %v", out.header)
			}
		})
	}
}

// TestT087FrameCookies: a frame's session is believed beside Sec-Fetch-Site: same-origin alone, in its own cookie alone, and
// not beside a page's; nowhere without the configuration.
func TestT087FrameCookies(t *testing.T) {
	b := openEHR(t, ehrOptions{embedded: true})
	in := b.form(shared.PathSignIn, [][2]string{{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Site", "same-origin"}},
		url.Values{"login": {loginOne}, "password": {password}})
	value := in.cookie(b.name("frame"))
	if in.status != http.StatusSeeOther || len(value) != 43 || in.setCookie(b.name("session")) != "" {
		t.Fatalf("signing in inside a frame: %d %v", in.status, in.header)
	}
	top := b.signIn(loginTwo).session
	frameCookie, topCookie := b.name("frame")+"="+value, b.name("session")+"="+top
	same := [2]string{"Sec-Fetch-Site", "same-origin"}
	for name, c := range map[string]struct {
		cookie string
		header [][2]string
		status int
	}{
		"alone":                   {frameCookie, [][2]string{same}, http.StatusOK},
		"no Sec-Fetch-Site":       {frameCookie, nil, http.StatusUnauthorized},
		"Origin alone":            {frameCookie, [][2]string{{"Origin", b.origin}}, http.StatusUnauthorized},
		"cross-site":              {frameCookie, [][2]string{{"Sec-Fetch-Site", "cross-site"}}, http.StatusForbidden},
		"same-site":               {frameCookie, [][2]string{{"Sec-Fetch-Site", "same-site"}}, http.StatusForbidden},
		"both":                    {frameCookie + "; " + topCookie, [][2]string{same}, http.StatusUnauthorized},
		"both, the other way":     {topCookie + "; " + frameCookie, [][2]string{same}, http.StatusUnauthorized},
		"beside an empty one":     {frameCookie + "; " + b.name("session") + "=", [][2]string{same}, http.StatusUnauthorized},
		"a page's beside junk":    {topCookie + "; " + b.name("frame") + "=x", [][2]string{same}, http.StatusUnauthorized},
		"twice":                   {frameCookie + "; " + frameCookie, [][2]string{same}, http.StatusUnauthorized},
		"as the page's":           {b.name("session") + "=" + value, [][2]string{same}, http.StatusUnauthorized},
		"the page's as a frame's": {b.name("frame") + "=" + top, [][2]string{same}, http.StatusUnauthorized},
		"the page's":              {topCookie, [][2]string{same}, http.StatusOK},
		"the page's, old browser": {topCookie, nil, http.StatusOK},
	} {
		if a := b.get(shared.PathSession, append(c.header, [2]string{"Cookie", c.cookie})...); a.status != c.status {
			t.Errorf("%s: %d, want %d", name, a.status, c.status)
		}
	}
	again := b.form(shared.PathSignIn, [][2]string{same, {"Cookie", frameCookie + "; " + topCookie}}, url.Values{"login": {loginOne}, "password": {password}})
	if line := strings.ToLower(again.setCookie(b.name("frame"))); !strings.Contains(line, "expires=") || again.cookie(b.name("session")) == "" {
		t.Errorf("signing in with both leaves both: %v", again.header.Values("Set-Cookie"))
	}
	for name, cookie := range map[string]string{"frame": frameCookie, "page": topCookie} {
		if a := b.get(shared.PathSession, same, [2]string{"Cookie", cookie}); a.status != http.StatusUnauthorized {
			t.Errorf("the %s's session lives on: %d", name, a.status)
		}
	}

	plain := open(t, nil)
	in = plain.form(shared.PathSignIn, [][2]string{{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Site", "same-origin"}},
		url.Values{"login": {loginOne}, "password": {password}})
	if in.setCookie("locum-dev-session") == "" || strings.Contains(strings.Join(in.header.Values("Set-Cookie"), ""), "frame") {
		t.Errorf("not embedded, and a frame's cookie: %v", in.header)
	}
	if a := plain.get(shared.PathSession, same, [2]string{"Cookie", "locum-dev-frame=" + in.cookie("locum-dev-session")}); a.status != http.StatusUnauthorized {
		t.Errorf("not embedded, and the frame's cookie is read: %d", a.status)
	}
}

// TestT090FramesNeedTheSameProof: what the EHR's page, or another frame in it, sends with the frame's cookies changes nothing.
func TestT090FramesNeedTheSameProof(t *testing.T) {
	b := openEHR(t, ehrOptions{embedded: true})
	in := b.form(shared.PathSignIn, [][2]string{{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Site", "same-origin"}},
		url.Values{"login": {loginOne}, "password": {password}})
	cookie := [2]string{"Cookie", b.name("frame") + "=" + in.cookie(b.name("frame"))}
	client, media := [2]string{shared.HeaderClient, shared.ClientApp}, [2]string{"Content-Type", "application/json"}
	ehr := b.athena.EHROrigin()
	for name, header := range map[string][][2]string{
		"the EHR's":           {client, media, {"Origin", ehr}, {"Sec-Fetch-Site", "cross-site"}},
		"the EHR's, no site":  {client, media, {"Origin", ehr}},
		"a form of the EHR's": {{"Content-Type", "application/x-www-form-urlencoded"}, {"Origin", ehr}, {"Sec-Fetch-Site", "cross-site"}},
		"no header":           {media, {"Origin", b.origin}, {"Sec-Fetch-Site", "same-origin"}},
		"sandboxed":           {client, media, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}},
	} {
		for _, r := range changing(b.bench, "x") {
			r.header = append([][2]string{cookie}, header...)
			if a := b.do(r); a.status != http.StatusForbidden {
				t.Errorf("%s: %s %s: %d", name, r.method, r.path, a.status)
			}
		}
	}
	oldBrowser := [][2]string{cookie, client, media, {"Origin", b.origin}} // passes for a page's session, not for a frame's
	if a := b.do(request{"POST", shared.PathActivity, oldBrowser, "{}"}); a.status != http.StatusUnauthorized {
		t.Errorf("a browser that does not say where a request comes from: %d", a.status)
	}
}

// TestTicketsAreForOurOwnWindows: one use, a minute, and only where a page of ours opened the window. A link that somebody
// was sent would have them give an attacker access in their own name.
func TestTicketsAreForOurOwnWindows(t *testing.T) {
	b := openEHR(t, ehrOptions{embedded: true})
	f := &frame{ehrBench: b}
	state := clientState()
	ticket := f.agreed(f.opened(sandbox.Launch{}), state)
	site, mode, dest := [2]string{"Sec-Fetch-Site", "same-origin"}, [2]string{"Sec-Fetch-Mode", "navigate"}, [2]string{"Sec-Fetch-Dest", "document"}
	for name, header := range map[string][][2]string{
		"a link elsewhere": {{"Sec-Fetch-Site", "cross-site"}, mode, dest}, "typed": {{"Sec-Fetch-Site", "none"}, mode, dest},
		"a neighbour": {{"Sec-Fetch-Site", "same-site"}, mode, dest}, "old browser": nil, "no site": {mode, dest},
		"a frame": {site, mode, {"Sec-Fetch-Dest", "iframe"}}, "script": {site, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}},
		"an image": {site, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Dest", "image"}},
	} {
		if a := b.get(ticket, header...); a.status != http.StatusForbidden || len(a.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
	}
	if a := b.get(ticket, popup([2]string{"Sec-Purpose", "prefetch"})...); a.status != http.StatusServiceUnavailable {
		t.Errorf("prefetch: %d", a.status)
	}
	for _, method := range []string{"HEAD", "POST"} {
		if a := b.do(request{method, ticket, popup(), ""}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	for _, unknown := range []string{clientState(), "x", strings.TrimPrefix(ticket, shared.PathTicket+"/")[:42]} {
		if a := b.get(shared.PathTicket+"/"+unknown, popup()...); a.status != http.StatusBadRequest || a.setCookie(b.name("flow")) != "" {
			t.Errorf("unknown: %d", a.status)
		}
	}
	a := b.get(ticket, popup()...)
	line := a.setCookie(b.name("flow"))
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), b.athena.Endpoints().Authorize+"?") ||
		!strings.Contains(line, "SameSite=Lax") || strings.Contains(line, "Partitioned") || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := b.get(ticket, popup()...); a.status != http.StatusBadRequest {
		t.Errorf("a second time: %d", a.status)
	}
	back, err := b.athena.Approve(a.header.Get("Location"), sandbox.Choice{})
	must(t, err)
	browser{bench: b.bench, flow: f.flow}.callback(back) // the frame's own value is not the window's
	if o, _ := f.outcome(state, ""); o.Code != shared.OutcomeOtherBrowser {
		t.Errorf("with the frame's value: %+v", o)
	}
}

// TestWindowsLeaveOtherTabsAlone: a ticket does not take the flow cookie from an authorization that a tab of the same browser
// has begun.
func TestWindowsLeaveOtherTabsAlone(t *testing.T) {
	b := openEHR(t, ehrOptions{embedded: true})
	tab := b.signIn(loginTwo)
	state := clientState()
	to := tab.begin("jane", b.sandbox.Clinics()[0].URL, state)
	f := &frame{ehrBench: b, window: tab.flow}
	framed := clientState()
	if a := f.through(f.agreed(f.opened(sandbox.Launch{}), framed), ""); a.header.Get("Location") != "/connect/done" {
		t.Errorf("the window ends at %d %q", a.status, a.header.Get("Location"))
	}
	if f.window != tab.flow {
		t.Error("the tab's cookie was replaced")
	}
	if o, _ := f.outcome(framed, ""); o.Code != shared.OutcomeLinkNeeded {
		t.Errorf("the frame: %+v", o)
	}
	back, err := b.sandbox.Approve(to, "robin@example.test", false)
	must(t, err)
	tab.callback(back)
	if o := tab.outcome(state); o.Code != shared.OutcomeConnected {
		t.Errorf("the tab: %+v", o)
	}
}

// TestT096FrameAncestors: pages name exactly the configured origins, whatever is asked and whoever asks; nothing else may be
// framed at all.
func TestT096FrameAncestors(t *testing.T) {
	b := openEHR(t, ehrOptions{embedded: true})
	ancestors := "frame-ancestors " + b.athena.EHROrigin() + " " + b.smart.EHROrigin() + ";"
	framed := map[string]bool{"page": true, "page unchanged": true, "page HEAD": true, "sign-in page": true, "sign-in failed": true,
		"not found, person": true, "callback refused": true}
	for name, a := range every(b.bench, b.signIn(loginOne)) {
		csp, corp := a.header.Get("Content-Security-Policy")+";", a.header.Get("Cross-Origin-Resource-Policy")
		want, kind := "frame-ancestors 'none';", "same-origin"
		if framed[name] {
			want, kind = ancestors, "cross-origin"
		}
		if strings.Count(csp, "frame-ancestors") != 1 || !strings.Contains(csp, want) || corp != kind || a.header.Get("X-Frame-Options") != "" {
			t.Errorf("%s: %s, %s", name, csp, corp)
		}
	}
	for _, dest := range []string{"iframe", "document", "frame", ""} {
		a := b.get("/", [2]string{"Sec-Fetch-Dest", dest}, [2]string{"Sec-Fetch-Site", "cross-site"})
		if !strings.Contains(a.header.Get("Content-Security-Policy"), ancestors) {
			t.Errorf("into %q: %s", dest, a.header.Get("Content-Security-Policy"))
		}
	}
}
