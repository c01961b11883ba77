package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/shared"
)

// TestT026OnlyItsBrowserAndOnce: a launch is for the browser that was called, once, and what it becomes is for whoever
// confirmed it.
func TestT026OnlyItsBrowserAndOnce(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one := browser{bench: b.bench}
	handle := b.launch(&one, "athena", sandbox.Launch{})
	body := shared.LaunchRequest{Launch: handle, ClientState: clientState()}
	strangers := map[string]browser{"no cookie": {bench: b.bench}, "another's": {bench: b.bench, flow: clientState()}, "signed in elsewhere": b.signIn(loginTwo)}
	for name, who := range strangers {
		if a := who.read(shared.PathLaunch + "/" + handle); a.status != http.StatusNotFound || a.code(t) != shared.CodeLaunchUnknown {
			t.Errorf("%s reads it: %d", name, a.status)
		}
		if a := who.change("POST", shared.PathLaunch, body); a.status != http.StatusNotFound || a.code(t) != shared.CodeLaunchUnknown {
			t.Errorf("%s goes on with it: %d", name, a.status)
		}
	}
	for _, unknown := range []string{"", "x", clientState(), handle[:42], handle + "A", swapCase(handle)} {
		if a := one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: unknown, ClientState: clientState()}); a.status != http.StatusNotFound {
			t.Errorf("%q: %d", unknown, a.status)
		}
	}
	if a := one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: "1"}); a.code(t) != shared.CodeInvalidState {
		t.Errorf("a weak value: %d", a.status)
	}
	if a := one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: clientState(), Scopes: []string{"user/*.cruds&aud=x"}}); a.code(t) != shared.CodeBadRequest {
		t.Errorf("a scope nobody offers: %d", a.status)
	}
	if n := b.sandbox.Count(b.athena.At("")); n != 0 {
		t.Errorf("the platform was asked %d times", n)
	}
	to := b.agree(&one, handle, clientState())
	if a := one.change("POST", shared.PathLaunch, body); a.status != http.StatusNotFound {
		t.Errorf("a second time: %d %s", a.status, a.body)
	}
	back, err := b.athena.Approve(to, sandbox.Choice{})
	must(t, err)
	stranger := browser{bench: b.bench, flow: clientState()}
	if a := stranger.callback(back); a.status != http.StatusSeeOther {
		t.Errorf("callback in another browser: %d", a.status)
	}
	if n := b.sandbox.Count(b.athena.At("token")); n != 0 {
		t.Errorf("the code was sent %d times", n)
	}
}

// TestT026AForeignLaunchSignsNobodyIn: an attacker's launch link, opened by somebody who is signed in or not, neither signs
// them in as the attacker unseen, nor links the attacker's account to theirs, nor touches what they have.
func TestT026AForeignLaunchSignsNobodyIn(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	const attacker, victim = "noor@example.test", "robin@example.test"
	b.linked(loginTwo, "athena", attacker)
	mine := b.linked(loginOne, "athena", victim)
	before := string(mine.read(shared.PathConnections).body)

	state, outcome := b.launched(&mine, "athena", sandbox.Launch{Login: attacker}) // signed in: the launch is the attacker's
	if outcome.Code != shared.OutcomeLinkedElsewhere || outcome.SignsIn != nil || outcome.Connection != "" {
		t.Errorf("signed in: %+v", outcome)
	}
	if got := b.link(mine, state); got.Code != shared.OutcomeLinkedElsewhere {
		t.Errorf("confirming it all the same: %+v", got)
	}
	if who := decoded[shared.Session](t, mine.read(shared.PathSession)); who.Practitioner.Login != loginOne {
		t.Errorf("signed in as %s", who.Practitioner.Login)
	}
	if after := string(mine.read(shared.PathConnections).body); len(after) != len(before) {
		t.Errorf("the connections were %s, are %s", before, after)
	}

	out := browser{bench: b.bench} // signed out: the page is told whose it is before anything is so
	state, outcome = b.launched(&out, "athena", sandbox.Launch{Login: attacker})
	if outcome.Code != shared.OutcomeSignInReady || outcome.SignsIn.Login != loginTwo {
		t.Fatalf("signed out: %+v", outcome)
	}
	if a := out.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("signed in without a word: %d", a.status)
	}
	out.session = mine.session // meanwhile signed in as themselves, in the same browser
	if got := out.outcome(state); got.Code != shared.OutcomeLinkedElsewhere {
		t.Errorf("as somebody else: %+v", got)
	}
	a := out.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: outcome.SignsIn.ID})
	if got := decoded[shared.Outcome](t, a); got.Code != shared.OutcomeLinkedElsewhere || got.SignsIn != nil || a.setCookie(b.name("session")) != "" {
		t.Errorf("agreeing as somebody else: %+v %v", got, a.header)
	}
	out.session = ""
	held := living(b.athena)
	declined := out.change("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: state, Decline: true})
	if got := decoded[shared.Outcome](t, declined); got.Code != shared.OutcomeDenied {
		t.Errorf("declined: %+v", got)
	}
	if got := out.outcome(state); got.Code != shared.OutcomeDenied {
		t.Errorf("after declining: %+v", got)
	}
	eventually(t, "what was declined is given back", func() bool { return living(b.athena) == held-1 })
}

// TestALinkBelongsToOnePractitioner: another one's confirmation is refused and leaves both as they were.
func TestALinkBelongsToOnePractitioner(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	first, outcome := b.launched(&one, "athena", sandbox.Launch{})
	if outcome.Code != shared.OutcomeLinkNeeded {
		t.Fatalf("%+v", outcome)
	}
	second, outcome := b.launched(&two, "athena", sandbox.Launch{}) // the same person at the platform, before either confirms
	if outcome.Code != shared.OutcomeLinkNeeded {
		t.Fatalf("%+v", outcome)
	}
	if a := two.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: first}); a.status != http.StatusNotFound {
		t.Errorf("another's question: %d %s", a.status, a.body)
	}
	if a := two.change("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: first}); a.status != http.StatusNotFound {
		t.Errorf("another's answer: %d %s", a.status, a.body)
	}
	if got := b.link(one, first); got.Code != shared.OutcomeConnected {
		t.Fatalf("the first: %+v", got)
	}
	if got := b.link(two, second); got.Code != shared.OutcomeLinkedElsewhere || got.Connection != "" {
		t.Errorf("the second: %+v", got)
	}
	if list := decoded[shared.Connections](t, two.read(shared.PathConnections)); len(list.Connections) != 0 {
		t.Errorf("the second has %+v", list)
	}
	eventually(t, "the linked chain alone lives", func() bool { return living(b.athena) == 1 })
	if _, outcome = b.launched(&one, "athena", sandbox.Launch{}); outcome.Code != shared.OutcomeConnected {
		t.Errorf("the linked practitioner's next launch: %+v", outcome)
	}
	held := living(b.athena)
	if _, outcome = b.launched(&two, "athena", sandbox.Launch{}); outcome.Code != shared.OutcomeLinkedElsewhere {
		t.Errorf("the other's next launch: %+v", outcome)
	}
	eventually(t, "what came of it is given back", func() bool { return living(b.athena) == held })
}

// TestOpenLaunchesKeepTheirCookie: that one is finished does not take the browser's flow cookie from the others.
func TestOpenLaunchesKeepTheirCookie(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one := b.linked(loginOne, "athena", "robin@example.test")
	waiting := b.launch(&one, "athena", sandbox.Launch{})
	back, err := b.athena.Approve(b.agree(&one, b.launch(&one, "athena", sandbox.Launch{}), clientState()), sandbox.Choice{})
	must(t, err)
	if a := one.callback(back); a.setCookie(b.name("flow")) != "" {
		t.Errorf("the cookie is taken away: %v", a.header)
	}
	back, err = b.athena.Approve(b.agree(&one, waiting, clientState()), sandbox.Choice{})
	must(t, err)
	if a := one.callback(back); a.cookie(b.name("flow")) != "" || a.setCookie(b.name("flow")) == "" {
		t.Errorf("the last one leaves it: %v", a.header)
	}
}

// TestALinkIsTakenAway by whoever runs this Locum, and the person at the platform may then be another practitioner's.
func TestALinkIsTakenAway(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	b.linked(loginOne, "athena", "robin@example.test")
	must(t, b.server.Unlink(loginOne))
	out := browser{bench: b.bench}
	if _, outcome := b.launched(&out, "athena", sandbox.Launch{}); outcome.Code != shared.OutcomeLinkNeeded {
		t.Errorf("unlinked: %+v", outcome)
	}
	b.linked(loginTwo, "athena", "robin@example.test")
	if err := b.server.Unlink("nobody"); err == nil {
		t.Error("nobody was unlinked")
	}
}

// TestLaunchesReplaceNothing: another patient is another connection, and what was connected by hand stays.
func TestLaunchesReplaceNothing(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one := b.linked(loginOne, "athena", "robin@example.test")
	state := clientState()
	back, err := b.athena.Approve(one.begin("athena", sandbox.Practice, state), sandbox.Choice{})
	must(t, err)
	one.callback(back)
	standing := one.outcome(state)
	if standing.Code != shared.OutcomeConnected || standing.Kind != "" {
		t.Fatalf("connecting by hand: %+v", standing)
	}
	ids := map[string]bool{standing.Connection: true}
	for _, patient := range b.athena.Patients()[:2] {
		_, outcome := b.launched(&one, "athena", sandbox.Launch{Patient: patient.ID})
		if outcome.Code != shared.OutcomeConnected || outcome.Kind != "ehr" {
			t.Fatalf("%+v", outcome)
		}
		ids[outcome.Connection] = true
		c := decoded[shared.Connection](t, one.read(shared.PathConnections+"/"+outcome.Connection))
		if c.Launch.Patient != patient.ID || len(c.More) != 0 {
			t.Errorf("launched for %+v, more %v", c.Launch, c.More)
		}
	}
	if list := decoded[shared.Connections](t, one.read(shared.PathConnections)); len(ids) != 3 || len(list.Connections) != 3 {
		t.Errorf("%d connections, %v", len(list.Connections), ids)
	}
	for id := range ids {
		a := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "athena", Clinic: sandbox.Practice, ClientState: clientState(),
			Context: shared.Context{Page: "home"}, Connection: id})
		if launched := id != standing.Connection; launched != (a.status == http.StatusBadRequest) {
			t.Errorf("renewing %s (launched: %t): %d %s", id, launched, a.status, a.body)
		}
	}
}

// TestDisabledAccountsStayOut, whatever the platform says of their person.
func TestDisabledAccountsStayOut(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	b.linked(loginOne, "athena", "robin@example.test")
	late := browser{bench: b.bench}
	state, ready := b.launched(&late, "athena", sandbox.Launch{})
	if ready.Code != shared.OutcomeSignInReady {
		t.Fatalf("%+v", ready)
	}
	must(t, b.server.SetDisabled(loginOne, true))
	a := late.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: ready.SignsIn.ID})
	if got := decoded[shared.Outcome](t, a); got.Code != shared.OutcomeLinkedElsewhere || a.setCookie(b.name("session")) != "" {
		t.Errorf("disabled before the click: %+v %v", got, a.header)
	}
	out := browser{bench: b.bench}
	if _, outcome := b.launched(&out, "athena", sandbox.Launch{}); outcome.Code != shared.OutcomeLinkedElsewhere || outcome.SignsIn != nil {
		t.Errorf("disabled before the launch: %+v", outcome)
	}
	if b.events("sign_in", "launch") != 0 {
		t.Error("a sign-in is on record")
	}
}

// TestSigningInForALaunchLeadsBack: the form knows one other place, by a word.
func TestSigningInForALaunchLeadsBack(t *testing.T) {
	b := open(t, nil)
	if a := b.get(shared.PathSignIn + "?then=outcome"); !strings.Contains(string(a.body), `name="then" value="outcome"`) {
		t.Errorf("the form does not keep it: %s", a.body)
	}
	for _, other := range []string{"?then=https://evil.test", "?then=outcome2", "?then=", "?next=outcome", "?then=outcome&then=x", "?then=%6futcome"} {
		if a := b.get(shared.PathSignIn + other); strings.Contains(string(a.body), `name="then"`) || strings.Contains(string(a.body), "evil") {
			t.Errorf("%s: the form keeps it", other)
		}
	}
	for then, want := range map[string]string{"outcome": "/connections/outcome", "": "/", "https://evil.test": "/", "//evil.test": "/", "outcome/x": "/"} {
		values := url.Values{"login": {loginOne}, "password": {password}, "then": {then}}
		if a := b.form(shared.PathSignIn, nil, values); a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("then %q: %d to %q", then, a.status, a.header.Get("Location"))
		}
	}
	wrong := b.form(shared.PathSignIn, nil, url.Values{"login": {loginOne}, "password": {"x"}, "then": {"outcome"}})
	if wrong.status != http.StatusUnauthorized || !strings.Contains(string(wrong.body), `name="then" value="outcome"`) {
		t.Errorf("a wrong password forgets it: %d", wrong.status)
	}
}

// TestSeveralPractices: a launch's practice is its patient's; one that was chosen must be configured, and must be theirs.
func TestSeveralPractices(t *testing.T) {
	b := openEHR(t, ehrOptions{practice: []platform.Practice{{ID: sandbox.Practice, Name: "Seven"}, {ID: "195999", Name: "Nine"}}})
	one := b.signIn(loginOne)
	state, outcome := b.launched(&one, "athena", sandbox.Launch{})
	if outcome.Code != shared.OutcomeLinkNeeded || !strings.HasSuffix(outcome.Clinic, "/v1/"+sandbox.Practice) {
		t.Fatalf("%+v", outcome)
	}
	if got := b.link(one, state); got.Code != shared.OutcomeConnected {
		t.Errorf("%+v", got)
	}
	handle := b.launch(&one, "athena", sandbox.Launch{})
	info := decoded[shared.LaunchInfo](t, one.read(shared.PathLaunch+"/"+handle))
	if len(info.Platform.Clinics) != 2 {
		t.Errorf("who is signed in is told %+v", info.Platform.Clinics)
	}
	a := one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: clientState(), Clinic: b.athena.Origin() + "/v1/1"})
	if a.code(t) != shared.CodeInvalidClinic {
		t.Errorf("a practice that is not configured: %d %s", a.status, a.body)
	}
	state = clientState()
	a = one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: state, Clinic: b.athena.Origin() + "/v1/195999"})
	back, err := b.athena.Approve(decoded[shared.ConnectAnswer](t, a).AuthorizationURL, sandbox.Choice{})
	must(t, err)
	one.callback(back)
	if got := one.outcome(state); got.Code != shared.OutcomeWrongClinic {
		t.Errorf("the other practice: %+v", got)
	}
}

// TestALinkTakenAwaySignsNobodyIn: who was about to be signed in by a link is not, once it has been taken away.
func TestALinkTakenAwaySignsNobodyIn(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	b.linked(loginOne, "athena", "")
	out := browser{bench: b.bench}
	state, outcome := b.launched(&out, "athena", sandbox.Launch{})
	if outcome.Code != shared.OutcomeSignInReady {
		t.Fatalf("%+v", outcome)
	}
	must(t, b.server.Unlink(loginOne))
	a := out.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: state, SignIn: outcome.SignsIn.ID})
	if got := decoded[shared.Outcome](t, a); got.Code != shared.OutcomeLinkNeeded || got.SignsIn != nil || a.setCookie(b.name("session")) != "" {
		t.Errorf("agreeing: %+v %v", got, a.header)
	}
	if got := out.outcome(state); got.Code != shared.OutcomeLinkNeeded || got.SignsIn != nil {
		t.Errorf("asking again: %+v", got)
	}
	out.session = b.signIn(loginTwo).session
	if got := b.link(out, state); got.Code != shared.OutcomeConnected {
		t.Errorf("saying who it is: %+v", got)
	}
}

// TestALinkIsForWhomThePageNamed: where another tab signs somebody else in between the question and the answer, nobody is
// linked.
func TestALinkIsForWhomThePageNamed(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	named := decoded[shared.Session](t, one.read(shared.PathSession)).Practitioner.ID
	tab := browser{bench: b.bench} // begun by nobody, so that the browser alone is asked
	state, outcome := b.launched(&tab, "athena", sandbox.Launch{})
	if outcome.Code != shared.OutcomeLinkNeeded {
		t.Fatalf("%+v", outcome)
	}
	answered := shared.LinkRequest{ClientState: state, Practitioner: named}
	tab.session = two.session
	if a := tab.change("POST", shared.PathLaunch+"/link", answered); a.status != http.StatusConflict {
		t.Errorf("as somebody else: %d %s", a.status, a.body)
	}
	tab.session = one.session
	if got := decoded[shared.Outcome](t, tab.change("POST", shared.PathLaunch+"/link", answered)); got.Code != shared.OutcomeConnected {
		t.Errorf("as who was named: %+v", got)
	}
	if list := decoded[shared.Connections](t, two.read(shared.PathConnections)); len(list.Connections) != 0 {
		t.Errorf("the other has %+v", list)
	}
}
