package connect_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"locum/bff/connect"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/vault"
)

// ehr is a bench whose one platform is a simulated athenahealth that launches Locum.
type ehr struct {
	*bench
	face *sandbox.Face
}

func newEHR(t testing.TB, o options) *ehr {
	t.Helper()
	s, err := sandbox.InProcess(sandbox.Options{Athena: &sandbox.FaceOptions{Apps: []sandbox.App{{ID: clientID,
		RedirectURIs: []string{publicURL + "/connect/athena/callback"}, LaunchURL: publicURL + "/connect/athena/launch"}}}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	e := &ehr{&bench{t: t, sandbox: s, dir: dir, key: key, logs: &logs{}}, s.Athena()}
	p, err := platform.Athena(platform.AthenaConfig{AppConfig: platform.AppConfig{ID: "athena", ClientID: clientID, PublicURL: publicURL},
		Base: e.face.Origin(), Issuer: e.face.Issuer(), Practices: []platform.Practice{{ID: sandbox.Practice, Name: "The practice"}}})
	must(t, err)
	from := platform.Sources{Secret: func(string) (secret.String, error) { return secret.New(e.face.Apps()[0].Secret), nil }}
	e.platforms, err = platform.NewRegistry([]*platform.Platform{p}, from, s.Dial)
	must(t, err)
	t.Cleanup(e.platforms.Close)
	e.open(o)
	t.Cleanup(e.close)
	return e
}

// visitor is a browser in which nobody is signed in, or somebody is.
type visitor struct {
	e       *ehr
	by      connect.Asker
	value   string
	address string
}

func (e *ehr) visitor() *visitor { return &visitor{e: e, address: "192.0.2.1"} }

func (e *ehr) signedIn(practitioner string) *visitor {
	e.t.Helper()
	v, tab := e.visitor(), e.signIn(practitioner)
	v.by.Practitioner, v.by.Session = practitioner, tab.session
	return v
}

// call is the EHR's call; the browser keeps the cookie.
func (v *visitor) call(framed bool) (string, error) {
	v.e.t.Helper()
	query := url.Values{"iss": {v.e.face.FHIRBase()}, "launch": {"none"}}.Encode()
	return v.called(query, framed)
}

func (v *visitor) called(query string, framed bool) (string, error) {
	answer, err := v.e.connector.Launch(context.Background(), connect.LaunchRequest{Platform: "athena", RawQuery: query,
		Browser: v.by.Browser, Framed: framed, RequestID: "request", Remote: v.address})
	if err != nil {
		return "", err
	}
	if framed {
		v.by.Browser.Frame = answer.Flow.Reveal()
	} else {
		v.by.Browser.Flow = answer.Flow.Reveal()
	}
	return answer.Handle, nil
}

// launched is the EHR's call with a launch value of its own.
func (v *visitor) launched(login string, framed bool) string {
	v.e.t.Helper()
	address, err := v.e.face.Launch(sandbox.Launch{App: clientID, Login: login})
	must(v.e.t, err)
	at, err := url.Parse(address)
	must(v.e.t, err)
	handle, err := v.called(at.RawQuery, framed)
	must(v.e.t, err)
	return handle
}

// begin agrees to a launch.
func (v *visitor) begin(handle string) (connect.BeginAnswer, error) {
	v.e.t.Helper()
	v.value = secret.Random().Reveal()
	return v.e.connector.BeginLaunch(context.Background(), connect.BeginLaunchRequest{Practitioner: v.by.Practitioner,
		Session: v.by.Session, Handle: handle, ClientState: v.value, Browser: v.by.Browser, RequestID: "request", Remote: v.address})
}

// through walks a whole launch by a person at the platform, and gives its outcome.
func (v *visitor) through(login string) vault.Outcome {
	v.e.t.Helper()
	begun, err := v.begin(v.launched(login, false))
	must(v.e.t, err)
	back, err := v.e.face.Approve(begun.AuthorizationURL, sandbox.Choice{Login: login})
	must(v.e.t, err)
	at, err := url.Parse(back)
	must(v.e.t, err)
	v.e.connector.Finish(context.Background(), connect.FinishRequest{Platform: "athena", RawQuery: at.RawQuery,
		Flow: v.by.Browser.Flow, RequestID: "request"})
	return v.outcome()
}

func (v *visitor) outcome() vault.Outcome {
	v.e.t.Helper()
	o, err := v.e.connector.Outcome(context.Background(), v.by, v.value)
	must(v.e.t, err)
	return o
}

// answer is what the visitor says to a question.
func (v *visitor) answer(as string) connect.Confirmation {
	return connect.Confirmation{By: v.by, ClientState: v.value, Practitioner: as, RequestID: "request"}
}

// linked links a practitioner to a person at the platform.
func (e *ehr) linked(practitioner, login string) *visitor {
	e.t.Helper()
	v := e.signedIn(practitioner)
	if o := v.through(login); o.Code != connect.OutcomeLinkNeeded {
		e.t.Fatalf("outcome is %s", o.Code)
	}
	if o, err := e.connector.Link(context.Background(), v.answer(practitioner)); err != nil || o.Code != connect.OutcomeConnected {
		e.t.Fatalf("link: %s, %v", o.Code, err)
	}
	return v
}

// kept counts what lies in the vault: launches, tickets, attempts and outcomes.
func (e *ehr) kept() (counts [4]int) {
	e.t.Helper()
	must(e.t, e.vault.View(func(tx *vault.Tx) error {
		counts = [4]int{vault.Launches.Count(tx), vault.Tickets.Count(tx), vault.Attempts.Count(tx), vault.Outcomes.Count(tx)}
		return nil
	}))
	return counts
}
