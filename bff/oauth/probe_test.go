package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
)

func TestReadMetadata(t *testing.T) {
	const good = `{"issuer":"i","authorization_endpoint":"a","token_endpoint":"t","jwks_uri":"j","revocation_endpoint":"r",` +
		`"introspection_endpoint":"n","end_session_endpoint":"e","authorization_response_iss_parameter_supported":true,` +
		`"code_challenge_methods_supported":["plain","S256"],"token_endpoint_auth_methods_supported":["client_secret_post"],"unknown":{"a":[1]}}`
	var refused *oauth.ResponseError
	var transport *oauth.TransportError
	for _, c := range []struct {
		name string
		code int
		body string
		fits func(oauth.Metadata, error) bool
	}{
		{"good", 200, good, func(m oauth.Metadata, err error) bool {
			return err == nil && m.Server() == (oauth.Server{Issuer: "i", Authorization: "a", Token: "t", Revocation: "r", Introspection: "n",
				EndSession: "e", JWKS: "j", RequireIss: true}) && len(m.ChallengeMethods) == 2 && m.TokenAuthMethods[0] == "client_secret_post"
		}},
		{"what is left out stays empty", 200, `{"issuer":"i"}`, func(m oauth.Metadata, err error) bool {
			return err == nil && m.Server() == oauth.Server{Issuer: "i"} && m.ChallengeMethods == nil && m.TokenAuthMethods == nil
		}},
		{"not found", 404, good, func(_ oauth.Metadata, err error) bool { return errors.As(err, &refused) && refused.Status == 404 }},
		{"a redirect is an answer", 302, "", func(_ oauth.Metadata, err error) bool { return errors.As(err, &refused) && refused.Status == 302 }},
		{"HTML", 200, "<html>", func(_ oauth.Metadata, err error) bool { return errors.Is(err, oauth.ErrMalformed) }},
		{"a member twice", 200, `{"issuer":"i","issuer":"k"}`, func(_ oauth.Metadata, err error) bool { return errors.Is(err, oauth.ErrMalformed) }},
		{"issuer a list", 200, `{"issuer":["i"]}`, func(_ oauth.Metadata, err error) bool { return errors.Is(err, oauth.ErrMalformed) }},
		{"iss a text", 200, `{"authorization_response_iss_parameter_supported":"yes"}`, func(_ oauth.Metadata, err error) bool { return errors.Is(err, oauth.ErrMalformed) }},
		{"methods a text", 200, `{"code_challenge_methods_supported":"S256"}`, func(_ oauth.Metadata, err error) bool { return errors.Is(err, oauth.ErrMalformed) }},
		{"T085 larger than 64 kB", 200, `{"issuer":"` + strings.Repeat("x", 65<<10) + `"}`, func(_ oauth.Metadata, err error) bool {
			return errors.As(err, &transport) && errors.Is(err, oauth.ErrTooLarge)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests := make(chan recorded, 1)
			client := newClient(t, newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.code)
				fmt.Fprint(w, c.body)
			}), nil)
			m, err := client.ReadMetadata(t.Context())
			if !c.fits(m, err) {
				t.Errorf("%+v, %v", m, err)
			}
			if r := <-requests; r.method != http.MethodGet || r.path != "/.well-known/openid-configuration" || r.query != "" {
				t.Errorf("asked %s %s?%s", r.method, r.path, r.query)
			}
		})
	}
}

// TestReadMetadataTellsTheClock: to a second, from the Date of the answer.
func TestReadMetadataTellsTheClock(t *testing.T) {
	for _, c := range []struct {
		name string
		date string
		want time.Duration
		said bool
	}{
		{"in step", time.Now().UTC().Format(http.TimeFormat), 0, true},
		{"an hour ahead", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), time.Hour, true},
		{"no date that can be read", "yesterday", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, newServer(t, make(chan recorded, 1), func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", c.date)
				fmt.Fprint(w, `{}`)
			}), nil)
			m, err := client.ReadMetadata(t.Context())
			// A minute for a machine that stands still; the offsets are far larger.
			if err != nil || m.ClockSaid != c.said || (m.ClockAhead-c.want).Abs() > time.Minute {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

func TestCountKeys(t *testing.T) {
	for _, c := range []struct {
		name, body string
		code       int
		ok         bool
	}{
		{"no keys", `{"keys":[]}`, 200, false},
		{"a secret key alone", `{"keys":[{"kty":"oct","kid":"a","use":"sig","k":"AA"}]}`, 200, false},
		{"no key set", `[]`, 200, false},
		{"an error", `{"keys":[]}`, 500, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, newServer(t, make(chan recorded, 1), func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.code)
				fmt.Fprint(w, c.body)
			}), nil)
			if n, err := client.CountKeys(t.Context()); n != 0 || (err == nil) != c.ok {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// TestAskAuthorization: what the endpoint answers is read off the status and the Location, which is never followed.
func TestAskAuthorization(t *testing.T) {
	const back = "https://locum.example.org/connect/jane/callback"
	for _, c := range []struct {
		name, location string
		status         int
		want           oauth.AuthorizationAnswer
	}{
		{"a page", "", 200, oauth.AuthorizationAnswer{Status: 200}},
		{"an error page", "", 400, oauth.AuthorizationAnswer{Status: 400}},
		{"back", back + "?error=login_required&error_description=no%20one&state=s&iss=https%3A%2F%2Fi", 302,
			oauth.AuthorizationAnswer{Status: 302, Back: true, Code: "login_required", Description: "no one", State: "s", Iss: "https://i"}},
		{"back by 303", back + "?error=invalid_scope", 303, oauth.AuthorizationAnswer{Status: 303, Back: true, Code: "invalid_scope"}},
		{"elsewhere", "https://login.example.org/?error=login_required", 302, oauth.AuthorizationAnswer{Status: 302}},
		{"to a longer path", back + "/x?error=login_required", 302, oauth.AuthorizationAnswer{Status: 302}},
		{"to another host by userinfo", "https://locum.example.org@evil.example/connect/jane/callback?error=x", 302, oauth.AuthorizationAnswer{Status: 302}},
		{"to a relative path", "/connect/jane/callback?error=login_required", 302, oauth.AuthorizationAnswer{Status: 302}},
		{"a Location on a page", back + "?error=login_required", 200, oauth.AuthorizationAnswer{Status: 200}},
		{"no query that can be read", back + "?error=%zz", 302, oauth.AuthorizationAnswer{Status: 302}},
		{"T086 an error that is no code", back + "?error=a%22b&error_description=x%1B%5B31m%0Ay", 302,
			oauth.AuthorizationAnswer{Status: 302, Back: true, Description: "x [31m y"}},
		{"an endless description", back + "?error=x&error_description=" + strings.Repeat("d", 9000), 302,
			oauth.AuthorizationAnswer{Status: 302, Back: true, Code: "x", Description: strings.Repeat("d", 200)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests := make(chan recorded, 2)
			client := newClient(t, newServer(t, requests, func(w http.ResponseWriter, r *http.Request) {
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				// A body without end is not waited for.
				for r.Context().Err() == nil {
					if _, err := w.Write(make([]byte, 32<<10)); err != nil {
						return
					}
				}
			}), nil)
			got, err := client.AskAuthorization(t.Context(), oauth.AuthorizationRequest{
				State: "s", Challenge: strings.Repeat("c", 43), Scopes: []string{"patients:read"}, Prompt: "none",
			})
			if err != nil || got != c.want {
				t.Errorf("%+v, %v", got, err)
			}
			if r := <-requests; r.method != http.MethodGet || r.path != "/auth" || !strings.HasSuffix(r.query, "&prompt=none") || r.header.Get("Cookie") != "" {
				t.Errorf("asked %+v", r)
			}
			if len(requests) > 0 {
				t.Error("something was followed")
			}
		})
	}
}

func TestAskAuthorizationUnreachable(t *testing.T) {
	client := newClient(t, "http://127.0.0.1:1", nil)
	var transport *oauth.TransportError
	if _, err := client.AskAuthorization(t.Context(), oauth.AuthorizationRequest{State: "s", Challenge: strings.Repeat("c", 43)}); !errors.As(err, &transport) {
		t.Errorf("%v", err)
	}
	if _, err := client.AskAuthorization(t.Context(), oauth.AuthorizationRequest{State: "s"}); !errors.As(err, &transport) {
		t.Errorf("without a challenge: %v", err)
	}
	client.Close()
	if _, err := client.AskAuthorization(t.Context(), oauth.AuthorizationRequest{State: "s", Challenge: strings.Repeat("c", 43)}); !errors.Is(err, oauth.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
