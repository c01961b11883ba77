package e2e_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"locum/bff/sandbox"
	"locum/shared"
)

// outcome waits for the page that explains an authorization's end, and checks its code and that it offers a next step.
func (b *browser) outcome(code shared.Code) {
	b.t.Helper()
	b.until("the outcome "+string(code), `document.querySelector('`+by("outcome")+`')?.dataset.code === `+strconv.Quote(string(code)))
	b.see(by("outcome-next"))
	text := mustEvaluate[string](b, `document.querySelector('`+by("outcome")+`').innerText`)
	for _, raw := range []string{string(code), "error", "invalid_", "undefined", "<"} {
		if strings.Contains(text, raw) {
			b.t.Errorf("the outcome %s speaks to developers: %q", code, text)
		}
	}
}

// TestT003NoCodeInTheAddressBar: after the round trip neither code nor state stands anywhere the page can look.
func TestT003NoCodeInTheAddressBar(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	entries, err := chromedp.Call(b.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	seen := b.storage()
	for _, entry := range entries.Entries {
		if strings.HasPrefix(entry.URL, d.URL) {
			seen += "\n" + entry.URL
		}
	}
	for _, trace := range []string{"code=", "state=", "session_state="} {
		if strings.Contains(seen, trace) {
			t.Errorf("%q is still in sight:\n%s", trace, seen)
		}
	}
}

// TestEveryEndingIsExplained walks the callback's errors to the page that says what happened and what to do.
func TestEveryEndingIsExplained(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	clinic := d.Sandbox.Clinics()[0]
	start := func() {
		b.open(d.URL + "/connections/new")
		b.begin("jane", clinic)
	}
	start()
	b.logIn(robinAtJane)
	b.tap(`button[name="decision"][value="deny"]`)
	b.at(d.URL + "/connections/outcome")
	b.outcome(shared.OutcomeDenied)
	b.shot("denied")

	for _, c := range []struct {
		name    string
		prepare func()
		want    shared.Code
	}{
		{"temporarily unavailable", func() { d.Sandbox.AuthorizeError("temporarily_unavailable", "authentication_expired") }, shared.OutcomeTryAgain},
		{"any other error", func() { d.Sandbox.AuthorizeError("unsupported_response_type", "<script>alert(1)</script>") }, shared.OutcomePlatformRefused},
		{"mixed up", func() { d.Sandbox.BadIss("https://elsewhere.example/realms/jane") }, shared.OutcomeMixUp},
		{"no issuer", func() { d.Sandbox.OmitIss() }, shared.OutcomeMixUp},
		{"the wrong clinic", func() { d.Sandbox.WrongAudience() }, shared.OutcomeWrongClinic},
		{"a token endpoint that fails", func() { d.Sandbox.Fail("iam/token", 503, 1) }, shared.OutcomeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			defer func() { b.t = t }()
			c.prepare()
			b.open(d.URL + "/connections/new")
			b.begin("jane", clinic)
			b.until("back at Locum, at the login or at the consent",
				`location.href.startsWith("`+d.URL+`") || !!document.querySelector('button[name="hint"], button[value="allow"]')`)
			if strings.HasPrefix(b.where(), "http://127.0.0.1") {
				b.again() // what was refused before is revoked, and the login may have ended with it
			}
			b.at(d.URL + "/connections/outcome")
			b.outcome(c.want)
		})
		d.Sandbox.Calm()
	}

	b.t = t
	b.open(d.URL + "/connect/jane/callback?code=0123456789&state=" + strings.Repeat("A", 43) + "." + strings.Repeat("B", 43) + "&iss=" + d.Sandbox.Issuer(sandbox.RealmProduction))
	b.at(d.URL + "/connections/outcome")
	b.outcome(shared.OutcomeUnknownAttempt)
	b.shot("unknown")
	if list := mustEvaluate[int](b, `fetch("/api/v1/connections").then(r => r.json()).then(v => v.connections.length)`, chromedp.EvalAwaitPromise); list != 0 {
		t.Errorf("%d connections after nothing but failures", list)
	}
}

// TestSeveralTabs: two tabs connect two clinics at two realms at once, and each ends where it began.
func TestSeveralTabs(t *testing.T) {
	d, first := startDemo(t, quiet()), newBrowser(t)
	first.signIn(d, robin)
	second := first.tab()
	clinics := d.Sandbox.Clinics()
	first.open(d.URL + "/connections")
	first.ready("connections")
	first.click(by("connect-new"))
	first.begin("jane", clinics[0])
	second.open(d.URL + "/")
	second.ready("home")
	second.click(by("connect-first"))
	second.begin("jane-sandbox", clinics[1])
	second.logIn(robinAtJane)
	first.logIn(robinAtJane)
	second.allow()
	second.at(d.URL)
	second.ready("home")
	second.says(clinics[1].Name)
	first.allow()
	first.at(d.URL + "/connections")
	first.ready("connections")
	first.until("both clinics are listed", `document.querySelectorAll('`+by("connection-card")+`').length === 2`)
	first.clean()
	second.clean()
}

// TestReconnectKeepsPageAndPatient: when the platform ends a connection, the patient's page says so, and reconnecting
// leads back to the same patient under the same connection.
func TestReconnectKeepsPageAndPatient(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.click(by("open-schedule"))
	b.ready("schedule")
	b.see(by("appointment-patient"))
	b.click(by("appointment-patient"))
	b.ready("patient")
	where, who := b.where(), mustEvaluate[string](b, `document.querySelector('`+by("patient-name")+`').innerText`)
	d.Sandbox.Revoke(robinAtJane, d.Sandbox.Clinics()[0].URL)
	b.do(chromedp.Reload())
	b.until("the page says that the connection has ended", `document.querySelector('`+by("problem")+`')?.dataset.code === "reconnect_needed"`)
	b.shot("ended")
	mustEvaluate[bool](b, `(document.querySelector('`+by("problem")+` button').click(), true)`)
	b.at("http://127.0.0.1:")
	b.until("login or consent", `!!document.querySelector('button[name="hint"], button[value="allow"]')`)
	if mustEvaluate[bool](b, `!!document.querySelector('button[name="hint"]')`) {
		b.logIn(robinAtJane)
	}
	b.allow()
	b.at(where)
	b.ready("patient")
	b.says(who)
	b.clean()
}

// TestAllowMore: what was not granted is asked for when it is needed, and the connection keeps its id.
func TestAllowMore(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	d.Sandbox.GrantOnly("appointments:read", "patients:read", "staff_members:read", "treatments:read", "companies:read")
	b.connectFirst(d)
	d.Sandbox.Calm()
	b.open(d.URL + "/connections")
	b.ready("connections")
	b.shot("less")
	before := b.connections()
	b.click(by("connection-allow"))
	b.at("http://127.0.0.1:")
	b.see(`button[value="allow"]`)
	b.allow()
	b.at(d.URL + "/connections")
	b.ready("connections")
	b.until("nothing is left to allow", `!document.querySelector('`+by("connection-allow")+`')`)
	if after := b.connections(); after != before {
		t.Errorf("the connection was %s and is %s", before, after)
	}
	b.clean()
}

// connections are the ids of what is connected.
func (b *browser) connections() string {
	b.t.Helper()
	return mustEvaluate[string](b, `fetch("/api/v1/connections").then(r => r.json()).then(v => v.connections.map(c => c.id).join(" "))`, chromedp.EvalAwaitPromise)
}
