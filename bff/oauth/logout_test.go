package oauth_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

var logoutHeader = object{"alg": "RS256", "typ": "logout+jwt", "kid": "k1"}

// logoutClaims are Keycloak's.
func logoutClaims() object {
	now := time.Now().Unix()
	return object{
		"exp": now + 120, "iat": now, "jti": "l-1", "iss": testIssuer, "aud": "locum", "sub": "7f7ac94b", "typ": "Logout",
		"sid": "L8sVqA", "events": object{logoutEvent: object{}},
	}
}

// TestT043LogoutTokens: what says that somebody has logged out, and the forgeries that do not, each with its own cause
// (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6). None of them is another kind of token either.
func TestT043LogoutTokens(t *testing.T) {
	key, other := newKey(t), newKey(t)
	server := &certs{}
	enc := jwk(key, "enc")
	enc["use"] = "enc"
	server.keys.Store([]object{jwk(key, "k1"), jwk(other, "k2"), enc})
	client := newVerifier(t, server)
	right, now := rs(t, key, crypto.SHA256), time.Now().Unix()
	id := object{"iss": testIssuer, "sub": "7f7ac94b", "aud": "locum", "azp": "locum", "exp": now + 300, "iat": now, "typ": "ID", "jti": "i", "sid": "s", "nonce": "n"}
	for _, c := range []struct {
		name    string
		header  object
		claims  object
		changes object
		finish  func(string) []byte
		code    string
	}{
		{name: "as Keycloak sends it"},
		{name: "typ JWT", header: object{"alg": "RS256", "typ": "JWT", "kid": "k1"}},
		{name: "typ absent", header: object{"alg": "RS256", "kid": "k1"}},
		{name: "typ as a media type", header: object{"alg": "RS256", "typ": "application/logout+JWT", "kid": "k1"}},
		{name: "without Keycloak's typ", changes: object{"typ": nil}},
		{name: "without sid", changes: object{"sid": nil}},
		{name: "without sub", changes: object{"sub": nil}},
		{name: "several audiences", changes: object{"aud": []string{"other", "locum"}}},
		{name: "another event beside it", changes: object{"events": object{logoutEvent: object{}, "urn:x": 1}}},
		{name: "ended half a minute ago", changes: object{"exp": now - 30, "iat": now - 150}},

		{"alg none", object{"alg": "none", "typ": "logout+jwt"}, nil, nil, func(string) []byte { return nil }, oauth.TokenAlgorithm},
		{"alg HS256 with the public key", object{"alg": "HS256", "typ": "logout+jwt", "kid": "k1"}, nil, nil, func(signed string) []byte {
			mac := hmac.New(sha256.New, key.N.Bytes())
			mac.Write([]byte(signed))
			return mac.Sum(nil)
		}, oauth.TokenAlgorithm},
		{"alg RS512", object{"alg": "RS512", "typ": "logout+jwt", "kid": "k1"}, nil, nil, rs(t, key, crypto.SHA512), oauth.TokenAlgorithm},
		{"another's key", nil, nil, nil, rs(t, other, crypto.SHA256), oauth.TokenSignature},
		{"no signature", nil, nil, nil, func(string) []byte { return nil }, oauth.TokenSignature},
		{"a kid that nobody has", object{"alg": "RS256", "kid": "k9"}, nil, nil, right, oauth.TokenUnknownKey},
		{"the encryption key", object{"alg": "RS256", "kid": "enc"}, nil, nil, right, oauth.TokenUnknownKey},
		{"no kid", object{"alg": "RS256"}, nil, nil, right, oauth.TokenUnknownKey},
		{"crit", object{"alg": "RS256", "kid": "k1", "crit": []string{"x"}}, nil, nil, right, oauth.TokenAlgorithm},
		{"iss of another realm", nil, nil, object{"iss": testIssuer + "_partner_sandbox"}, right, oauth.TokenIssuer},
		{"iss absent", nil, nil, object{"iss": nil}, right, oauth.TokenIssuer},
		{"aud of another client", nil, nil, object{"aud": "other"}, right, oauth.TokenAudience},
		{"aud absent", nil, nil, object{"aud": nil}, right, oauth.TokenAudience},
		{"iat absent", nil, nil, object{"iat": nil}, right, oauth.TokenMalformed},
		{"iat ahead", nil, nil, object{"iat": now + 90, "exp": now + 200}, right, oauth.TokenNotYetValid},
		{"exp absent", nil, nil, object{"exp": nil}, right, oauth.TokenMalformed},
		{"ended", nil, nil, object{"exp": now - 90, "iat": now - 200}, right, oauth.TokenExpired},
		{"good for a day", nil, nil, object{"exp": now + 86400}, right, oauth.TokenLifetime},
		{"jti absent", nil, nil, object{"jti": nil}, right, oauth.TokenID},
		{"jti empty", nil, nil, object{"jti": ""}, right, oauth.TokenID},
		{"jti without end", nil, nil, object{"jti": strings.Repeat("j", 300)}, right, oauth.TokenID},
		{"jti a number", nil, nil, object{"jti": 7}, right, oauth.TokenMalformed},
		{"events absent", nil, nil, object{"events": nil}, right, oauth.TokenEvent},
		{"events a text", nil, nil, object{"events": logoutEvent}, right, oauth.TokenEvent},
		{"events a list", nil, nil, object{"events": []string{logoutEvent}}, right, oauth.TokenEvent},
		{"events empty", nil, nil, object{"events": object{}}, right, oauth.TokenEvent},
		{"another event", nil, nil, object{"events": object{"http://schemas.openid.net/event/x": object{}}}, right, oauth.TokenEvent},
		{"the event in another case", nil, nil, object{"events": object{strings.ToUpper(logoutEvent): object{}}}, right, oauth.TokenEvent},
		{"the event null", nil, nil, object{"events": object{logoutEvent: nil, "x": 1}}, right, oauth.TokenEvent},
		{"the event true", nil, nil, object{"events": object{logoutEvent: true}}, right, oauth.TokenEvent},
		{"the event a list", nil, nil, object{"events": object{logoutEvent: []int{}}}, right, oauth.TokenEvent},
		{"neither sub nor sid", nil, nil, object{"sub": nil, "sid": nil}, right, oauth.TokenLogin},
		{"sid a number", nil, nil, object{"sid": 7}, right, oauth.TokenMalformed},
		{"sid with a line break", nil, nil, object{"sid": "a\nb"}, right, oauth.TokenLogin},
		{"sub with a control character", nil, nil, object{"sub": "a\x01"}, right, oauth.TokenSubject},
		{"a nonce", nil, nil, object{"nonce": "n"}, right, oauth.TokenNonce},
		{"a nonce that is null", nil, nil, object{"nonce": json.RawMessage("null")}, right, oauth.TokenMalformed},
		{"typ of an access token", nil, nil, object{"typ": "Bearer"}, right, oauth.TokenType},
		{"typ of an id_token", nil, nil, object{"typ": "ID"}, right, oauth.TokenType},
		{"typ at+jwt", object{"alg": "RS256", "kid": "k1", "typ": "at+jwt"}, nil, nil, right, oauth.TokenType},
		{"T043 an access token", object{"alg": "RS256", "kid": "k1", "typ": "JWT"}, accessClaims(), nil, right, oauth.TokenType},
		{"T043 an access token for the client", object{"alg": "RS256", "kid": "k1", "typ": "JWT"}, accessClaims(), object{"aud": "locum", "typ": nil}, right, oauth.TokenEvent},
		{"T043 an id_token", object{"alg": "RS256", "kid": "k1", "typ": "JWT"}, id, nil, right, oauth.TokenType},
		{"T043 an id_token without type and nonce", object{"alg": "RS256", "kid": "k1"}, id, object{"typ": nil, "nonce": nil}, right, oauth.TokenEvent},
		{"T043 an expired id_token", object{"alg": "RS256", "kid": "k1"}, id, object{"exp": now - 3600, "iat": now - 7200}, right, oauth.TokenExpired},
		{"16 kB and more", nil, nil, object{"pad": strings.Repeat("p", 16<<10)}, right, oauth.TokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, claims, finish := c.header, c.claims, c.finish
			if header == nil {
				header = logoutHeader
			}
			if claims == nil {
				claims = logoutClaims()
			}
			if finish == nil {
				finish = right
			}
			token := sign(t, header, with(claims, c.changes), finish)
			got, err := client.VerifyLogout(t.Context(), token)
			if codeOf(err) != c.code || (err == nil) != (got.ID == "l-1") || err != nil && got != (oauth.Logout{}) {
				t.Errorf("%v, %+v", err, got)
			}
			if err == nil && (got.ExpiresAt.Unix() != with(claims, c.changes)["exp"] || got.SID+got.Subject == "") {
				t.Errorf("%+v", got)
			}
			if err != nil && strings.Contains(err.Error(), token.Reveal()[:40]) {
				t.Errorf("the error holds the token: %v", err)
			}
			if c.code != "" {
				return
			}
			for kind, err := range map[string]error{"access": second(client.VerifyAccess(t.Context(), token)),
				"id": second(client.VerifyID(t.Context(), token, secret.String{}, secret.New("a"))), "renewed id": second(client.VerifyRenewedID(t.Context(), token, secret.New("a")))} {
				if codeOf(err) != oauth.TokenType && codeOf(err) != oauth.TokenSubject {
					t.Errorf("T043 as %s token: %v", kind, err)
				}
			}
		})
	}
}

func second(_ oauth.Claims, err error) error { return err }

// TestLogoutForm: OpenID Connect Back-Channel Logout 1.0 §2.5, one parameter, once.
func TestLogoutForm(t *testing.T) {
	for body, want := range map[string]string{
		"logout_token=a.b.c": "a.b.c", "logout_token=a%2Eb.c&x=1": "a.b.c", "": "", "logout_token=": "", "logout_token=a.b": "",
		"logout_token=a.b.c&logout_token=a.b.c": "", "logout_token=a.b.c;x=1": "", "logout_token=%zz": "", "LOGOUT_TOKEN=a.b.c": "",
		`{"logout_token":"a.b.c"}`: "", "logout_token=" + strings.Repeat("a", 17<<10) + ".b.c": "",
	} {
		got, err := oauth.ParseLogoutForm(body)
		if got.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: %q, %v", body, got.Reveal(), err)
		}
	}
}

// TestStrangersDoNotSpendTheKeys: anybody may send logout tokens with invented keys: they cost the server one question a
// minute, and a token of its own that names a new key is not refused for it.
func TestStrangersDoNotSpendTheKeys(t *testing.T) {
	first, next := newKey(t), newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(first, "k1")})
		client := newVerifier(t, server)
		invented := func() {
			t.Helper()
			token := sign(t, object{"alg": "RS256", "kid": rand.Text()}, logoutClaims(), func(string) []byte { return make([]byte, 256) })
			if _, err := client.VerifyLogout(t.Context(), token); codeOf(err) != oauth.TokenUnknownKey {
				t.Errorf("%v", err)
			}
		}
		for range 600 { // ten minutes of one a second
			invented()
			time.Sleep(time.Second)
		}
		if n := server.asked.Load(); n != 10 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		invented()
		server.keys.Store([]object{jwk(first, "k1"), jwk(next, "k2")})
		token := sign(t, object{"alg": "RS256", "kid": "k2"}, accessClaims(), rs(t, next, crypto.SHA256))
		if _, err := client.VerifyAccess(t.Context(), token); err != nil {
			t.Errorf("the server's own token: %v", err)
		}
	})
}

// TestEndSession: Keycloak's form, and what its answers mean.
func TestEndSession(t *testing.T) {
	requests := make(chan recorded, 1)
	status := 0
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		if status != 204 {
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
		}
	})
	client := newClient(t, base, func(c *oauth.ClientConfig) { c.Server.EndSession = base + "/logout" })
	for status = range map[int]bool{204: true, 200: true, 302: true, 400: true, 503: true} {
		err := client.EndSession(t.Context(), secret.New("r"), secret.String{})
		got := <-requests
		want := url.Values{"client_id": {"locum"}, "client_secret": {"a:b+c%d é/&"}, "refresh_token": {"r"}}
		var refused *oauth.ResponseError
		switch {
		case got.method != "POST" || got.path != "/logout" || got.query != "" || got.form.Encode() != want.Encode():
			t.Errorf("%s %s?%s %v", got.method, got.path, got.query, got.form)
		case status < 300 && err != nil, status >= 300 && (!errors.As(err, &refused) || refused.Status != status):
			t.Errorf("%d: %v", status, err)
		case status == 400 && refused.Code != "invalid_grant":
			t.Errorf("%d: %v", status, err)
		}
	}
	if err := newClient(t, base, nil).EndSession(t.Context(), secret.New("r"), secret.String{}); !errors.Is(err, oauth.ErrNoEndpoint) {
		t.Errorf("without an endpoint: %v", err)
	}
}

// FuzzLogout: whatever is sent, signed rightly or not, what is obeyed is signed, this client's, short-lived, names a login or a
// person, has an id, says that it is a logout, and is no other kind of token.
func FuzzLogout(f *testing.F) {
	claims := func(changes object) string {
		body, err := json.Marshal(with(with(logoutClaims(), object{"exp": time.Now().Unix() + 3000}), changes))
		if err != nil {
			f.Fatal(err)
		}
		return string(body)
	}
	for _, changes := range []object{nil, {"events": nil}, {"nonce": "n"}, {"sid": nil}, {"sub": nil}, {"jti": nil}, {"typ": "ID"}, {"aud": []string{"x", "locum"}},
		{"events": object{logoutEvent: 1}}, {"exp": 1e12}, {"iss": "x"}} {
		f.Add(`{"alg":"RS256","kid":"k1","typ":"logout+jwt"}`, claims(changes), true)
	}
	f.Add(`{"alg":"none"}`, claims(nil), false)
	f.Add(`{"alg":"RS256","kid":"k1","typ":"JWT"}`, `{"events":{"`+logoutEvent+`":{}},`+claims(nil)[1:], true)
	server := &certs{}
	key := newQuickKey(f)
	server.keys.Store([]object{key.jwk("k1")})
	client := newVerifier(f, server)
	f.Fuzz(func(t *testing.T, header, claims string, signed bool) {
		content := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
		signature := make([]byte, 256)
		if signed {
			signature = key.sign(content)
		}
		token := secret.New(content + "." + b64.EncodeToString(signature))
		form, err := oauth.ParseLogoutForm("logout_token=" + url.QueryEscape(token.Reveal()))
		if err == nil && !form.Equal(token) {
			t.Fatal("the form gives another token")
		}
		got, err := client.VerifyLogout(t.Context(), token)
		if err != nil {
			if got != (oauth.Logout{}) {
				t.Fatalf("refused, and %+v", got)
			}
			return
		}
		var second struct {
			Iss, Typ, Sub, Sid, Jti string
			Aud                     any
			Exp, Iat                float64
			Nonce                   any
			Events                  map[string]any
		}
		var all object
		if json.Unmarshal([]byte(claims), &second) != nil || json.Unmarshal([]byte(claims), &all) != nil || !signed {
			t.Fatal("obeyed, and not readable, or signed by nobody")
		}
		_, isObject := all["events"].(object)[logoutEvent].(object)
		_, nonce := all["nonce"]
		switch {
		case all["iss"] != testIssuer, !strings.Contains(fmt.Sprint(all["aud"]), "locum"), !isObject, nonce,
			all["typ"] != nil && all["typ"] != "Logout", got.ID == "" || got.ID != all["jti"], got.SID == "" && got.Subject == "",
			got.SID != "" && got.SID != all["sid"], got.Subject != "" && got.Subject != all["sub"],
			time.Until(got.ExpiresAt) > time.Hour+time.Minute, time.Until(got.ExpiresAt) < -time.Minute:
			t.Fatalf("%s: %+v", claims, got)
		}
		if _, err := client.VerifyAccess(t.Context(), token); err == nil {
			t.Fatal("an access token too")
		}
		if _, err := client.VerifyRenewedID(t.Context(), token, secret.New("a")); err == nil {
			t.Fatal("an id_token too")
		}
	})
}
