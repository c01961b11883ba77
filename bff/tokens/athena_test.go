package tokens_test

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

const (
	athena = "athena"
	smart  = "smart"
	noor   = "noor@example.test" // another practitioner of robin's practice
	abroad = "alex@example.test" // one of another practice
)

// ehr is a bench at the sandbox's athenahealth, or at its other SMART server: one practice, its people, and the EHR that
// launches Locum.
type ehr struct {
	*bench
	id       string // of the platform
	face     *sandbox.Face
	clinic   string // address of the practice
	patients []sandbox.FacePatient
}

// athenaOptions change the platform before it opens, and how the keeper runs.
type athenaOptions struct {
	options
	smart  bool // at the other server, whose endpoints are discovered
	change func(*platform.AppConfig)
	app    func(*sandbox.App)
	signer func(id string) (oauth.SigningKey, error)
}

func newEHR(t testing.TB, o athenaOptions) *ehr {
	t.Helper()
	id := athena
	if o.smart {
		id = smart
	}
	app := sandbox.App{
		ID: clientID, RedirectURIs: []string{publicURL + "/connect/" + id + "/callback"}, LaunchURL: publicURL + "/connect/" + id + "/launch",
	}
	if o.app != nil {
		o.app(&app)
	}
	both := sandbox.Options{}
	if both.Athena = (&sandbox.FaceOptions{Apps: []sandbox.App{app}}); o.smart {
		both.Athena, both.SMART = nil, both.Athena
	}
	s, err := sandbox.InProcess(both)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	face := s.Athena()
	if o.smart {
		face = s.SMART()
	}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	b := &bench{t: t, sandbox: s, dir: dir, key: key, options: o.options, signer: o.signer}
	b.setSecret(face.Apps()[0].Secret)
	config := platform.AppConfig{ID: id, ClientID: clientID, PublicURL: publicURL, Refresh: o.refresh}
	if o.change != nil {
		o.change(&config)
	}
	b.made = func() []*platform.Platform {
		p, err := platform.SMART(platform.SMARTConfig{AppConfig: config, FHIRBase: face.FHIRBase()})
		if !o.smart {
			p, err = platform.Athena(platform.AthenaConfig{
				AppConfig: config, Base: face.Origin(), Issuer: face.Issuer(), Practices: []platform.Practice{{ID: sandbox.Practice, Name: "The practice"}},
			})
		}
		must(t, err)
		return []*platform.Platform{p}
	}
	b.register()
	b.open()
	t.Cleanup(b.close)
	return &ehr{b, id, face, b.made()[0].Clinics[0].URL, face.Patients()}
}

func (e *ehr) live() *platform.Live {
	e.t.Helper()
	live, err := e.platforms.Get(e.id)
	must(e.t, err)
	return live
}

// approve walks an authorization to its code: by whom, for which patient where one is chosen, and with which launch value.
func (e *ehr) approve(practitioner, login, patient, launch string, change func(*vault.Attempt)) tokens.Redemption {
	e.t.Helper()
	must(e.t, e.platforms.Discover(context.Background(), e.id))
	live, nonce := e.live(), "a-nonce-of-this-test"
	a := vault.Attempt{
		State: "state", Platform: e.id, Clinic: e.clinic, Practitioner: practitioner, Session: "session",
		Verifier: oauth.NewVerifier(), Nonce: secret.New(nonce), Scopes: live.RequestScopes(nil), Launch: secret.New(launch),
	}
	if launch != "" {
		a.Kind, a.Scopes = "ehr", live.LaunchRequest(nil)
	}
	if change != nil {
		change(&a)
	}
	callback, err := e.face.Approve(live.OAuth.AuthorizationURL(oauth.AuthorizationRequest{
		State: a.State, Challenge: oauth.Challenge(a.Verifier), Nonce: nonce, Scopes: a.Scopes, Audience: live.FHIRBase, Launch: a.Launch,
	}), sandbox.Choice{Login: login, Patient: patient})
	must(e.t, err)
	at, err := url.Parse(callback)
	must(e.t, err)
	params, err := oauth.ParseCallback(at.RawQuery)
	must(e.t, err)
	if params.Error != "" {
		e.t.Fatalf("the sandbox refused: %s: %s", params.Error, params.Description)
	}
	return tokens.Redemption{Attempt: a, Code: params.Code, RequestID: "request"}
}

// launched is an authorization that the EHR has launched for one of its patients.
func (e *ehr) launched(practitioner, login, patient string, change func(*vault.Attempt)) tokens.Redemption {
	e.t.Helper()
	address, err := e.face.Launch(sandbox.Launch{App: clientID, Login: login, Patient: patient})
	must(e.t, err)
	at, err := url.Parse(address)
	must(e.t, err)
	return e.approve(practitioner, login, "", at.Query().Get("launch"), change)
}

// launch gives the id of the connection that an EHR launch of a signed-in practitioner makes.
func (e *ehr) launch(practitioner, login, patient string) string {
	e.t.Helper()
	c, err := e.keeper.Redeem(context.Background(), e.launched(practitioner, login, patient, nil))
	must(e.t, err)
	return c.ID
}

// join gives the id of a standing connection of practitioner as login at the practice.
func (e *ehr) join(practitioner, login string, change func(*vault.Attempt)) string {
	e.t.Helper()
	c, err := e.keeper.Redeem(context.Background(), e.approve(practitioner, login, "", "", change))
	must(e.t, err)
	return c.ID
}

// standalone lets the person choose a patient.
func standalone(a *vault.Attempt) {
	a.Kind, a.Scopes = "standalone", append(a.Scopes, "launch/patient", "patient/Patient.read")
}

// without leaves scopes out of what is asked for.
func without(scopes ...string) func(*vault.Attempt) {
	return func(a *vault.Attempt) {
		a.Scopes = slices.DeleteFunc(slices.Clone(a.Scopes), func(s string) bool { return slices.Contains(scopes, s) })
	}
}

// refreshed are the scopes of the refresh requests that the platform has seen, each as it came.
func (e *ehr) refreshed() (scopes []string) {
	for _, r := range e.sandbox.Requests() {
		if r.Where == e.at("token/refresh_token") {
			scopes = append(scopes, r.Form().Get("scope"))
		}
	}
	return scopes
}

func (e *ehr) at(path string) sandbox.Endpoint { return e.face.At(path) }

func (e *ehr) count(path string) int { return e.sandbox.Count(e.at(path)) }
