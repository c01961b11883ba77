package bff_test

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT026ALaunchBeginsNothing: whatever an EHR, or somebody in its name, calls: nobody is asked anything, and what is not
// byte for byte the configured FHIR base leaves nothing behind.
func TestT026ALaunchBeginsNothing(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	evil, asked := listenForNobody(t)
	base, path := b.athena.FHIRBase(), shared.LaunchPath("athena")
	with := func(iss, launch string) string {
		return path + "?" + url.Values{"iss": {iss}, "launch": {launch}}.Encode()
	}
	before := b.vaultSum()
	for _, target := range []string{with(evil, "x"), path, shared.LaunchPath("nowhere")} { // first: what is written down is bounded
		b.get(target, navigated("document")...)
	}
	for name, target := range map[string]string{
		"another server": with(evil, "x"), "a slash more": with(base+"/", "x"), "upper case": with(strings.ToUpper(base), "x"),
		"another path": with(base+"/../r4", "x"), "encoded": with(strings.Replace(base, "fhir", "%66hir", 1), "x"),
		"a query": with(base+"?x", "x"), "user info": with(strings.Replace(base, "://", "://x@", 1), "x"), "empty iss": with("", "x"),
		"the other platform's": with(b.smart.FHIRBase(), "x"), "the issuer": with(b.athena.Issuer(), "x"),
		"no query": path, "no iss": path + "?launch=x", "no launch": path + "?iss=" + url.QueryEscape(base), "empty launch": with(base, ""),
		"iss twice": with(base, "x") + "&iss=" + url.QueryEscape(base), "launch twice": with(base, "x") + "&launch=x",
		"launch long": with(base, strings.Repeat("a", 5000)), "launch control": with(base, "a\r\nb"), "launch space": with(base, "a b"),
		"not encoded": path + "?iss=%zz&launch=x", "semicolon": path + "?iss=" + base + ";launch=x",
		"unknown platform": strings.Replace(with(base, "x"), "/athena/", "/nowhere/", 1), "Jane": strings.Replace(with(base, "x"), "/athena/", "/jane/", 1),
	} {
		a := b.get(target, navigated("document")...)
		if a.status != http.StatusBadRequest || len(a.header.Values("Set-Cookie")) != 0 || !strings.Contains(string(a.body), "error=launch_refused") {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
		if strings.Contains(string(a.body), "aaaaaaaa") || strings.Contains(string(a.body), evil) {
			t.Errorf("%s: the page repeats the call", name)
		}
	}
	if a := b.get(path+"?iss="+url.QueryEscape(base)+"&launch="+strings.Repeat("a", 1<<20), navigated("document")...); a.status < 400 || a.status > 499 {
		t.Errorf("1 MB: %d", a.status)
	}
	for _, header := range [][][2]string{{{"Sec-Purpose", "prefetch"}}, {{"Purpose", "prefetch"}}} {
		if a := b.get(with(base, "x"), header...); a.status != http.StatusServiceUnavailable {
			t.Errorf("%v: %d", header, a.status)
		}
	}
	for _, dest := range []string{"image", "script", "empty", "object", "embed"} {
		if a := b.get(with(base, "x"), [2]string{"Sec-Fetch-Dest", dest}, [2]string{"Sec-Fetch-Mode", "no-cors"}); a.status != http.StatusForbidden {
			t.Errorf("as %s: %d", dest, a.status)
		}
	}
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE"} {
		if a := b.do(request{method, with(base, "x"), nil, ""}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	if b.vaultSum() != before {
		t.Error("something is stored")
	}
	if n := b.sandbox.Count(b.athena.At("")) + b.sandbox.Count(b.smart.At("")); n != 0 || asked.Load() != 0 {
		t.Errorf("%d requests to the platforms, %d to the other server", n, asked.Load())
	}
	a := b.get(with(base, "x"), navigated("document")...)
	if a.status != http.StatusSeeOther || len(a.body) != 0 || a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a good one: %d %v", a.status, a.header)
	}
	if n := b.sandbox.Count(b.athena.At("")); n != 0 {
		t.Errorf("a good one asks the platform %d times", n)
	}
	if b.events("launch_refused", "iss") == 0 || b.events("launch_refused", "query") == 0 {
		t.Error("refused launches are not on record")
	}
	for _, fix := range []string{`reason=iss .*fix="compare iss`, `reason=platform .*fix="compare the launch URL`} {
		if !regexp.MustCompile(fix).MatchString(b.log.String()) {
			t.Errorf("the log does not say what to compare: %s", fix)
		}
	}
}

// listenForNobody is a server that must never be asked.
func listenForNobody(t *testing.T) (origin string, asked *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	asked = &atomic.Int32{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return "http://" + ln.Addr().String() + "/fhir/r4", asked
}

// TestLaunchLinkAndSignIn is the whole way at both platforms: nobody is signed in, the first launch ends in a question, the
// link is made by whoever signed in, and the next launch signs in as whom the page has shown, and as nobody else.
func TestLaunchLinkAndSignIn(t *testing.T) {
	for _, id := range []string{"athena", "smart"} {
		t.Run(id, func(t *testing.T) {
			b := openEHR(t, ehrOptions{})
			face := b.face(id)
			one := browser{bench: b.bench}
			handle := b.launch(&one, id, sandbox.Launch{})
			info := decoded[shared.LaunchInfo](t, one.read(shared.PathLaunch+"/"+handle))
			if info.Platform.ID != id || info.Framed || len(info.Platform.Clinics) != 0 || len(info.Platform.Scopes) == 0 {
				t.Errorf("the page is told %+v", info)
			}
			state := clientState()
			to, err := url.Parse(b.agree(&one, handle, state))
			must(t, err)
			q := to.Query()
			if q.Get("launch") == "" || q.Get("aud") != face.FHIRBase() || q.Has("resource") || !strings.Contains(" "+q.Get("scope")+" ", " launch ") ||
				!strings.Contains(q.Get("scope"), "openid") || strings.Contains(q.Get("scope"), "offline_access") || q.Get("code_challenge_method") != "S256" {
				t.Errorf("the authorization request is %s", to)
			}
			back, err := face.Approve(to.String(), sandbox.Choice{})
			must(t, err)
			if a := one.callback(back); a.status != http.StatusSeeOther || a.setCookie(b.name("session")) != "" {
				t.Fatalf("callback: %d %v", a.status, a.header)
			}
			asked := one.outcome(state)
			if asked.Code != shared.OutcomeLinkNeeded || asked.SignsIn != nil || !strings.HasPrefix(asked.Person, "Practitioner/") || asked.Kind != "ehr" {
				t.Errorf("outcome is %+v", asked)
			}
			if a := one.change("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: state}); a.status != http.StatusUnauthorized {
				t.Errorf("a link without a session: %d %s", a.status, a.body)
			}
			one.session = b.signIn(loginOne).session
			if got := one.outcome(state); got.Code != shared.OutcomeLinkNeeded {
				t.Errorf("signing in changes the question to %s", got.Code)
			}
			done := b.link(one, state)
			if done.Code != shared.OutcomeConnected || done.Kind != "ehr" {
				t.Fatalf("link: %+v", done)
			}
			c := decoded[shared.Connection](t, one.read(shared.PathConnections+"/"+done.Connection))
			if c.Launch == nil || c.Launch.Patient != face.Patients()[0].ID || c.Launch.Kind != "ehr" || c.FHIRUser != asked.Person || c.EndsAt == nil {
				t.Errorf("the connection is %+v, launched for %+v", c, c.Launch)
			}
			signInByLaunch(t, b, id)
			for kind, want := range map[[2]string]int{{"launch_begun", ""}: 2, {"linked", ""}: 1, {"sign_in", "launch"}: 1} {
				if n := b.events(kind[0], kind[1]); n != want {
					t.Errorf("%d records of %s %s, want %d", n, kind[0], kind[1], want)
				}
			}
		})
	}
}

// signInByLaunch is the second launch, in a browser where nobody is signed in.
func signInByLaunch(t *testing.T, b *ehrBench, id string) {
	t.Helper()
	one := browser{bench: b.bench}
	state, ready := b.launched(&one, id, sandbox.Launch{Patient: b.face(id).Patients()[1].ID})
	if ready.Code != shared.OutcomeSignInReady || ready.SignsIn == nil || ready.SignsIn.Login != loginOne || ready.Connection != "" {
		t.Fatalf("outcome is %+v", ready)
	}
	ask := func(as string) answer {
		return one.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: as})
	}
	two, err := b.server.Accounts().ByLogin(loginTwo)
	must(t, err)
	for _, as := range []string{two.ID, "x", loginOne} {
		if a := ask(as); a.status != http.StatusBadRequest || a.setCookie(b.name("session")) != "" {
			t.Errorf("signing in as %q: %d %v", as, a.status, a.header)
		}
	}
	a := ask(ready.SignsIn.ID)
	one.session = a.cookie(b.name("session"))
	if got := decoded[shared.Outcome](t, a); got.Code != shared.OutcomeConnected || got.Connection == "" || one.session == "" {
		t.Fatalf("signing in: %+v %v", got, a.header)
	}
	if !strings.Contains(a.setCookie(b.name("session")), "SameSite=Strict") {
		t.Errorf("the session cookie is %q", a.setCookie(b.name("session")))
	}
	who := decoded[shared.Session](t, one.read(shared.PathSession))
	if who.Practitioner.Login != loginOne || who.Frame != nil {
		t.Errorf("signed in as %+v", who)
	}
	if a := ask(ready.SignsIn.ID); a.status != http.StatusOK || a.setCookie(b.name("session")) != "" {
		t.Errorf("once more: %d %v", a.status, a.header)
	}
	stranger := browser{bench: b.bench, flow: one.flow}
	if a := stranger.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: ready.SignsIn.ID}); a.status != http.StatusUnauthorized {
		t.Errorf("the same browser after signing out: %d %s", a.status, a.body)
	}
}
