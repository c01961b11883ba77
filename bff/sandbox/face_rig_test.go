package sandbox_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/sandbox"
)

const (
	faceCallback = "http://localhost:9999/connect/athena/callback"
	launchAt     = "http://localhost:9999/connect/athena/launch"
	ada          = "a-195900.E-60178" // the first patient
	someScopes   = "openid fhirUser launch/patient offline_access user/Patient.read patient/Observation.read"
)

// The keys of the apps that sign assertions: one of each kind for the whole program.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { key, _ := rsa.GenerateKey(rand.Reader, 2048); return key })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { key, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader); return key })
)

// keySet is the public set of both keys: kids "r" and "e".
func keySet() string {
	enc := base64.RawURLEncoding.EncodeToString
	point, _ := ecKey().PublicKey.Bytes()
	set, _ := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kid": "r", "kty": "RSA", "n": enc(rsaKey().N.Bytes()), "e": enc(big.NewInt(int64(rsaKey().E)).Bytes())},
		{"kid": "e", "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "x": enc(point[1:49]), "y": enc(point[49:])},
	}})
	return string(set)
}

// faceRig is a face in process with an app for each client authentication. The apps' ids are their methods, and "service"
// and "service-key" are for client_credentials.
type faceRig struct {
	rig
	*sandbox.Face
	s    *sandbox.Sandbox
	apps map[string]sandbox.App
}

func newFace(t *testing.T, athena bool) *faceRig {
	t.Helper()
	o := &sandbox.FaceOptions{Apps: []sandbox.App{
		{ID: "client_secret_basic", Name: "Locum", RedirectURIs: []string{faceCallback}, LaunchURL: launchAt},
		{ID: "client_secret_post", Auth: "client_secret_post", RedirectURIs: []string{faceCallback}},
		{ID: "private_key_jwt", Auth: "private_key_jwt", JWKS: keySet(), RedirectURIs: []string{faceCallback}},
		{ID: "none", Auth: "none", RedirectURIs: []string{faceCallback}},
		{ID: "narrow", RedirectURIs: []string{faceCallback}, Scopes: []string{"openid", "user/Patient.read"}},
		{ID: "service", Service: true}, {ID: "service-key", Service: true, Auth: "private_key_jwt", JWKS: keySet()},
	}}
	options := sandbox.Options{Athena: o}
	if !athena {
		options = sandbox.Options{SMART: o}
	}
	s, err := sandbox.InProcess(options)
	must(t, err)
	transport := &http.Transport{DialContext: s.Dial, DisableKeepAlives: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	g := &faceRig{s: s, Face: s.Athena(), apps: map[string]sandbox.App{}, rig: rig{T: t, http: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}}
	if !athena {
		g.Face = s.SMART()
	}
	for _, app := range g.Apps() {
		g.apps[app.ID] = app
	}
	return g
}

func (g *faceRig) inTest(t *testing.T) *faceRig {
	own := *g
	own.T = t
	return &own
}

// ask is an authorization URL; changes are name, value pairs, and the value "-" removes a parameter.
func (g *faceRig) ask(changes ...string) string {
	query := url.Values{
		"client_id": {"client_secret_basic"}, "scope": {someScopes}, "aud": {g.FHIRBase()}, "redirect_uri": {faceCallback}, "nonce": {"n-1"},
		"response_type": {"code"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "state": {"st"},
	}
	return g.Endpoints().Authorize + "?" + change(query, changes).Encode()
}

// approve has a person allow what the address asks for and returns the callback's query.
func (g *faceRig) approve(c sandbox.Choice, changes ...string) url.Values {
	g.Helper()
	back, err := g.Face.Approve(g.ask(changes...), c)
	must(g.T, err)
	at, err := url.Parse(back)
	must(g.T, err)
	return at.Query()
}

// assertion is a client assertion; spoil may change header and claims before it is signed.
func (g *faceRig) assertion(id, alg string, spoil func(header, claims map[string]any)) string {
	g.Helper()
	var key crypto.PrivateKey = rsaKey()
	kid := "r"
	if alg == "ES384" {
		key, kid = ecKey(), "e"
	}
	now := time.Now()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{
		"iss": id, "sub": id, "aud": g.Endpoints().Token, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(4 * time.Minute).Unix(),
	})
	token.Header["kid"] = kid
	if spoil != nil {
		claims, _ := token.Claims.(jwt.MapClaims)
		spoil(token.Header, claims)
	}
	signed, err := token.SignedString(key)
	must(g.T, err)
	return signed
}

// as puts an app's own authentication on a form.
func (g *faceRig) as(id string, form url.Values) (url.Values, []string) {
	g.Helper()
	form = maps.Clone(form)
	app := g.apps[id]
	switch app.Auth {
	case "client_secret_post":
		form.Set("client_id", id)
		form.Set("client_secret", app.Secret)
	case "private_key_jwt":
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", g.assertion(id, "RS384", nil))
	case "none":
		form.Set("client_id", id)
	default:
		return form, []string{"Authorization", basicOf(id, app.Secret)}
	}
	return form, nil
}

func basicOf(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// send posts a form to the token endpoint as an app.
func (g *faceRig) send(id string, form url.Values) reply {
	g.Helper()
	form, headers := g.as(id, form)
	return g.post(g.Endpoints().Token, form, headers...)
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {faceCallback}}
}

// connect authorizes an app and returns its token answer.
func (g *faceRig) connect(id string, c sandbox.Choice, changes ...string) map[string]any {
	g.Helper()
	code := g.approve(c, append([]string{"client_id", id}, changes...)...).Get("code")
	got := g.send(id, codeForm(code))
	if got.StatusCode != http.StatusOK {
		g.Fatalf("token endpoint answered %d %s", got.StatusCode, got.text)
	}
	return got.json
}

func (g *faceRig) renew(id string, token any, scope string) reply {
	g.Helper()
	text, _ := token.(string)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}}
	if scope != "" {
		form.Set("scope", scope)
	}
	return g.send(id, form)
}

// service asks for a token with client_credentials.
func (g *faceRig) service(id, scope string) reply {
	g.Helper()
	return g.send(id, change(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}, nil))
}

// call makes an API request with an access token; path is below the FHIR base, or an absolute path of the host.
func (g *faceRig) call(method, path string, token any, body string, headers ...string) reply {
	g.Helper()
	at := g.FHIRBase() + "/" + path
	if strings.HasPrefix(path, "/") {
		at = g.Origin() + path
	}
	if strings.HasPrefix(path, "http") {
		at = path
	}
	r, err := http.NewRequestWithContext(g.Context(), method, at, strings.NewReader(body))
	if err == nil {
		if text, _ := token.(string); text != "" {
			r.Header.Set("Authorization", "Bearer "+text)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return g.do(r, err)
}

const practice = "&ah-practice=Organization/a-1.Practice-195900"

// claimsOf reads a JWT without looking at its signature.
func claimsOf(t *testing.T, raw any) jwt.MapClaims {
	t.Helper()
	text, _ := raw.(string)
	claims := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(text, claims)
	must(t, err)
	return claims
}
