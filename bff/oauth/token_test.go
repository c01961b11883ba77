package oauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

func answer(status int, body string) oauth.Answer {
	return oauth.Answer{Status: status, Body: secret.New(body), ReceivedAt: time.Now()}
}

func TestParseTokenOfTheGuide(t *testing.T) {
	// "Jane guide, Step 3, Example Response".
	token, err := oauth.ParseToken(answer(200, `{"access_token":"eyJhbGciOiJSUzI1.a.b","expires_in":300,"refresh_expires_in":1800,
		"refresh_token":"eyJhbGciOiJIUzI1.c.d","token_type":"Bearer","id_token":"eyJhbGciOiJSUzI1.e.f","not-before-policy":0,
		"session_state":"a856fb91-eabc"}`))
	if err != nil {
		t.Fatal(err)
	}
	if token.Access.Reveal() != "eyJhbGciOiJSUzI1.a.b" || token.Refresh.Reveal() != "eyJhbGciOiJIUzI1.c.d" ||
		token.ID.Reveal() != "eyJhbGciOiJSUzI1.e.f" || token.SessionState != "a856fb91-eabc" || token.Scope != "" {
		t.Errorf("read as %+v", token)
	}
	if token.ExpiresIn != 5*time.Minute || token.RefreshExpiresIn != 30*time.Minute {
		t.Errorf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
	}
}

func TestParseTokenTable(t *testing.T) {
	const bad = -1
	for _, c := range []struct {
		name    string
		body    string
		seconds int // bad: ErrMalformed
		refresh int
	}{
		{"least", `{"access_token":"a","expires_in":300}`, 300, 0},
		{"unknown members", `{"access_token":"a","expires_in":300,"x":{"y":[1]}}`, 300, 0},
		{"T031 expires_in as a string", `{"access_token":"a","expires_in":"300"}`, 300, 0},
		{"T031 expires_in fractional", `{"access_token":"a","expires_in":3.5}`, 3, 0},
		{"T031 expires_in exponent", `{"access_token":"a","expires_in":3e2}`, 300, 0},
		{"T031 expires_in absent", `{"access_token":"a"}`, 60, 0},
		{"T031 expires_in null", `{"access_token":"a","expires_in":null}`, bad, 0},
		{"T031 expires_in zero", `{"access_token":"a","expires_in":0}`, bad, 0},
		{"T031 expires_in negative", `{"access_token":"a","expires_in":-1}`, bad, 0},
		{"T031 expires_in huge", `{"access_token":"a","expires_in":1e20}`, 86400, 0},
		{"T031 expires_in beyond floats", `{"access_token":"a","expires_in":1e999}`, 86400, 0},
		{"T031 expires_in int64 wrap", `{"access_token":"a","expires_in":9223372036854775807}`, 86400, 0},
		{"T031 expires_in NaN", `{"access_token":"a","expires_in":NaN}`, bad, 0},
		{"T031 expires_in a text NaN", `{"access_token":"a","expires_in":"NaN"}`, bad, 0},
		{"T031 expires_in a text Inf", `{"access_token":"a","expires_in":"Infinity"}`, bad, 0},
		{"T031 expires_in hexadecimal", `{"access_token":"a","expires_in":"0x1p9"}`, bad, 0},
		{"T031 expires_in empty", `{"access_token":"a","expires_in":""}`, bad, 0},
		{"T031 expires_in a list", `{"access_token":"a","expires_in":[300]}`, bad, 0},
		{"T031 expires_in twice", `{"access_token":"a","expires_in":300,"expires_in":301}`, bad, 0},
		{"refresh_expires_in zero (offline)", `{"access_token":"a","expires_in":300,"refresh_expires_in":0}`, 300, 0},
		{"refresh_expires_in as a string", `{"access_token":"a","expires_in":300,"refresh_expires_in":"1800"}`, 300, 1800},
		{"refresh_expires_in negative", `{"access_token":"a","expires_in":300,"refresh_expires_in":-5}`, 300, 0},
		{"refresh_expires_in unreadable", `{"access_token":"a","expires_in":300,"refresh_expires_in":{}}`, 300, 0},
		{"refresh_expires_in huge", `{"access_token":"a","expires_in":300,"refresh_expires_in":1e300}`, 300, 31536000},
		{"T031 token_type bearer", `{"access_token":"a","expires_in":300,"token_type":"bearer"}`, 300, 0},
		{"T031 token_type BEARER", `{"access_token":"a","expires_in":300,"token_type":"BEARER"}`, 300, 0},
		{"T031 token_type mac", `{"access_token":"a","expires_in":300,"token_type":"mac"}`, bad, 0},
		{"T031 token_type a number", `{"access_token":"a","expires_in":300,"token_type":1}`, bad, 0},
		{"T031 access_token empty", `{"access_token":"","expires_in":300}`, bad, 0},
		{"T031 access_token absent", `{"refresh_token":"r","expires_in":300}`, bad, 0},
		{"T031 access_token null", `{"access_token":null,"expires_in":300}`, bad, 0},
		{"access_token in another case", `{"Access_Token":"a","expires_in":300}`, bad, 0},
		{"access_token with a line break", `{"access_token":"a\r\nX: y","expires_in":300}`, bad, 0},
		{"access_token with a space", `{"access_token":"a b","expires_in":300}`, bad, 0},
		{"access_token only padding", `{"access_token":"==","expires_in":300}`, bad, 0},
		{"T031 access_token twice", `{"access_token":"a","access_token":"b","expires_in":300}`, bad, 0},
		{"refresh_token with a control", "{\"access_token\":\"a\",\"expires_in\":300,\"refresh_token\":\"r\\u0000\"}", bad, 0},
		{"refresh_token null", `{"access_token":"a","expires_in":300,"refresh_token":null}`, 300, 0},
		{"T031 BOM", "\ufeff{\"access_token\":\"a\",\"expires_in\":300}", bad, 0},
		{"a list", `[{"access_token":"a","expires_in":300}]`, bad, 0},
		{"a text", `"a"`, bad, 0},
		{"null", `null`, bad, 0},
		{"HTML", `<html>`, bad, 0},
		{"empty", ``, bad, 0},
		{"two objects", `{"access_token":"a","expires_in":300}{}`, bad, 0},
		{"cut", `{"access_token":"a","expires_in":300`, bad, 0},
		{"bad UTF-8", "{\"access_token\":\"a\",\"expires_in\":300,\"x\":\"\xff\"}", bad, 0},
		{"deep", `{"access_token":"a","expires_in":300,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, bad, 0},
		{"an error with status 200", `{"error":"invalid_token"}`, bad, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := oauth.ParseToken(answer(200, c.body))
			if c.seconds == bad {
				if !errors.Is(err, oauth.ErrMalformed) {
					t.Fatalf("error %v, token %v", err, token)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token.ExpiresIn != time.Duration(c.seconds)*time.Second || token.RefreshExpiresIn != time.Duration(c.refresh)*time.Second {
				t.Errorf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
			}
		})
	}
}

func TestParseTokenRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		code   string
		text   string
	}{
		{"expired refresh token", 400, `{"error":"invalid_grant","error_description":"Token is not active"}`, "invalid_grant", "Token is not active"},
		{"bad client", 401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`, "unauthorized_client", "Invalid client or Invalid client credentials"},
		{"no description", 400, `{"error":"invalid_scope"}`, "invalid_scope", ""},
		{"a gateway's page", 400, `<html>Bad Request</html>`, "", ""},
		{"not understood: 500 is never invalid_grant", 500, `{"error":"invalid_grant"}`, "", ""},
		{"not understood: 503", 503, ``, "", ""},
		{"a redirect", 302, `{"error":"invalid_grant"}`, "", ""},
		{"another success", 201, `{"access_token":"a","expires_in":300}`, "", ""},
		{"error twice", 400, `{"error":"invalid_grant","error":"x"}`, "", ""},
		{"error is a number", 400, `{"error":7}`, "", ""},
		{"error with a line break", 400, `{"error":"invalid_grant\nx"}`, "", ""},
		{"error too long", 400, `{"error":"` + strings.Repeat("e", 65) + `"}`, "", ""},
		{"hostile description", 400, `{"error":"invalid_grant","error_description":"\u001b[31m<b>x</b>\r\ny"}`, "invalid_grant", "[31m<b>x</b>  y"},
		{"endless description", 400, `{"error":"invalid_grant","error_description":"` + strings.Repeat("d", 5000) + `"}`, "invalid_grant", strings.Repeat("d", 200)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := oauth.ParseToken(answer(c.status, c.body))
			var refusal *oauth.ResponseError
			if !errors.As(err, &refusal) {
				t.Fatalf("error %v", err)
			}
			if refusal.Status != c.status || refusal.Code != c.code || refusal.Description != c.text {
				t.Errorf("%+v", refusal)
			}
			if c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Errorf("the server's text is part of the error: %s", err)
			}
		})
	}
}

// FuzzParseToken: whatever comes, an accepted token has an end and fits into a header.
func FuzzParseToken(f *testing.F) {
	f.Add(`{"access_token":"a","expires_in":300,"refresh_token":"r","refresh_expires_in":1800}`)
	f.Add(`{"access_token":"a","expires_in":"1e99"}`)
	f.Fuzz(func(t *testing.T, body string) {
		token, err := oauth.ParseToken(answer(200, body))
		if err != nil {
			if !errors.Is(err, oauth.ErrMalformed) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if token.ExpiresIn <= 0 || token.ExpiresIn > 24*time.Hour || token.RefreshExpiresIn < 0 {
			t.Fatalf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
		}
		if s := token.Access.Reveal(); s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
			t.Fatalf("access token %q", s)
		}
	})
}

func TestParseTokenMalformedGivesTheRefreshToken(t *testing.T) {
	for body, want := range map[string]string{
		`{"access_token":"","refresh_token":"r"}`:                       "r",
		`{"access_token":"a","expires_in":0,"refresh_token":"r"}`:       "r",
		`{"access_token":"a","token_type":"mac","refresh_token":"r"}`:   "r",
		`{"access_token":"a","expires_in":9,"refresh_token":"r\u0007"}`: "",
		`{"access_token":"a","expires_in":9,"refresh_token":5}`:         "",
		`{"refresh_token":"r","refresh_token":"s"}`:                     "",
		`{"refresh_token":"r"`:                                          "",
	} {
		token, err := oauth.ParseToken(answer(200, body))
		if !errors.Is(err, oauth.ErrMalformed) || token.Refresh.Reveal() != want || !token.Access.Empty() {
			t.Errorf("%s: %q, error %v", body, token.Refresh.Reveal(), err)
		}
	}
}
