package oauth_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestT046ServerClock: a server whose clock differs by minutes issues usable tokens, one whose clock differs by more
// does not, and nothing is learned from the key set, which may come out of a cache.
func TestT046ServerClock(t *testing.T) {
	key := newKey(t)
	for _, c := range []struct {
		name            string
		ahead, keyAhead time.Duration
		noDate          bool
		code            string // of a token that the server issues now for 5 minutes
	}{
		{"same time", 0, 0, false, ""},
		{"T046 ten minutes ahead", 10 * time.Minute, 10 * time.Minute, false, ""},
		{"T046 ten minutes behind", -10 * time.Minute, -10 * time.Minute, false, ""},
		{"T046 an hour ahead", time.Hour, time.Hour, false, oauth.TokenNotYetValid},
		{"T046 an hour behind", -time.Hour, -time.Hour, false, oauth.TokenExpired},
		{"ten minutes behind without saying so", -10 * time.Minute, -10 * time.Minute, true, oauth.TokenExpired},
		{"key set out of a cache", 0, -10 * time.Minute, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newVerifier(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ahead := c.ahead
				if r.URL.Path == "/certs" {
					ahead = c.keyAhead
				}
				w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				if c.noDate {
					w.Header()["Date"] = nil
				}
				json.NewEncoder(w).Encode(object{"keys": []object{jwk(key, "k1")}})
			}))
			if _, err := client.Refresh(t.Context(), secret.New("r")); err != nil {
				t.Fatal(err)
			}
			now := time.Now().Add(c.ahead).Unix()
			issue := func(age int64) error {
				claims := with(accessClaims(), object{"iat": now - age, "exp": now + 300 - age})
				_, err := client.VerifyAccess(t.Context(), sign(t, object{"alg": "RS256", "kid": "k1"}, claims, rs(t, key, crypto.SHA256)))
				return err
			}
			var refusal *oauth.TokenError
			switch err := issue(0); {
			case c.code == "" && err != nil:
				t.Errorf("a fresh token: %v", err)
			case c.code != "" && (!errors.As(err, &refusal) || refusal.Code != c.code):
				t.Errorf("a fresh token: %v", err)
			}
			if err := issue(300 + 70); c.ahead < time.Hour && (!errors.As(err, &refusal) || refusal.Code != oauth.TokenExpired) {
				t.Errorf("T040 a token that ended 70 s ago by the server's clock: %v", err)
			}
			if got := client.ClockOffset(); c.code == "" && (got-c.ahead).Abs() > 5*time.Second || c.code != "" && got != 0 {
				t.Errorf("offset %v", got)
			}
		})
	}
}
