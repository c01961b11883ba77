package check_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/check"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

// world is a simulated Jane, and an installation on this machine that is registered with both of its realms.
type world struct {
	site
	jane   *sandbox.Sandbox
	public string // where something listens as Locum would
}

// worldText has room for: public URL, its port, the two issuers and the two clinics of one platform.
const worldText = `public_url: %s
listen: 127.0.0.1:%s
platforms:
  - id: jane-sandbox
    kind: jane
    name: Jane (sandbox)
    issuer: %s
    client_id: locum-dev
    clinics:
      - {name: North, url: "%s"}
      - {name: South, url: "%s"}
  - id: jane
    kind: jane
    issuer: %s
    client_id: locum
    openid: true
    clinics:
      - {name: North, url: "%s"}
`

// newWorld starts one; its clients may ask for these scopes, nil for all.
func newWorld(t *testing.T, sound site, scopes []string) *world {
	t.Helper()
	listener := listen(t)
	answers(t, listener, http.StatusOK)
	w := &world{public: "http://" + listener.Addr().String()}
	var err error
	w.jane, err = sandbox.Start(sandbox.Options{Clients: []sandbox.Client{
		{ID: "locum-dev", Secret: sandboxSecret, Realms: []string{sandbox.RealmSandbox}, RedirectURIs: []string{w.public + "/connect/jane-sandbox/callback"}, Scopes: scopes},
		{ID: "locum", Secret: productionSecret, Realms: []string{sandbox.RealmProduction}, RedirectURIs: []string{w.public + "/connect/jane/callback"}, Scopes: scopes},
	}})
	must(t, err)
	t.Cleanup(func() { must(t, w.jane.Close()) })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	north, south := w.jane.Clinics()[0].URL, w.jane.Clinics()[1].URL
	w.site = sound.copied(t, fmt.Sprintf(worldText, w.public, port, w.jane.Issuer(sandbox.RealmSandbox), north, south, w.jane.Issuer(sandbox.RealmProduction), north))
	return w
}

// again is a fresh installation in the same world.
func (w *world) again(t *testing.T) *world {
	text := w.text()
	return &world{site: w.copied(t, text), jane: w.jane, public: w.public}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// answers serves a status for every request until the test ends, as Locum or a proxy would.
func answers(t *testing.T, listener net.Listener, status int) string {
	t.Helper()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return listener.Addr().String()
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener := listen(t)
	must(t, listener.Close())
	return listener.Addr().String()
}

// selfSignedServer speaks TLS with a certificate that nobody trusts.
func selfSignedServer(t *testing.T) string {
	t.Helper()
	chain, key := selfSigned(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(chain, key)
	must(t, err)
	listener := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{pair}})
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-served })
	return listener.Addr().String()
}

// document is the realm's metadata with changes; a nil value removes a member.
func (w *world) document(realm string, changes map[string]any) sandbox.Canned {
	w.t.Helper()
	response, err := http.Get(w.jane.Issuer(realm) + "/.well-known/openid-configuration")
	must(w.t, err)
	defer response.Body.Close()
	all := map[string]any{}
	must(w.t, json.NewDecoder(response.Body).Decode(&all))
	for name, value := range changes {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	body, err := json.Marshal(all)
	must(w.t, err)
	return sandbox.Canned{Header: map[string]string{"Content-Type": "application/json"}, Body: string(body)}
}

func TestLiveGood(t *testing.T) {
	w := newWorld(t, template(t), nil)
	report := w.look(check.Options{Live: true})
	w.expect(report)
	if len(report.Unseen) > 0 {
		t.Errorf("not looked at: %v", report.Unseen)
	}
	for _, r := range w.jane.Requests() {
		if strings.HasPrefix(r.Path, "/api/") || strings.Contains(r.Path, "login-actions") {
			t.Errorf("the check asked %s %s", r.Method, r.Path)
		}
	}
}

// change spoils the metadata of the first platform asked.
func change(changes map[string]any) func(*world) {
	return func(w *world) {
		w.jane.Answer(sandbox.EndpointDiscovery, w.document(sandbox.RealmSandbox, changes), 1)
	}
}

func in(old, replacement string) func(*world) {
	return func(w *world) { w.edit(old, replacement) }
}

func TestLiveSeeded(t *testing.T) {
	sound := template(t)
	shared := newWorld(t, sound, nil)
	narrow := newWorld(t, sound, []string{"appointments:read", "patients:read", "staff_members:read", "treatments:read", "disciplines:read", "locations:read",
		"companies:read", "observations:read", "observations:create"})
	garbage := sandbox.Canned{Body: "<html>moved</html>"}
	for _, c := range []struct {
		name  string
		world *world
		spoil func(*world)
		want  []string
	}{
		{"issuer unreachable", shared, func(w *world) { w.edit(w.jane.Issuer(sandbox.RealmSandbox), "http://"+closedPort(w.t)+"/realms/jane") }, []string{"error live.unreachable 7"}},
		{"issuer with a certificate that nobody trusts", shared, func(w *world) {
			w.edit(w.jane.Issuer(sandbox.RealmSandbox), "https://"+selfSignedServer(w.t)+"/realms/jane")
		}, []string{"error live.tls 7"}},
		{"issuer down", shared, func(w *world) { w.jane.Fail(sandbox.EndpointDiscovery, 503, 1) }, []string{"error live.unreachable 7"}},
		{"another realm", shared, in("realms/jane_partner_sandbox", "realms/jane_other"), []string{"error live.realm 7"}},
		{"metadata that is none", shared, func(w *world) { w.jane.Answer(sandbox.EndpointDiscovery, garbage, 1) }, []string{"error live.metadata 7"}},
		{"another issuer by its own word", shared, change(map[string]any{"issuer": "https://login.elsewhere.ca/realms/jane"}), []string{"error live.issuer 7"}},
		{"the token endpoint has moved", shared, change(map[string]any{"token_endpoint": "https://login.elsewhere.ca/token"}), []string{"error live.endpoint 7"}},
		{"no key set is named", shared, change(map[string]any{"jwks_uri": nil}), []string{"error live.endpoint 7"}},
		{"iss is not promised", shared, change(map[string]any{"authorization_response_iss_parameter_supported": nil}), []string{"error live.iss 7"}},
		{"plain challenges alone", shared, change(map[string]any{"code_challenge_methods_supported": []string{"plain"}}), []string{"error live.pkce 7"}},
		{"no secret by form", shared, change(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}), []string{"error live.auth-method 7"}},
		{"no usable key", shared, func(w *world) { w.jane.Answer(sandbox.EndpointCerts, sandbox.Canned{Body: `{"keys":[]}`}, 1) }, []string{"error live.keys 7"}},
		{"the key set is down", shared, func(w *world) { w.jane.Fail(sandbox.EndpointCerts, 500, 1) }, []string{"error live.keys 7"}},
		{"client id unknown", shared, in("client_id: locum-dev", "client_id: nobody"), []string{"error live.client 8"}},
		{"client of the other environment", shared, func(w *world) {
			w.edit("client_id: locum-dev", "client_id: locum")
		}, []string{"error settings.client-shared 15", "error live.client 8"}},
		{"redirect URI not registered", shared, func(w *world) {
			w.edit("id: jane-sandbox", "id: jane-dev")
			w.seal("jane-dev", sandboxSecret)
		}, []string{"error live.redirect-uri 4"}},
		{"redirect URI not registered, secret wrong", shared, func(w *world) {
			w.edit("id: jane-sandbox", "id: jane-dev")
			w.seal("jane-dev", strings.ToLower(sandboxSecret))
		}, []string{"error live.redirect-uri 4", "error live.secret 4"}},
		{"redirect URI not registered, no secret to ask with", shared, in("id: jane-sandbox", "id: jane-dev"), []string{"error secrets.missing 4", "error live.client 8"}},
		{"secret wrong", shared, func(w *world) { w.seal("jane-sandbox", strings.ToLower(sandboxSecret)) }, []string{"error live.secret 4"}},
		{"scope not registered", narrow, func(*world) {}, []string{"error live.scope 4", "error live.scope 12", "error live.scope 16"}},
		{"scope not registered, left out", narrow, func(w *world) {
			w.edit("client_id: locum-dev", "client_id: locum-dev\n    more_scopes: [observations:create]")
			w.edit("openid: true", "more_scopes: []")
		}, nil},
		{"answers without iss", shared, func(w *world) { w.jane.OmitIss() }, []string{"error live.iss 7"}},
		{"answers with another iss", shared, func(w *world) { w.jane.BadIss("https://login.elsewhere.ca") }, []string{"error live.iss 7"}},
		{"the client may not use the flow", shared, func(w *world) { w.jane.AuthorizeError("unauthorized_client", "not allowed") }, []string{"error live.client-flow 8"}},
		{"answers without the state", shared, func(w *world) { w.answerAuth(303, "error=login_required") }, []string{"error live.state 7"}},
		{"each scope alone, but not together", shared, func(w *world) { w.answerAuth(303, "error=invalid_scope") }, []string{"error live.state 7", "error live.scope 4"}},
		{"a page to sign in on instead of an answer", shared, func(w *world) { w.answerAuth(200, "") }, nil},
		{"a page to sign in on, and the secret wrong", shared, func(w *world) {
			w.seal("jane-sandbox", strings.ToLower(sandboxSecret))
			w.answerAuth(200, "")
		}, []string{"error live.secret 4"}},
		{"refused for another reason", shared, func(w *world) { w.jane.AuthorizeError("invalid_request", "no\x1b[31m") }, []string{"error live.refused 4"}},
		{"the authorization endpoint is down", shared, func(w *world) { w.jane.Fail(sandbox.EndpointAuth, 502, 1) }, []string{"error live.unreachable 7"}},
		{"the authorization endpoint hangs up", shared, func(w *world) { w.jane.Cut(sandbox.EndpointAuth, 1) }, []string{"error live.unreachable 7"}},
		{"the key set hangs up", shared, func(w *world) { w.jane.Cut(sandbox.EndpointCerts, 1) }, []string{"error live.unreachable 7"}},
		{"the token endpoint is down", shared, func(w *world) { w.jane.Fail(sandbox.EndpointToken, 500, 1) }, []string{"error live.token 4"}},
		{"the token endpoint hangs up", shared, func(w *world) { w.jane.Cut(sandbox.EndpointToken, 1) }, []string{"error live.unreachable 7"}},
		{"a clinic that is none", shared, func(w *world) { w.edit(w.jane.Clinics()[1].URL, "http://"+listen(w.t).Addr().String()) }, []string{"error live.clinic 11"}},
		{"a clinic that nobody serves", shared, func(w *world) { w.edit(w.jane.Clinics()[1].URL, "http://"+closedPort(w.t)) },
			[]string{"error live.clinic 11", "error live.clinic-unreachable 11"}},
		{"a clinic with a certificate that nobody trusts", shared, func(w *world) { w.edit(w.jane.Clinics()[1].URL, "https://"+selfSignedServer(w.t)) },
			[]string{"error live.clinic 11", "error live.clinic-tls 11"}},
		{"the proxy in front passes on another Host", shared, func(w *world) { w.at127(answers(w.t, listen(w.t), http.StatusMisdirectedRequest)) }, []string{"error live.public-host 1"}},
		{"the proxy in front finds no Locum", shared, func(w *world) { w.at127(answers(w.t, listen(w.t), http.StatusBadGateway)) }, []string{"note live.public-unreachable 1"}},
		{"another site at the address", shared, func(w *world) { w.at127(answers(w.t, listen(w.t), http.StatusNotFound)) }, []string{"warning live.public-answer 1"}},
		{"Locum is not started", shared, func(w *world) { w.at127(closedPort(w.t)) }, []string{"note live.public-unreachable 1"}},
		{"Locum's certificate is not trusted", shared, func(w *world) {
			at := selfSignedServer(w.t)
			w.at127(at)
			w.edit("http://"+at, "https://"+at)
			w.edit("platforms:", "trusted_proxies: [127.0.0.1]\nplatforms:")
			w.register("https://" + at)
		}, []string{"warning live.public-tls 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.world.again(t)
			defer w.register(w.public)
			defer w.jane.Calm()
			c.spoil(w)
			w.expect(w.look(check.Options{Live: true}), c.want...)
		})
	}
}

// at127 moves Locum's public address.
func (w *world) at127(address string) {
	_, port, _ := net.SplitHostPort(address)
	_, old, _ := net.SplitHostPort(strings.TrimPrefix(w.public, "http://"))
	w.edit("public_url: "+w.public, "public_url: http://"+address)
	w.edit("listen: 127.0.0.1:"+old, "listen: 127.0.0.1:"+port)
	w.register("http://" + address)
}

// answerAuth gives the next authorization request an answer of its own: a page, or an answer at the redirect URI.
func (w *world) answerAuth(status int, query string) {
	answer := sandbox.Canned{Status: status, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html>"}
	if query != "" {
		answer.Header["Location"] = w.public + "/connect/jane-sandbox/callback?" + query
	}
	w.jane.Answer(sandbox.EndpointAuth, answer, 1)
}

// register gives the clients the redirect URIs of a public URL.
func (w *world) register(public string) {
	w.t.Helper()
	for _, c := range w.jane.Clients() {
		id := map[string]string{"locum-dev": "jane-sandbox", "locum": "jane"}[c.ID]
		c.RedirectURIs = []string{public + "/connect/" + id + "/callback"}
		_, err := w.jane.Register(c)
		must(w.t, err)
	}
}

// TestLiveClock: the machines of a platform and of Locum may differ by half a minute.
func TestLiveClock(t *testing.T) {
	w := newWorld(t, template(t), nil)
	for _, c := range []struct {
		name string
		off  time.Duration
		want []string
	}{
		{"a minute and a half behind", 90 * time.Second, []string{"warning live.clock 7", "warning live.clock 14"}},
		{"half an hour behind", 30 * time.Minute, []string{"error live.clock 7", "error live.clock 14"}},
		{"an hour ahead", -time.Hour, []string{"error live.clock 7", "error live.clock 14"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.again(t)
			w.jane.Advance(c.off)
			defer w.jane.Advance(-c.off)
			w.expect(w.look(check.Options{Live: true}), c.want...)
		})
	}
}

// TestLiveWithoutClinics: where no clinic is named, a server that wants one cannot be asked about scopes.
func TestLiveWithoutClinics(t *testing.T) {
	w := newWorld(t, template(t), nil)
	north, south := w.jane.Clinics()[0].URL, w.jane.Clinics()[1].URL
	w.edit(fmt.Sprintf("    clinics:\n      - {name: North, url: %q}\n      - {name: South, url: %q}\n", north, south), "    clinic_domains: [harbour-clinics.ca]\n")
	report := w.look(check.Options{Live: true})
	w.expect(report)
	if len(report.Unseen) != 1 || report.Unseen[0].What != "scopes of jane-sandbox" {
		t.Errorf("not looked at: %v", report.Unseen)
	}
}

// TestLiveNothingToAskWith: while the running Locum holds the vault, the platforms are asked what can be asked without a
// secret.
func TestLiveNothingToAskWith(t *testing.T) {
	w := newWorld(t, template(t), nil)
	w.inVault(func(*vault.Vault) error {
		report := check.Run(t.Context(), w.at("locum.yaml"), check.Options{Live: true})
		w.expect(report)
		if len(report.Unseen) != 1 {
			t.Errorf("not looked at: %v", report.Unseen)
		}
		return nil
	})
	if n := w.jane.Count(sandbox.EndpointToken); n > 0 {
		t.Errorf("%d token requests without a secret", n)
	}
}
