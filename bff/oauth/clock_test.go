package oauth_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestClockAbuse: what is no date of a token answer teaches nothing, and nothing makes a token that ended more than a
// quarter of an hour and a minute ago acceptable.
func TestClockAbuse(t *testing.T) {
	key := newKey(t)
	date := func(ahead time.Duration) []string {
		return []string{time.Now().Add(ahead).UTC().Format(http.TimeFormat)}
	}
	for _, c := range []struct {
		name   string
		status int
		dates  []string
		offset time.Duration
	}{
		{"ten minutes behind", 200, date(-10 * time.Minute), -10 * time.Minute},
		{"a gateway's page out of a cache", 502, date(-10 * time.Minute), 0},
		{"a refusal", 400, date(-10 * time.Minute), 0},
		{"a redirect", 302, date(-10 * time.Minute), 0},
		{"almost a quarter of an hour behind", 200, date(-898 * time.Second), -898 * time.Second},
		{"sixteen minutes behind", 200, date(-16 * time.Minute), 0},
		{"a year behind", 200, date(-365 * 24 * time.Hour), 0},
		{"a thousand years ahead", 200, date(290 * 365 * 24 * time.Hour), 0},
		{"the year 1", 200, []string{"Mon, 01 Jan 0001 00:00:00 GMT"}, 0},
		{"the year 9999", 200, []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, 0},
		{"the year 0", 200, []string{"Sat, 01 Jan 0000 00:00:00 GMT"}, 0},
		{"no date at all", 200, []string{"yesterday"}, 0},
		{"a number", 200, []string{"1"}, 0},
		{"empty", 200, []string{""}, 0},
		{"20 kB", 200, []string{strings.Repeat("9", 20<<10)}, 0},
		{"in the zone of the server", 200, []string{time.Now().Add(-10 * time.Minute).Format(time.RFC1123Z)}, 0},
		{"twice", 200, append(date(-10*time.Minute), date(-time.Hour)...), -10 * time.Minute},
	} {
		t.Run("T040 "+c.name, func(t *testing.T) {
			client := newVerifier(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if w.Header()["Date"] = c.dates; r.URL.Path != "/certs" {
					w.WriteHeader(c.status)
				}
				json.NewEncoder(w).Encode(object{"keys": []object{jwk(key, "k1")}})
			}))
			if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
				t.Fatal(err)
			}
			if got := client.ClockOffset(); (got - c.offset).Abs() > 5*time.Second {
				t.Errorf("offset %v", got)
			}
			for age, accepted := range map[int64]bool{17 * 60: false, 50: true} {
				now := time.Now().Unix()
				claims := with(accessClaims(), object{"iat": now - 2000, "exp": now - age})
				_, err := client.VerifyAccess(t.Context(), sign(t, object{"alg": "RS256", "kid": "k1"}, claims, rs(t, key, crypto.SHA256)))
				if (err == nil) != accepted {
					t.Errorf("a token that ended %d s ago: %v", age, err)
				}
			}
		})
	}
}

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
			if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
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

// TestT088LogoutEndsByThisClock: how long a logout token has to be remembered does not depend on whose clock is wrong.
func TestT088LogoutEndsByThisClock(t *testing.T) {
	key := newKey(t)
	for _, ahead := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		client := newVerifier(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			json.NewEncoder(w).Encode(object{"keys": []object{jwk(key, "k1")}})
		}))
		if _, err := client.Refresh(t.Context(), secret.New("r"), nil); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(ahead).Unix()
		token := sign(t, logoutHeader, with(logoutClaims(), object{"iat": at, "exp": at + 120}), rs(t, key, crypto.SHA256))
		out, err := client.VerifyLogout(t.Context(), token)
		if left := time.Until(out.ExpiresAt); err != nil || left < 110*time.Second || left > 130*time.Second {
			t.Errorf("a server %v ahead: %v, good for %v", ahead, err, left)
		}
	}
}
