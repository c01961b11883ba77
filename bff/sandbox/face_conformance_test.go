package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// TestFaceConformanceAuthorize: each row is one clause that the faces' authorization endpoint keeps. "page" means an error
// page and no redirect; any other answer is the error that goes back to the app.
func TestFaceConformanceAuthorize(t *testing.T) {
	g := newFace(t, true)
	rows := []struct{ clause, ask, want string }{
		{"RFC 6749 §4.1.2.1 unknown client shows a page", g.ask("client_id", "nobody"), "page"},
		{"RFC 6749 §3.1 client_id twice shows a page", g.ask() + "&client_id=none", "page"},
		{"athenahealth guide: a 2-legged app has no logins", g.ask("client_id", "service"), "page"},
		{"RFC 9700 §2.1 redirect_uri with a slash more", g.ask("redirect_uri", faceCallback+"/"), "page"},
		{"RFC 6749 §3.1.2.4 missing redirect_uri", g.ask("redirect_uri", "-"), "page"},
		{"OAuth 2.1 §1.8 no implicit grant, though the metadata lists it", g.ask("response_type", "token"), "unsupported_response_type"},
		{"SMART App Launch 2.2: state required", g.ask("state", "-"), "invalid_request"},
		{"SMART App Launch 2.2: PKCE required", g.ask("code_challenge", "-", "code_challenge_method", "-"), "invalid_request"},
		{"SMART App Launch 2.2: plain refused", g.ask("code_challenge_method", "plain"), "invalid_request"},
		{"RFC 7636 §4.2 a challenge has 43 characters", g.ask("code_challenge", "short"), "invalid_request"},
		{"SMART App Launch 2.2: aud required", g.ask("aud", "-"), "invalid_request"},
		{"SMART App Launch 2.2: aud is the FHIR base, exactly", g.ask("aud", g.FHIRBase()+"/"), "invalid_request"},
		{"SMART App Launch 2.2: aud of another server", g.ask("aud", "https://fhir.example.test/r4"), "invalid_request"},
		{"RFC 6749 §3.3 unknown scope", g.ask("scope", "openid patients:read"), "invalid_scope"},
		{"SMART App Launch 2.2: letters in their order", g.ask("scope", "user/Patient.sr"), "invalid_scope"},
		{"athenahealth: one unregistered scope fails the request", g.ask("client_id", "narrow", "scope", "openid user/Observation.read"), "invalid_scope"},
		{"a system scope is for services", g.ask("scope", "system/Patient.read"), "invalid_scope"},
		{"SMART App Launch 2.2: scope launch without launch", g.ask("scope", "openid launch"), "invalid_request"},
		{"SMART App Launch 2.2: launch without its scope", g.ask("launch", "x"), "invalid_request"},
		{"SMART App Launch 2.2: unknown launch", g.ask("scope", "openid launch", "launch", "x"), "invalid_request"},
		{"RFC 6749 §3.1 state twice", g.ask() + "&state=x", "invalid_request"},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			g := g.inTest(t)
			got := g.get(row.ask)
			if row.want == "page" {
				equal(t, "status", got.StatusCode, http.StatusBadRequest)
				equal(t, "Location", got.Header.Get("Location"), "")
				return
			}
			at, err := url.Parse(got.Header.Get("Location"))
			must(t, err)
			equal(t, "error", at.Query().Get("error"), row.want)
			equal(t, "athenahealth has no iss", at.Query().Get("iss"), "")
		})
	}
}

// TestFaceConformanceClients: each row is a token request by one way of client authentication, in which something is wrong
// or nothing is. want "" is an answer with a token.
func TestFaceConformanceClients(t *testing.T) {
	g := newFace(t, true)
	service := url.Values{"grant_type": {"client_credentials"}, "scope": {"athena/service/Athenanet.MDP.*"}}
	with := func(changes ...string) url.Values {
		form := url.Values{}
		for name, values := range service {
			form[name] = values
		}
		return change(form, changes)
	}
	secret := g.apps["service"].Secret
	raw := "Basic " + base64.StdEncoding.EncodeToString([]byte("service:"+secret))
	rows := []struct {
		clause        string
		form          url.Values
		authorization string
		status        int
		want          string
	}{
		{"RFC 6749 §2.3.1 client_secret_basic", with(), basicOf("service", secret), 200, ""},
		{"athenahealth guide, Troubleshooting: a posted secret does not work", with("client_id", "service", "client_secret", secret), "", 401, "No client credentials found."},
		{"client_secret_post where it is registered, but 3-legged", with("client_id", "client_secret_post", "client_secret", g.apps["client_secret_post"].Secret), "", 401, "Policy evaluation failed for this request, please check the policy configurations."},
		{"wrong secret", with(), basicOf("service", "wrong"), 401, "The client secret supplied for a confidential client is invalid."},
		{"unknown client", with(), basicOf("nobody", secret), 401, "Invalid value for 'client_id' parameter."},
		{"RFC 6749 §2.3 two ways at once", with("client_secret", secret), basicOf("service", secret), 400, "Cannot supply multiple client credentials."},
		{"client_id beside Basic differs", with("client_id", "none"), basicOf("service", secret), 401, "Invalid value for 'client_id' parameter."},
		{"an app with keys has no secret", with(), basicOf("service-key", "x"), 401, "The client is not registered for this authentication method."},
		{"nothing at all", with(), "", 401, "No client credentials found."},
		{"a public app has no 2-legged token", with("client_id", "none"), "", 401, "Policy evaluation failed for this request, please check the policy configurations."},
		{"athenahealth guide: 3-legged credentials are not for 2-legged", with(), basicOf("client_secret_basic", g.apps["client_secret_basic"].Secret), 401, "Policy evaluation failed for this request, please check the policy configurations."},
		{"athenahealth guide: scope is required", with("scope", "-"), basicOf("service", secret), 401, "Policy evaluation failed for this request, please check the policy configurations."},
		{"athenahealth: an unregistered scope", with("scope", "athena/service/Athenanet.MDP.* user/Patient.read"), basicOf("service", secret), 400, "One or more scopes are not configured for the authorization server resource."},
		{"RFC 6749 §3.2 grant_type missing", with("grant_type", "-"), basicOf("service", secret), 400, "The token request must specify a grant_type."},
		{"no password grant", with("grant_type", "password"), basicOf("service", secret), 400, "The grant type is not supported by the authorization server."},
		{"raw Basic of plain characters is the same", with(), raw, 200, ""},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			g := g.inTest(t)
			var headers []string
			if row.authorization != "" {
				headers = []string{"Authorization", row.authorization}
			}
			got := g.post(g.Endpoints().Token, row.form, headers...)
			g.says(got, row.status, row.want)
		})
	}
}

// says checks the words of a failure, in athenahealth's member or in RFC 6749's, or that a token came.
func (g *faceRig) says(got reply, status int, want string) {
	g.Helper()
	words, _ := got.json["error_description"].(string)
	if detailed, _ := got.json["detailedmessage"].(string); detailed != "" {
		words = detailed
	}
	if got.StatusCode != status || words != want || want == "" && got.json["access_token"] == nil {
		g.Errorf("answer %d %s, want %d %q", got.StatusCode, strings.TrimSpace(got.text), status, want)
	}
}

// TestFaceConformanceToken: the rows that need more than one request.
func TestFaceConformanceToken(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *faceRig)
	}{
		{"every client authentication connects", func(g *faceRig) {
			for _, id := range []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"} {
				got := g.connect(id, sandbox.Choice{})
				equal(g, id+" patient", got["patient"], any(ada))
				equal(g, id+" refresh", g.renew(id, got["refresh_token"], "openid").StatusCode, 200)
			}
		}},
		{"RFC 6749 §4.1.2 a replayed code ends what it gave", func(g *faceRig) {
			code := g.approve(sandbox.Choice{}).Get("code")
			first := g.send("client_secret_basic", codeForm(code)).json
			equal(g, "read", g.call("GET", "Patient/"+ada, first["access_token"], "").StatusCode, 200)
			equal(g, "replay", g.send("client_secret_basic", codeForm(code)).StatusCode, 400)
			equal(g, "read after it", g.call("GET", "Patient/"+ada, first["access_token"], "").StatusCode, 401)
			equal(g, "refresh after it", g.renew("client_secret_basic", first["refresh_token"], "openid").StatusCode, 400)
		}},
		{"RFC 7636 §4.6 the verifier is needed by every app", func(g *faceRig) {
			for _, spoiled := range []string{"-", verifier + "x"} {
				form := change(codeForm(g.approve(sandbox.Choice{}).Get("code")), []string{"code_verifier", spoiled})
				equal(g, "error", g.send("client_secret_basic", form).json["error"], any("invalid_grant"))
			}
		}},
		{"RFC 6749 §4.1.3 a code belongs to one app and one redirect_uri", func(g *faceRig) {
			equal(g, "other app", g.send("private_key_jwt", codeForm(g.approve(sandbox.Choice{}).Get("code"))).StatusCode, 400)
			form := change(codeForm(g.approve(sandbox.Choice{}).Get("code")), []string{"redirect_uri", faceCallback + "?x"})
			equal(g, "other address", g.send("client_secret_basic", form).StatusCode, 400)
		}},
		{"a code lives a minute", func(g *faceRig) {
			code := g.approve(sandbox.Choice{}).Get("code")
			g.s.Advance(time.Minute)
			equal(g, "error", g.send("client_secret_basic", codeForm(code)).json["error"], any("invalid_grant"))
		}},
		{"athenahealth guide, Output Parameters: the 3-legged answer", checkFaceAnswer},
		{"athenahealth guide: a 2-legged answer has two members", func(g *faceRig) {
			got := g.service("service", "athena/service/Athenanet.MDP.*")
			equal(g, "status", got.StatusCode, 200)
			equal(g, "members", len(got.json), 2)
			equal(g, "expires_in", got.json["expires_in"], any("300"))
			equal(g, "grants", len(g.Grants()), 1)
			equal(g, "ping", g.call("GET", "/v1/195900/ping", got.json["access_token"], "").StatusCode, 200)
		}},
		{"athenahealth guide, Refresh a Token: scope is required and a subset", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{})
			g.says(g.renew("client_secret_basic", got["refresh_token"], ""), 401, "Policy evaluation failed for this request, please check the policy configurations.")
			equal(g, "more", g.renew("client_secret_basic", got["refresh_token"], "openid user/Encounter.read").json["error"], any("invalid_scope"))
			less := g.renew("client_secret_basic", got["refresh_token"], "openid user/Patient.read")
			equal(g, "scope", less.json["scope"], any("openid user/Patient.read"))
			equal(g, "observations", g.call("GET", "Observation?patient="+ada+practice, less.json["access_token"], "").StatusCode, 403)
			equal(g, "no context", less.json["patient"], nil)
			g.SetScopeRequired(false)
			equal(g, "all again", g.renew("client_secret_basic", got["refresh_token"], "").json["scope"], any(someScopes))
		}},
		{"a refresh token is for its app", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{})
			equal(g, "error", g.renew("none", got["refresh_token"], "openid").json["error"], any("invalid_grant"))
		}},
		{"offline_access is asked for, or there is no refresh token", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{}, "scope", "openid user/Patient.read")
			equal(g, "refresh_token", got["refresh_token"], nil)
			got = g.connect("client_secret_basic", sandbox.Choice{Untick: []string{"offline_access"}})
			equal(g, "unticked", got["refresh_token"], nil)
		}},
		{"STATIC: the same refresh token, 90 days from its last use", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{})
			for range 3 {
				g.s.Advance(89 * 24 * time.Hour)
				next := g.renew("client_secret_basic", got["refresh_token"], "openid")
				equal(g, "refresh token", next.json["refresh_token"], got["refresh_token"])
			}
			g.s.Advance(90 * 24 * time.Hour)
			equal(g, "unused for 90 days", g.renew("client_secret_basic", got["refresh_token"], "openid").StatusCode, 400)
		}},
		{"ROTATE: the old one is good within its leeway and ends the chain after it", func(g *faceRig) {
			g.SetKind(sandbox.KindO1)
			first := g.connect("client_secret_basic", sandbox.Choice{})["refresh_token"]
			second := g.renew("client_secret_basic", first, "openid").json["refresh_token"]
			if first == second || second == nil {
				g.Errorf("refresh token is %v after %v", second, first)
			}
			equal(g, "within", g.renew("client_secret_basic", first, "openid").StatusCode, 200)
			g.s.Advance(31 * time.Second)
			equal(g, "after", g.renew("client_secret_basic", first, "openid").StatusCode, 400)
			equal(g, "its successor", g.renew("client_secret_basic", second, "openid").StatusCode, 400)
			equal(g, "spent", g.Face.Presented().Spent, 1)
			equal(g, "ended", g.Face.Chains()[0].Ended, "The refresh token is invalid or expired.")
		}},
		{"an access token lives an hour, opaque or not", func(g *faceRig) {
			for _, opaque := range []bool{false, true} {
				g.SetOpaque(opaque)
				got := g.connect("client_secret_basic", sandbox.Choice{})
				text, _ := got["access_token"].(string)
				equal(g, "dots", strings.Count(text, "."), map[bool]int{false: 2, true: 0}[opaque])
				equal(g, "now", g.call("GET", "Patient/"+ada, text, "").StatusCode, 200)
				g.s.Advance(time.Hour)
				equal(g, "in an hour", g.call("GET", "Patient/"+ada, text, "").StatusCode, 401)
			}
		}},
		{"wildcards by a switch", func(g *faceRig) {
			g.SetWildcards(false)
			equal(g, "error", g.service("service", "athena/service/Athenanet.MDP.*").json["error"], any("invalid_scope"))
			equal(g, "without a star", g.service("service", "athena/service/Athenanet.MDP.Patient").StatusCode, 200)
		}},
		{"raw and form-encoded Basic are told apart", func(g *faceRig) {
			app, err := g.Register(sandbox.App{ID: "odd", Secret: "a%b:c+d/é", Service: true})
			must(g.T, err)
			raw := "Basic " + base64.StdEncoding.EncodeToString([]byte("odd:"+app.Secret))
			form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/Patient.rs"}}
			equal(g, "form", g.post(g.Endpoints().Token, form, "Authorization", basicOf("odd", app.Secret)).StatusCode, 200)
			equal(g, "raw where form is wanted", g.post(g.Endpoints().Token, form, "Authorization", raw).StatusCode, 400)
			g.SetBasic("raw")
			equal(g, "raw", g.post(g.Endpoints().Token, form, "Authorization", raw).StatusCode, 200)
			equal(g, "form where raw is wanted", g.post(g.Endpoints().Token, form, "Authorization", basicOf("odd", app.Secret)).StatusCode, 401)
		}},
		{"the budget of the token endpoint", func(g *faceRig) {
			g.SetQuotaHeaders(true)
			g.SetTokenLimit(sandbox.Limit{N: 2, Window: time.Minute})
			got := g.service("service", "system/Patient.rs")
			equal(g, "X-RateLimit-Remaining", got.Header.Get("X-RateLimit-Remaining"), "1")
			worst := 0
			for range 4 { // a minute may begin between two of them, not more
				if got = g.service("service", "system/Patient.rs"); got.StatusCode == 429 {
					worst++
				}
			}
			if worst == 0 || got.StatusCode == 429 && got.Header.Get("Retry-After") == "" {
				g.Errorf("%d of 5 were too many", worst)
			}
			if g.WorstTokens("service") != 5 {
				g.Errorf("worst window is %d", g.WorstTokens("service"))
			}
		}},
		{"RFC 7009 revocation", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{})
			text, _ := got["refresh_token"].(string)
			other, headers := g.as("private_key_jwt", url.Values{"token": {text}})
			equal(g, "by another app", g.post(g.Endpoints().Revoke, other, headers...).StatusCode, 200)
			equal(g, "still good", g.renew("client_secret_basic", text, "openid").StatusCode, 200)
			form, headers := g.as("client_secret_basic", url.Values{"token": {text}, "token_type_hint": {"refresh_token"}})
			equal(g, "revoked", g.post(g.Endpoints().Revoke, form, headers...).StatusCode, 200)
			equal(g, "refresh", g.renew("client_secret_basic", text, "openid").StatusCode, 400)
			equal(g, "read", g.call("GET", "Patient/"+ada, got["access_token"], "").StatusCode, 401)
		}},
		{"introspection: GET with a hint at athenahealth", checkFaceIntrospection},
		{"the operator's levers", func(g *faceRig) {
			got := g.connect("client_secret_basic", sandbox.Choice{})
			equal(g, "access revoked", g.Face.RevokeAccess(robin), 1)
			equal(g, "read", g.call("GET", "Patient/"+ada, got["access_token"], "").StatusCode, 401)
			equal(g, "refresh", g.renew("client_secret_basic", got["refresh_token"], "openid").StatusCode, 200)
			equal(g, "revoked", g.Face.Revoke(""), 1)
			equal(g, "refresh again", g.renew("client_secret_basic", got["refresh_token"], "openid").StatusCode, 400)
			g.service("service", "system/Patient.rs")
			equal(g, "services", g.RevokeService(), 1)
		}},
		{"keys rotate and retire", func(g *faceRig) {
			g.connect("client_secret_basic", sandbox.Choice{})
			must(g.T, g.Face.RotateKeys())
			keys := func() int {
				list, _ := g.get(g.Endpoints().Keys + "?client_id=x").json["keys"].([]any)
				return len(list)
			}
			equal(g, "keys", keys(), 2)
			g.Face.RetireKeys()
			equal(g, "keys", keys(), 1)
		}},
		{"every secret is remembered", func(g *faceRig) {
			got := g.connect("private_key_jwt", sandbox.Choice{})
			minted := g.s.Minted()
			for _, secret := range append(g.Assertions(), got["access_token"].(string), got["id_token"].(string), got["refresh_token"].(string)) {
				if !slices.Contains(minted, secret) {
					g.Errorf("%.40s is not among the minted", secret)
				}
			}
			for _, name := range []string{"access_token", "id_token", "refresh_token"} {
				if text, _ := got[name].(string); !strings.Contains(text, g.s.Marker()) {
					g.Errorf("%s does not carry the marker", name)
				}
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) { row.check(newFace(t, true)) })
	}
}

func checkFaceAnswer(g *faceRig) {
	got := g.connect("client_secret_basic", sandbox.Choice{})
	equal(g, "token_type", got["token_type"], any("Bearer"))
	equal(g, "expires_in", got["expires_in"], any(3600.0))
	equal(g, "scope", got["scope"], any(someScopes))
	claims := claimsOf(g.T, got["id_token"])
	equal(g, "iss, of another host", claims["iss"], any("https://athena.sandbox.invalid/oauth2/aussandbox"))
	equal(g, "aud", claims["aud"], any("client_secret_basic"))
	equal(g, "nonce", claims["nonce"], any("n-1"))
	equal(g, "fhirUser", claims["fhirUser"], any(g.FHIRBase()+"/Practitioner/a-195900.Provider-11"))
	equal(g, "sub", claims["sub"], any(g.Face.People()[0].Subject))
	next := g.renew("client_secret_basic", got["refresh_token"], someScopes).json
	equal(g, "nonce after a refresh", claimsOf(g.T, next["id_token"])["nonce"], nil)
	equal(g, "sub after a refresh", claimsOf(g.T, next["id_token"])["sub"], claims["sub"])
	g.SetRefreshContext(true)
	equal(g, "context", g.renew("client_secret_basic", got["refresh_token"], someScopes).json["patient"], any(ada))
	g.AlterID(func(claims map[string]any) { claims["iss"] = "x" })
	g.AlterAnswer(func(answer map[string]any) { answer["expires_in"] = "60" })
	next = g.renew("client_secret_basic", got["refresh_token"], someScopes).json
	equal(g, "altered", claimsOf(g.T, next["id_token"])["iss"], any("x"))
	equal(g, "altered", next["expires_in"], any("60"))
}

func checkFaceIntrospection(g *faceRig) {
	got := g.connect("client_secret_basic", sandbox.Choice{})
	text, _ := got["access_token"].(string)
	_, headers := g.as("client_secret_basic", url.Values{})
	ask := func(query string) reply {
		return g.call("GET", g.Endpoints().Introspect+"?"+query, "", "", headers...)
	}
	told := ask("token_type_hint=access_token&token=" + text)
	equal(g, "active", told.json["active"], any(true))
	equal(g, "scope", told.json["scope"], any(someScopes))
	equal(g, "patient", told.json["patient"], any(ada))
	equal(g, "without a hint", ask("token="+text).StatusCode, 400)
	equal(g, "of nothing", ask("token_type_hint=access_token&token=x").json["active"], any(false))
	refresh, _ := got["refresh_token"].(string)
	equal(g, "refresh token", ask("token_type_hint=refresh_token&token=" + refresh).json["active"], any(true))
	form, _ := g.as("client_secret_basic", url.Values{"token": {text}})
	equal(g, "POST", g.post(g.Endpoints().Introspect, form, headers...).StatusCode, 405)
	g.SetIntrospection("both")
	equal(g, "POST by a switch", g.post(g.Endpoints().Introspect, form, headers...).json["active"], any(true))
	other, headers := g.as("private_key_jwt", url.Values{"token": {text}})
	equal(g, "by another app", g.post(g.Endpoints().Introspect, other, headers...).json["active"], any(false))
}
