package platform_test

import (
	"encoding/json"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// TestT050EndOf: Keycloak's words are known whole and exact, and no others are.
func TestT050EndOf(t *testing.T) {
	p, err := platform.Jane(platform.JaneConfig{
		ID: "jane", Issuer: platform.JaneIssuer, ClientID: "client", PublicURL: "https://locum.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Token is not active":                              platform.EndExpired,
		"Session not active":                               platform.EndSession,
		"Session doesn't have required client":             platform.EndDetached,
		"Maximum allowed refresh token reuse exceeded":     platform.EndSuperseded,
		"Stale token":                                      platform.EndSuperseded,
		"User disabled":                                    platform.EndUserDisabled,
		"Client no longer has requested consent from user": platform.EndConsent,
		"Unmatching clients":                               platform.EndOtherClient,
		"stale token":                                      "",
		"Stale token ":                                     "",
		"":                                                 "",
	} {
		if got := p.EndOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := (&platform.Platform{}).EndOf("Stale token"); got != "" {
		t.Errorf("a platform without a table knows %q", got)
	}
}

// TestSignedIn: auth_time is a date before the token's end, or nothing.
func TestSignedIn(t *testing.T) {
	end := time.Unix(2_000_000_000, 0)
	for name, c := range map[string]struct {
		value any
		want  int64
	}{
		"a date": {json.Number("1999990000"), 1999990000}, "absent": {nil, 0}, "a text": {"1999990000", 0},
		"a fraction": {json.Number("1.5"), 0}, "zero": {json.Number("0"), 0}, "negative": {json.Number("-5"), 0},
		"huge": {json.Number("1e300"), 0}, "behind the token's end": {json.Number("2000000001"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := platform.SignedIn(oauth.Claims{Expiry: end, Extra: map[string]any{"auth_time": c.value}})
			if c.want == 0 && !got.IsZero() || c.want != 0 && got.Unix() != c.want {
				t.Errorf("signed in at %v", got)
			}
		})
	}
}
