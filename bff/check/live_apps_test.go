package check_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/audit"
	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/vault"
)

// realm is a simulated athenahealth and a SMART server, and an installation that is registered with both: by a secret, with
// a service, and by a key that it publishes itself.
type realm struct {
	site
	sandbox      *sandbox.Sandbox
	athena, ehr  *sandbox.Face
	public, port string
	jwks         *atomic.Pointer[[]byte] // what is published; nil: nothing
}

// A secret that form-encoding changes.
const codedSecret = "Qx81+mQ0r/T7uKp2Lw%NvB6:yHc3JdGf"

const realmText = `public_url: %s
listen: 127.0.0.1:%s
administrators: [maya@harbour-physio.ca]
platforms:
  - id: athena
    kind: athenahealth
    base: %s
    issuer: %s
    client_id: app-athena
    practices: [{id: 195900}]
    more_scopes: [user/Observation.write]
    service:
      client_id: app-service
      scopes: ["athena/service/Athenanet.MDP.*"]
      operations: [athena.ping]
  - id: ehr
    kind: smart
    fhir_base: %s
    client_id: app-ehr
    auth: {method: private_key_jwt, algorithm: ES384}
`

func newRealm(t *testing.T) *realm {
	t.Helper()
	listener := listen(t)
	r := &realm{public: "http://" + listener.Addr().String(), jwks: &atomic.Pointer[[]byte]{}}
	_, r.port, _ = net.SplitHostPort(listener.Addr().String())
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		set := r.jwks.Load()
		switch {
		case !strings.HasSuffix(q.URL.Path, "/jwks.json"):
		case set == nil:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write(*set)
		}
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	var err error
	r.sandbox, err = sandbox.Start(sandbox.Options{
		Athena: &sandbox.FaceOptions{Apps: []sandbox.App{
			{ID: "app-athena", Secret: codedSecret, RedirectURIs: []string{r.public + "/connect/athena/callback"}},
			{ID: "app-service", Secret: serviceSecret, Service: true},
		}},
		SMART: &sandbox.FaceOptions{Apps: []sandbox.App{
			{ID: "app-ehr", Auth: oauth.AuthKey, JWKSURL: r.public + "/connect/ehr/jwks.json", RedirectURIs: []string{r.public + "/connect/ehr/callback"}},
		}},
	})
	must(t, err)
	t.Cleanup(func() { must(t, r.sandbox.Close()) })
	r.athena, r.ehr = r.sandbox.Athena(), r.sandbox.SMART()
	r.site = template(t).copied(t, fmt.Sprintf(realmText, r.public, r.port, r.athena.Origin(), r.athena.Issuer(), r.ehr.FHIRBase()))
	r.seal("athena", codedSecret)
	r.seal("athena/service", serviceSecret)
	r.makeKey(keys.Target{Platform: "ehr"})
	r.publish()
	return r
}

// publish shows the public keys of the installation.
func (r *realm) publish() {
	r.t.Helper()
	cfg, err := config.Load(r.at("locum.yaml"))
	must(r.t, err)
	r.inVault(func(v *vault.Vault) error {
		store, err := keys.New(v, cfg.Platforms)
		if err != nil {
			return err
		}
		set, err := store.Public("ehr")
		r.jwks.Store(&set)
		return err
	})
}

// again is a fresh installation in the same world, which it puts right at the end.
func (r *realm) again(t *testing.T) *realm {
	fresh := *r
	fresh.site = r.copied(t, r.text())
	set := r.jwks.Load()
	apps := append(r.athena.Apps(), r.ehr.Apps()...)
	t.Cleanup(func() {
		r.jwks.Store(set)
		r.sandbox.Calm()
		r.athena.SetBasic("form")
		r.athena.AlterMetadata(nil)
		r.ehr.AlterMetadata(nil)
		r.sandbox.SetSkew(0)
		for _, app := range apps {
			face := r.athena
			if app.ID == "app-ehr" {
				face = r.ehr
			}
			_, err := face.Register(app)
			must(t, err)
		}
	})
	return &fresh
}

func (r *realm) register(change func(*sandbox.App), id string) {
	r.t.Helper()
	for _, face := range []*sandbox.Face{r.athena, r.ehr} {
		for _, app := range face.Apps() {
			if app.ID == id {
				change(&app)
				_, err := face.Register(app)
				must(r.t, err)
			}
		}
	}
}

func TestLiveApps(t *testing.T) {
	r := newRealm(t)
	report := r.look(check.Options{Live: true})
	r.expect(report)
	if len(report.Unseen) > 0 {
		t.Errorf("not looked at: %v", report.Unseen)
	}
	pinged := false
	for _, request := range r.sandbox.Requests() {
		pinged = pinged || strings.HasSuffix(request.Path, "/v1/195900/ping") && request.Status == http.StatusOK
		if strings.Contains(request.Path, "/fhir/r4/Patient") || request.Method == http.MethodPut {
			t.Errorf("the check asked %s %s", request.Method, request.Path)
		}
	}
	if !pinged {
		t.Error("nobody was pinged")
	}
	if n := r.athena.RevokeService(); n != 0 {
		t.Errorf("%d tokens of the service were not given back", n)
	}
}

// TestLiveAppsThroughTheRunningLocum: it holds the vault, and asks with what it has.
func TestLiveAppsThroughTheRunningLocum(t *testing.T) {
	r := newRealm(t)
	cfg, err := config.Load(r.at("locum.yaml"))
	must(t, err)
	server, err := bff.Open(cfg, bff.Options{Control: true, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer func() { must(t, server.Close()) }()
	report := check.Run(t.Context(), r.at("locum.yaml"), check.Options{Live: true})
	r.expect(report)
	if len(report.Unseen) != 1 || !strings.Contains(report.Unseen[0].What, "accounts") {
		t.Errorf("not looked at: %v", report.Unseen)
	}
	trail, err := os.ReadFile(r.at("data/" + audit.FileName))
	must(t, err)
	if strings.Count(string(trail), `"kind":"platform_asked"`) != 2 {
		t.Errorf("the use of the credentials is not on record:\n%s", trail)
	}
	must(t, server.SetClientSecret("athena", secret.New(previewSecret)))
	report = check.Run(t.Context(), r.at("locum.yaml"), check.Options{Live: true})
	r.expect(report, "error live.secret 5")
	r.hides(report, previewSecret, codedSecret, serviceSecret)
	r.edit("client_id: app-ehr", "client_id: app-other")
	report = check.Run(t.Context(), r.at("locum.yaml"), check.Options{Live: true})
	r.expect(report, "error live.secret 5", "warning live.stale") // what Locum was started with says nothing of the file
}

func TestLiveSeededApps(t *testing.T) {
	shared := newRealm(t)
	edit := func(old, replacement string) func(*realm) {
		return func(r *realm) { r.edit(old, replacement) }
	}
	for _, c := range []struct {
		name  string
		spoil func(*realm)
		want  []string
	}{
		{"the API is not there", func(r *realm) { r.edit(r.athena.Origin(), "http://"+closedPort(r.t)) }, []string{"error live.unreachable 7"}},
		{"no SMART server", edit("/sim/abc/fhir", "/sim/abc"), []string{"error live.metadata 18"}},
		{"another issuer than the document's", func(r *realm) { r.edit(r.athena.Issuer(), "https://athena.okta.test/oauth2/other") }, []string{"error live.issuer 8"}},
		{"another issuer than the pinned one", func(r *realm) {
			r.edit("client_id: app-ehr", "client_id: app-ehr\n    issuer: https://elsewhere.test")
		}, []string{"error live.issuer 20"}},
		{"T015 a server that has moved", func(r *realm) {
			r.inVault(func(v *vault.Vault) error {
				return v.Update(func(tx *vault.Tx) error {
					document := fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"https://old.test/a","token_endpoint":"https://old.test/t","jwks_uri":"https://old.test/k","code_challenge_methods_supported":["S256"],"capabilities":["sso-openid-connect"]}`, r.ehr.Issuer())
					return vault.ServerPins.Put(tx, "ehr", &vault.ServerPin{Platform: "ehr", Base: r.ehr.FHIRBase(), Document: document, FetchedAt: time.Now(), CheckedAt: time.Now()})
				})
			})
		}, []string{"error live.moved 16"}},
		{"a server without sign-in", func(r *realm) {
			r.ehr.AlterMetadata(func(m map[string]any) { delete(m, "issuer") })
		}, []string{"error live.identity 18"}},
		{"an endpoint elsewhere", func(r *realm) {
			r.athena.AlterMetadata(func(m map[string]any) { m["token_endpoint"] = "https://elsewhere.test/token" })
		}, []string{"error live.endpoint 7"}},
		{"a method that it does not take", func(r *realm) {
			r.athena.AlterMetadata(func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} })
		}, []string{"error live.auth-method 5", "error live.auth-method 12"}},
		{"an ability that it does not claim", func(r *realm) {
			r.ehr.AlterMetadata(func(m map[string]any) {
				m["capabilities"] = []string{"launch-ehr", "sso-openid-connect", "context-standalone-patient", "permission-offline", "permission-user", "permission-patient", "permission-v1"}
			})
		}, []string{"warning live.capability 16"}},
		{"the server is ten minutes ahead", func(r *realm) { r.sandbox.SetSkew(10 * time.Minute) }, []string{"warning live.clock 5", "warning live.clock 16"}},

		{"a wrong secret", func(r *realm) { r.seal("athena", previewSecret) }, []string{"error live.secret 5"}},
		{"a wrong secret of the service", func(r *realm) { r.seal("athena/service", previewSecret) }, []string{"error live.secret 12"}},
		{"a posted secret", edit("    more_scopes", "    auth: {method: client_secret_post}\n    more_scopes"), []string{"note settings.secret-posted 11", "error live.secret-posted 11"}},
		{"a secret in the other encoding", func(r *realm) { r.athena.SetBasic("raw") }, []string{"error live.encoding 5"}},
		{"a redirect URI that is not registered", func(r *realm) {
			r.register(func(a *sandbox.App) { a.RedirectURIs = []string{"https://elsewhere.test/cb"} }, "app-athena")
		}, []string{"error live.redirect-uri 5"}},
		{"a client that is not known", edit("client_id: app-ehr", "client_id: nobody"), []string{"error live.assertion 20", "error live.client 19"}},
		{"the 2-legged client for practitioners", func(r *realm) {
			r.edit("client_id: app-athena", "client_id: app-service")
			r.edit("    service:\n      client_id: app-service\n      scopes: [\"athena/service/Athenanet.MDP.*\"]\n      operations: [athena.ping]\n", "")
			r.seal("athena", serviceSecret)
		}, []string{"error live.policy 9", "error live.client 9"}},
		{"the 3-legged client for the service", func(r *realm) {
			r.register(func(a *sandbox.App) { a.Service = false }, "app-service")
		}, []string{"error live.policy 13"}},
		{"scopes that are not registered", func(r *realm) {
			r.register(func(a *sandbox.App) {
				a.Scopes = strings.Fields("openid fhirUser launch launch/patient offline_access user/Patient.read user/Encounter.read user/Observation.read user/Condition.read user/MedicationRequest.read " +
					"user/AllergyIntolerance.read user/Practitioner.read patient/Patient.read patient/Encounter.read patient/Observation.read patient/Condition.read patient/MedicationRequest.read patient/AllergyIntolerance.read")
			}, "app-athena")
		}, []string{"error live.scope 5", "error live.scope 11"}},
		{"a scope of the service that is not registered", func(r *realm) {
			r.register(func(a *sandbox.App) { a.Scopes = []string{"system/Patient.read"} }, "app-service")
		}, []string{"error live.scope 14"}},
		{"another practice", edit("{id: 195900}", "{id: 195999}"), []string{"error live.ping 10"}},

		{"T028 the wrong audience", edit("algorithm: ES384", "algorithm: ES384, audience: issuer"), []string{"error live.audience 20"}},
		{"our keys cannot be read", func(r *realm) {
			r.jwks.Store(nil)
			r.register(func(a *sandbox.App) { a.JWKSURL += "?unread" }, "app-ehr")
		}, []string{"error live.jwks 20"}},
		{"the platform has other keys", func(r *realm) {
			other := strings.Replace(string(*r.jwks.Load()), `"kid":"`, `"kid":"another-`, 1)
			r.register(func(a *sandbox.App) { a.JWKSURL, a.JWKS = "", other }, "app-ehr")
		}, []string{"error live.assertion 20"}},
		{"keys imported by hand, and none published", func(r *realm) {
			set := string(*r.jwks.Load())
			r.jwks.Store(nil)
			r.register(func(a *sandbox.App) { a.JWKSURL, a.JWKS = "", set }, "app-ehr")
		}, []string{"note live.jwks 20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := shared.again(t)
			c.spoil(r)
			report := r.look(check.Options{Live: true})
			r.expect(report, c.want...)
			r.hides(report, codedSecret, serviceSecret, previewSecret)
		})
	}
}
