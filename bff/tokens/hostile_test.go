package tokens_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// TestForgedAtRefresh: what a token endpoint answers to a refresh is checked as the first answer was (T036 to T045). The token
// in use goes on, nothing that is wrong is handed out, and the connection heals once the platform does.
func TestForgedAtRefresh(t *testing.T) {
	claim := func(name string, value any) func(*bench, string) {
		return func(b *bench, _ string) { b.sandbox.AlterClaims(func(claims map[string]any) { claims[name] = value }) }
	}
	// instead answers with a token made of the one in use
	instead := func(forge func(header, claims, signature string) string) func(*bench, string) {
		return func(b *bench, access string) {
			parts := strings.Split(access, ".")
			body, err := json.Marshal(map[string]any{"access_token": forge(parts[0], parts[1], parts[2]), "expires_in": 300})
			must(b.t, err)
			b.sandbox.Answer(sandbox.EndpointRefresh, sandbox.Canned{Body: string(body)}, 1)
		}
	}
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	says := func(answer sandbox.Canned) func(*bench, string) {
		return func(b *bench, _ string) { b.sandbox.Answer(sandbox.EndpointRefresh, answer, 1) }
	}
	cases := []struct {
		name  string
		spoil func(b *bench, access string)
		cause string
	}{
		{"T036 none", instead(func(_, c, _ string) string { return header(`{"alg":"none"}`) + "." + c + "." }), tokens.CauseBadToken},
		{"T036 empty signature", instead(func(h, c, _ string) string { return h + "." + c + "." }), tokens.CauseBadToken},
		{"T036 other claims under the old signature", instead(func(h, _, s string) string { return h + "." + header(`{"typ":"Bearer"}`) + "." + s }), tokens.CauseBadToken},
		{"T037 a key of its own", instead(func(_, c, s string) string {
			return header(`{"alg":"RS256","kid":"mine","jku":"https://e.example/"}`) + "." + c + "." + s
		}), tokens.CauseBadToken},
		{"T039 azp of another client", claim("azp", "other"), tokens.CauseBadToken},
		{"T039 aud a number", claim("aud", 7), tokens.CauseBadToken},
		{"T040 expired", claim("exp", 1), tokens.CauseBadToken},
		{"T040 exp a text", claim("exp", "9999999999"), tokens.CauseBadToken},
		{"T040 nbf 1e308", claim("nbf", 1e308), tokens.CauseBadToken},
		{"T040 iat far ahead", claim("iat", 9e9), tokens.CauseBadToken},
		{"T043 an id_token", claim("typ", "ID"), tokens.CauseBadToken},
		{"T045 50 kB of dots", instead(func(string, string, string) string { return "a" + strings.Repeat(".", 50<<10) }), tokens.CauseBadToken},
		{"T031 expires_in zero", says(sandbox.Canned{Body: `{"access_token":"a","expires_in":0}`}), tokens.CauseNoAnswer},
		{"T031 access_token twice", says(sandbox.Canned{Body: `{"access_token":"a","access_token":"b","expires_in":300}`}), tokens.CauseNoAnswer},
		{"T031 opaque", says(sandbox.Canned{Body: `{"access_token":"a","expires_in":300}`}), tokens.CauseBadToken},
		{"T032 200 kB", says(sandbox.Canned{Body: strings.Repeat(" ", 200<<10)}), tokens.CauseNoAnswer},
		{"T032 text/html", says(sandbox.Canned{Body: "<html>", Header: map[string]string{"Content-Type": "text/html"}}), tokens.CauseNoAnswer},
		{"T032 deep", says(sandbox.Canned{Body: strings.Repeat("[", 20_000)}), tokens.CauseNoAnswer},
		{"T030 a redirect", says(sandbox.Canned{Status: 307, Header: map[string]string{"Location": "https://e.example/"}}), tokens.CauseUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				id := b.connect("p1", robin, b.a)
				old := b.fresh("p1", id)
				pass(due)
				c.spoil(b, old.Access.Reveal())
				if lease := b.fresh("p1", id); !lease.Access.Equal(old.Access) {
					t.Error("another token was handed out")
				}
				wantState(t, b.view("p1", id), tokens.StateDegraded, c.cause)
				b.wantEvents("refresh_failed", c.cause)
				if n := b.refreshes(); n != 1 {
					t.Errorf("%d refreshes", n)
				}
				pass(gone - due)
				if lease := b.fresh("p1", id); lease.Access.Equal(old.Access) || !b.works(lease) {
					t.Error("not healed")
				}
				wantState(t, b.view("p1", id), tokens.StateConnected, "")
			})
		})
	}
}
