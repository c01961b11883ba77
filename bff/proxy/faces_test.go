package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/service"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// facade is a Proxy before one face of the sandbox: its people's connections, and its service.
type facade struct {
	*rig
	box  *sandbox.Sandbox
	face *sandbox.Face
	live *platform.Live
}

// newFacade starts one; operations are those of the service.
func newFacade(t testing.TB, athena bool, limits throttle.Limits, operations ...string) *facade {
	t.Helper()
	id := map[bool]string{true: "athena", false: "smart"}[athena]
	face := &sandbox.FaceOptions{Apps: []sandbox.App{
		{ID: "people", RedirectURIs: []string{"https://locum.example/connect/" + id + "/callback"}, LaunchURL: "https://locum.example/connect/" + id + "/launch"},
		{ID: "machine", Service: true},
	}}
	options := sandbox.Options{SMART: face}
	if athena {
		options = sandbox.Options{Athena: face}
	}
	s, err := sandbox.InProcess(options)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	x := &facade{rig: &rig{t: t, logged: &logs{}}, box: s, face: s.SMART()}
	if athena {
		x.face = s.Athena()
	}
	x.open(x.platform(athena, limits, operations))
	return x
}

func (x *facade) platform(athena bool, limits throttle.Limits, operations []string) *platform.Platform {
	x.t.Helper()
	id := map[bool]string{true: "athena", false: "smart"}[athena]
	app := platform.AppConfig{ID: id, ClientID: "people", PublicURL: "https://locum.example",
		Scopes: []string{"offline_access", "user/*.read", "user/Observation.write", "user/Patient.write", "user/Appointment.write"}}
	if limits != (throttle.Limits{}) {
		app.Limits = &limits
	}
	if len(operations) > 0 {
		scopes := []string{"system/*.read"}
		if athena {
			scopes = append(scopes, "athena/service/Athenanet.MDP.*")
		}
		app.Service = &platform.Service{ClientID: "machine", Name: "Machine", Scopes: scopes, Operations: operations,
			Auth: oauth.Auth{Method: oauth.AuthBasic}}
	}
	var p *platform.Platform
	var err error
	if athena {
		p, err = platform.Athena(platform.AthenaConfig{AppConfig: app, Base: x.face.Origin(), Issuer: x.face.Issuer(),
			Practices: []platform.Practice{{ID: sandbox.Practice}, {ID: sandbox.OtherPractice}}})
	} else {
		p, err = platform.SMART(platform.SMARTConfig{AppConfig: app, FHIRBase: x.face.FHIRBase()})
	}
	must(x.t, err)
	return p
}

func (x *facade) open(p *platform.Platform) {
	t, dir := x.t, x.t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	v, err := vault.Open(filepath.Join(dir, "data"), key)
	must(t, err)
	t.Cleanup(func() { v.Close() })
	x.auditPath, x.auditKey = filepath.Join(dir, "audit.log"), v.DeriveKey("audit")
	x.audit, err = audit.Open(x.auditPath, x.auditKey, "boot")
	must(t, err)
	secretOf := func(id string) (secret.String, error) {
		name := map[bool]string{true: "machine", false: "people"}[strings.HasSuffix(id, "/service")]
		apps := x.face.Apps()
		return secret.New(apps[slices.IndexFunc(apps, func(a sandbox.App) bool { return a.ID == name })].Secret), nil
	}
	x.registry, err = platform.NewRegistry([]*platform.Platform{p}, platform.Sources{Secret: secretOf}, x.box.Dial)
	must(t, err)
	must(t, x.registry.Discover(context.Background(), p.ID))
	x.keeper, err = tokens.New(tokens.Config{Vault: v, Platforms: x.registry, Audit: x.audit})
	must(t, err)
	services, err := service.New(service.Config{Platforms: x.registry, Secret: secretOf,
		Key: func(string) (oauth.SigningKey, error) { return oauth.SigningKey{}, oauth.ErrSecret }, Admit: x.keeper.Admit, Audit: x.audit})
	must(t, err)
	x.limiter = throttle.New(throttle.Config{})
	x.proxy = proxy.New(proxy.Config{Tokens: x.keeper, Limiter: x.limiter, Platforms: x.registry, Audit: x.audit, Services: services})
	x.live, err = x.registry.Get(p.ID)
	must(t, err)
	t.Cleanup(func() {
		x.proxy.Close()
		services.Close()
		x.keeper.Close()
		x.audit.Close()
		x.registry.Close()
	})
}

// connect makes a connection of u1 as a person does; with a patient, as one who chose them.
func (x *facade) connect(login, patient string) string {
	x.t.Helper()
	practice := sandbox.Practice
	for _, p := range x.face.People() {
		if p.Login == login && p.Practice != "" {
			practice = p.Practice
		}
	}
	clinic, err := x.live.Clinic(map[bool]string{true: practice, false: ""}[x.live.Kind == platform.KindAthena])
	must(x.t, err)
	a := vault.Attempt{State: "state", Platform: x.live.ID, Clinic: clinic.Address, Practitioner: "u1", Verifier: oauth.NewVerifier(),
		Nonce: secret.New("nonce"), Scopes: x.live.RequestScopes(nil)}
	if patient != "" {
		a.Kind, a.Scopes = "standalone", x.live.RequestScopes([]string{"launch/patient"})
	}
	callback, err := x.face.Approve(x.live.OAuth.AuthorizationURL(oauth.AuthorizationRequest{
		State: a.State, Challenge: oauth.Challenge(a.Verifier), Nonce: "nonce", Scopes: a.Scopes, Audience: x.live.FHIRBase,
	}), sandbox.Choice{Login: login, Patient: patient})
	must(x.t, err)
	at, err := url.Parse(callback)
	must(x.t, err)
	params, err := oauth.ParseCallback(at.RawQuery)
	must(x.t, err)
	c, err := x.keeper.Redeem(context.Background(), tokens.Redemption{Attempt: a, Code: params.Code})
	must(x.t, err)
	return c.ID
}

// call is one request on a connection; path is below the FHIR base unless it is athenaOne's.
func (x *facade) call(connection, method, path, query string) *proxy.Request {
	x.t.Helper()
	if !strings.HasPrefix(path, "/v1/") {
		base, err := url.Parse(x.face.FHIRBase())
		must(x.t, err)
		path = base.Path + path
	}
	q := x.request(method, path)
	q.Connection, q.Query = connection, query
	return q
}

func (x *facade) send(q *proxy.Request, contentType, body string) (*fasthttp.Response, error) {
	q.ContentType, q.Body = contentType, []byte(body)
	return x.do(q)
}

// entries are the ids in a searchset.
func entries(t testing.TB, body []byte) (ids []string) {
	t.Helper()
	var b struct {
		Entry []struct{ Resource struct{ ID string } }
	}
	must(t, json.Unmarshal(body, &b))
	for _, e := range b.Entry {
		ids = append(ids, e.Resource.ID)
	}
	return ids
}

// TestFacesThroughTheProxy: a day's work at both faces: searches to their last page, a launched patient, writing, athenaOne.
func TestFacesThroughTheProxy(t *testing.T) {
	for _, athena := range []bool{true, false} {
		t.Run(fmt.Sprint("athenahealth: ", athena), func(t *testing.T) {
			x := newFacade(t, athena, throttle.Limits{})
			patient := x.face.Patients()[0].ID
			own := x.connect("robin@example.test", "")
			launched := x.connect("robin@example.test", patient)
			for _, connection := range []string{own, launched} {
				var all []string
				q := x.call(connection, "GET", "/Observation", "patient="+patient+"&_count=25")
				for pages := 0; q != nil && pages < 100; pages++ {
					out := x.mustDo(q)
					all, q = append(all, entries(t, out.Body())...), nil
					if next := linkOf(t, out.Body(), "next"); next != "" {
						at, err := url.Parse(next)
						must(t, err)
						path, ours := strings.CutPrefix(at.Path, "/proxy/v1/"+connection)
						if !ours {
							t.Fatalf("next is %s", next)
						}
						q = x.request("GET", path)
						q.Connection, q.Query = connection, at.RawQuery
					}
				}
				once := slices.Clone(all)
				slices.Sort(once)
				if len(all) < 7 || len(slices.Compact(once)) != len(all) {
					t.Errorf("%d observations on all pages: %v", len(all), all)
				}
			}
			x.writes(own, patient)
			_, err := x.do(x.call(launched, "GET", "/Patient/"+x.face.Patients()[1].ID, ""))
			wantCode(t, err, "wrong_patient")
			x.mustDo(x.call(launched, "GET", "/Patient/"+patient, ""))
			if athena {
				x.one(own)
			}
		})
	}
}

// writes creates an observation, changes it, and is told when somebody else was faster.
func (x *facade) writes(connection, patient string) {
	x.t.Helper()
	t := x.t
	body := `{"resourceType":"Observation","status":"final","code":{"text":"Pulse"},"subject":{"reference":"/proxy/v1/` + connection +
		x.base() + `/Patient/` + patient + `"},"valueQuantity":{"value":61.0,"unit":"/min"}}`
	out, err := x.send(x.call(connection, "POST", "/Observation", ""), "application/fhir+json", body)
	must(t, err)
	var made struct{ ID string }
	must(t, json.Unmarshal(out.Body(), &made))
	if out.StatusCode() != 201 || made.ID == "" {
		t.Fatalf("%d %s", out.StatusCode(), out.Body())
	}
	read := x.mustDo(x.call(connection, "GET", "/Observation/"+made.ID, ""))
	etag := string(read.Header.Peek("ETag"))
	if etag == "" {
		etag = `W/"1"` // the face names versions where it writes
	}
	change := strings.Replace(string(read.Body()), "Pulse", "Pulse at rest", 1)
	for i, want := range []string{"", "changed"} { // the second one has an old version
		q := x.call(connection, "PUT", "/Observation/"+made.ID, "")
		q.IfMatch = etag
		_, err := x.send(q, "application/json", change)
		if want == "" {
			must(t, err)
		} else if own := wantCode(t, err, "call_refused"); own.Params["reason"] != want {
			t.Errorf("%d: %v", i, own.Params)
		}
	}
	_, err = x.do(x.call(connection, "GET", "/Observation/nobody-s", ""))
	if own := wantCode(t, err, "call_refused"); own.Params["reason"] != "not_found" || own.Status != 404 {
		t.Errorf("%v %d", own.Params, own.Status)
	}
}

func (x *facade) base() string {
	base, err := url.Parse(x.face.FHIRBase())
	must(x.t, err)
	return base.Path
}

// one is athenaOne's part: a form, its errors, the other practice.
func (x *facade) one(connection string) {
	x.t.Helper()
	t := x.t
	out := x.mustDo(x.call(connection, "GET", "/v1/195900/patients/60178", ""))
	if !strings.Contains(string(out.Body()), "60178") || string(out.Header.ContentType()) != "application/json" {
		t.Errorf("%s", out.Body())
	}
	_, err := x.send(x.call(connection, "PUT", "/v1/195900/patients/60178", ""), "application/x-www-form-urlencoded", "email=new%40example.test")
	must(t, err)
	_, err = x.do(x.call(connection, "GET", "/v1/195900/patients/999999", ""))
	if own := wantCode(t, err, "call_refused"); own.Params["reason"] != "not_found" {
		t.Errorf("%v", own.Params)
	}
	_, err = x.do(x.call(connection, "GET", "/v1/195901/patients/60178", ""))
	wantCode(t, err, "clinic_mismatch")
	_, err = x.do(x.call(connection, "GET", "/Observation", ""))
	if own := wantCode(t, err, "call_refused"); own.Params["reason"] != "global_search" {
		t.Errorf("a search of everything: %v", own.Params)
	}
}

// TestT078FacesHostile: the faces' own hostile answers: a next page at E, a reference to E.
func TestT078FacesHostile(t *testing.T) {
	x := newFacade(t, true, throttle.Limits{})
	c := x.connect("robin@example.test", "")
	x.face.HostileLink("https://evil.example/fhir/r4/Observation?cursor=x", 1)
	search := func() (*fasthttp.Response, error) {
		return x.do(x.call(c, "GET", "/Observation", "_count=2&patient="+ada))
	}
	_, err := search()
	if own := wantCode(t, err, "platform_bad_answer"); own.Params["reason"] != "foreign_page" {
		t.Errorf("%v", own.Params)
	}
	x.face.ForeignReference("https://evil.example/Patient/x", 1)
	out, err := search()
	must(t, err)
	if !strings.Contains(string(out.Body()), "https://evil.example/Patient/x") {
		t.Error("the reference is gone")
	}
	must(t, errOf(search()))
}
