package oauth_test

import (
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/secret"
)

const callback = "https://locum.example.org/connect/ehr/callback"

// TestT027Sandbox: the whole of both simulated servers by each way to authenticate, from their metadata to a token given
// back, with an authorization request by URL and by form, an EHR launch and a standalone one.
func TestT027Sandbox(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{Athena: &sandbox.FaceOptions{}, SMART: &sandbox.FaceOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	keys, err := json.Marshal(object{"keys": []object{ecJWK(t, ecKey(), "key-1")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, face := range []*sandbox.Face{s.Athena(), s.SMART()} {
		server := discover(t, face)
		for method, way := range fourWays() {
			app := sandbox.App{ID: "app-" + method, Secret: awkward, Name: "Locum", Auth: method, RedirectURIs: []string{callback}, LaunchURL: "https://locum.example.org/connect/ehr/launch"}
			if method == oauth.AuthKey {
				app.JWKS = string(keys)
			}
			if method == oauth.AuthKey || method == oauth.AuthNone {
				app.Secret = ""
			}
			if _, err := face.Register(app); err != nil {
				t.Fatal(err)
			}
			t.Run("T027 "+face.Name()+" "+method, func(t *testing.T) {
				client := newClient(t, face.Origin(), func(c *oauth.ClientConfig) {
					way.change(c)
					c.Server, c.ID, c.RedirectURI = oauth.Server{}, app.ID, callback
				})
				if err := client.Use(server); err != nil {
					t.Fatal(err)
				}
				if method == oauth.AuthPost && face.Name() == "athenahealth" { // which asks by GET, where a secret never stands
					face.SetIntrospection("POST")
					defer face.SetIntrospection("GET")
				}
				walk(t, face, client, "")
				walk(t, face, client, app.ID)
				if method == oauth.AuthNone {
					return
				}
				serve(t, face, app, way.change, server)
			})
		}
	}
}

// discover reads a face's metadata as a caller would.
func discover(t *testing.T, face *sandbox.Face) oauth.Server {
	t.Helper()
	document, err := oauth.FetchMetadata(t.Context(), (&net.Dialer{}).DialContext, face.FHIRBase(), "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := oauth.ParseMetadata(face.FHIRBase(), []byte(document.Raw))
	if err != nil || !m.Can("sso-openid-connect") || document.ETag == "" {
		t.Fatalf("%+v, %v", m, err)
	}
	again, err := oauth.FetchMetadata(t.Context(), (&net.Dialer{}).DialContext, face.FHIRBase(), document.ETag)
	if err != nil || !again.Unchanged {
		t.Errorf("with its ETag: %+v, %v", again, err)
	}
	server := m.Server()
	server.KeysByClient = face.Name() == "athenahealth"
	return server
}

// walk connects, refreshes for a part of the scopes, asks about both tokens and gives them back. An app is one that is
// launched from the EHR.
func walk(t *testing.T, face *sandbox.Face, client *oauth.Client, app string) {
	t.Helper()
	verifier := oauth.NewVerifier()
	request := oauth.AuthorizationRequest{
		State: "browser.server", Challenge: oauth.Challenge(verifier), Nonce: "nonce-value", Audience: face.FHIRBase(),
		Scopes: []string{"openid", "fhirUser", "offline_access", "launch/patient", "patient/Patient.read"},
	}
	if app != "" {
		link, err := face.Launch(sandbox.Launch{App: app})
		if err != nil {
			t.Fatal(err)
		}
		at, err := url.Parse(link)
		if err != nil || at.Query().Get("iss") != face.FHIRBase() {
			t.Fatalf("launched by %s, %v", link, err)
		}
		request.Launch = secret.New(at.Query().Get("launch"))
		request.Scopes[3] = "launch"
	}
	endpoint, fields := client.AuthorizationForm(request)
	back, err := face.ApproveForm(endpoint, fields, sandbox.Choice{})
	if app == "" {
		back, err = face.Approve(client.AuthorizationURL(request), sandbox.Choice{})
	}
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(back, "?")
	params, err := oauth.ParseCallback(query)
	if err != nil || params.State != "browser.server" || params.Error != "" || !client.Server().AcceptsIss(params.Iss) {
		t.Fatalf("%s: %v", back, err)
	}
	token := granted(t)(client.Exchange(t.Context(), params.Code, verifier))
	id, err := client.VerifyID(t.Context(), token.ID, secret.New("nonce-value"), token.Access)
	if err != nil || id.Extra["fhirUser"] == nil || token.Context.Patient == "" {
		t.Fatalf("%+v, %+v, %v", id, token.Context, err)
	}
	if app == "" {
		renew(t, client, token)
	}
	if err := client.Revoke(t.Context(), token.Access, "access_token"); err != nil {
		t.Error(err)
	}
	if found, err := client.Introspect(t.Context(), token.Access, "access_token"); err != nil || found.Active {
		t.Errorf("after its end: %+v, %v", found, err)
	}
}

// renew asks for a part of what was granted.
func renew(t *testing.T, client *oauth.Client, token oauth.Token) {
	t.Helper()
	next := granted(t)(client.Refresh(t.Context(), token.Refresh, []string{"openid", "fhirUser", "patient/Patient.read"}))
	if strings.Contains(next.Scope, "offline_access") {
		t.Errorf("the scopes are %s", next.Scope)
	}
	if found, err := client.Introspect(t.Context(), next.Access, "access_token"); err != nil || !found.Active || !strings.Contains(found.Scope, "patient/Patient.read") {
		t.Errorf("%+v, %v", found, err)
	}
}

// serve asks for a token of a service's own.
func serve(t *testing.T, face *sandbox.Face, app sandbox.App, change func(*oauth.ClientConfig), server oauth.Server) {
	t.Helper()
	app.ID, app.Service, app.RedirectURIs, app.LaunchURL = app.ID+"-service", true, nil, ""
	if _, err := face.Register(app); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, face.Origin(), func(c *oauth.ClientConfig) {
		change(c)
		c.Server, c.ID = server, app.ID
	})
	scope := "system/Patient.read"
	if face.Name() == "athenahealth" {
		scope = "athena/service/Athenanet.MDP.*"
	}
	if token := granted(t)(client.ClientCredentials(t.Context(), []string{scope})); token.ExpiresIn == 0 || !token.Refresh.Empty() {
		t.Errorf("%+v", token)
	}
}

// granted wants a token answer.
func granted(t *testing.T) func(oauth.Answer, error) oauth.Token {
	return func(answer oauth.Answer, err error) oauth.Token {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		token, err := oauth.ParseToken(answer)
		if err != nil {
			t.Fatalf("%v: %s", err, answer.Body.Reveal())
		}
		return token
	}
}
