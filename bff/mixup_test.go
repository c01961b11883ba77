package bff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT019TheOtherPlatformsRedirectURI: a code that is delivered to another platform's address reaches nobody's token
// endpoint, from a launch and from a connect alike.
func TestT019TheOtherPlatformsRedirectURI(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one := b.signIn(loginOne)
	for _, id := range []string{"athena", "smart"} {
		for _, other := range []string{"athena", "smart", "jane", "nowhere"} {
			if other == id {
				continue
			}
			state := clientState()
			back, err := b.face(id).Approve(b.agree(&one, b.launch(&one, id, sandbox.Launch{}), state), sandbox.Choice{})
			must(t, err)
			one.callback(strings.Replace(back, "/connect/"+id+"/", "/connect/"+other+"/", 1))
			if got := one.outcome(state); got.Code != shared.OutcomeMixUp {
				t.Errorf("%s's code at %s: %+v", id, other, got)
			}
			if a := one.callback(back); a.status != http.StatusBadRequest { // and it is spent
				t.Errorf("%s's code at its own address afterwards: %d", id, a.status)
			}
		}
	}
	if n := b.sandbox.Count(b.athena.At("token")) + b.sandbox.Count(b.smart.At("token")) + b.sandbox.Count(sandbox.EndpointToken); n != 0 {
		t.Errorf("a code was sent %d times", n)
	}
}

// TestT019IssAtTheCallback: iss is the authorization server's issuer there, never a FHIR base, on error responses too; where
// the server promises it, it must come (RFC 9207 §2.4). It never chooses a server.
func TestT019IssAtTheCallback(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	b.smart.AlterMetadata(func(document map[string]any) { document["authorization_response_iss_parameter_supported"] = true })
	one := b.signIn(loginOne)
	for _, c := range []struct {
		id, name string
		iss      func() []string // nil: as the platform sent it
		code     shared.Code
	}{
		{"athena", "as sent: none", nil, shared.OutcomeLinkNeeded},
		{"athena", "the FHIR base", func() []string { return []string{b.athena.FHIRBase()} }, shared.OutcomeMixUp},
		{"athena", "the other platform's", func() []string { return []string{b.smart.Issuer()} }, shared.OutcomeMixUp},
		{"athena", "with a slash", func() []string { return []string{b.athena.Issuer() + "/"} }, shared.OutcomeMixUp},
		{"athena", "the right one", func() []string { return []string{b.athena.Issuer()} }, shared.OutcomeLinkNeeded},
		{"smart", "as sent", nil, shared.OutcomeLinkNeeded},
		{"smart", "the other platform's", func() []string { return []string{b.athena.Issuer()} }, shared.OutcomeMixUp},
		{"smart", "with a slash", func() []string { return []string{b.smart.Issuer() + "/"} }, shared.OutcomeMixUp},
		{"smart", "upper case", func() []string { return []string{strings.ToUpper(b.smart.Issuer())} }, shared.OutcomeMixUp},
		{"smart", "promised and missing", func() []string { return nil }, shared.OutcomeMixUp},
	} {
		for _, kind := range []string{"code", "error"} {
			state := clientState()
			back, err := b.face(c.id).Approve(b.agree(&one, b.launch(&one, c.id, sandbox.Launch{}), state), sandbox.Choice{Deny: kind == "error"})
			must(t, err)
			at, err := url.Parse(back)
			must(t, err)
			q := at.Query()
			if c.iss != nil {
				q["iss"] = c.iss()
			}
			at.RawQuery = q.Encode()
			want := c.code
			if kind == "error" && want == shared.OutcomeLinkNeeded {
				want = shared.OutcomeDenied
			}
			one.callback(at.String())
			if got := one.outcome(state); got.Code != want {
				t.Errorf("%s, %s with %s: %s, want %s", c.id, kind, c.name, got.Code, want)
			}
		}
	}
}

// TestStandaloneLaunch: the platform asks for the patient, and the connection is for that one; no launch value is sent.
func TestStandaloneLaunch(t *testing.T) {
	for _, id := range []string{"athena", "smart"} {
		t.Run(id, func(t *testing.T) {
			b := openEHR(t, ehrOptions{})
			face := b.face(id)
			one := b.signIn(loginOne)
			ids := map[string]bool{}
			for _, patient := range face.Patients()[:2] {
				state := clientState()
				a := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: id,
					ClientState: state, Context: shared.Context{Page: shared.PageHome}, Scopes: []string{"launch/patient"}})
				begun := decoded[shared.ConnectAnswer](t, a)
				one.flow = a.cookie(b.name("flow"))
				to, err := url.Parse(begun.AuthorizationURL)
				must(t, err)
				q := to.Query()
				if q.Has("launch") || !strings.Contains(" "+q.Get("scope")+" ", " launch/patient ") || strings.Contains(" "+q.Get("scope")+" ", " launch ") ||
					q.Get("aud") != face.FHIRBase() || q.Has("resource") {
					t.Errorf("the authorization request is %s", to)
				}
				back, err := face.Approve(begun.AuthorizationURL, sandbox.Choice{Patient: patient.ID})
				must(t, err)
				one.callback(back)
				got := one.outcome(state)
				if got.Code != shared.OutcomeConnected || got.Kind != "standalone" {
					t.Fatalf("%+v", got)
				}
				c := decoded[shared.Connection](t, one.read(shared.PathConnections+"/"+got.Connection))
				if c.Launch == nil || c.Launch.Patient != patient.ID || c.Launch.Kind != "standalone" {
					t.Errorf("launched for %+v", c.Launch)
				}
				ids[got.Connection] = true
			}
			if len(ids) != 2 {
				t.Errorf("two patients share a connection: %v", ids)
			}
			for _, scope := range []string{"launch", "launch/nothing", "launch/patient?x=y"} {
				a := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: id, ClientState: clientState(),
					Context: shared.Context{Page: shared.PageHome}, Scopes: []string{scope}})
				if a.code(t) != shared.CodeBadRequest {
					t.Errorf("%s: %d %s", scope, a.status, a.body)
				}
			}
		})
	}
}
