package sandbox

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func secondsText(d time.Duration) string { return strconv.Itoa(seconds(d)) }

// check says what is wrong with an app.
func (f *Face) check(app App) error {
	for _, uri := range app.RedirectURIs {
		if !registrable(uri) {
			return errors.New("redirect URI " + uri + " is not an exact https address, or http on this machine")
		}
	}
	if app.LaunchURL != "" && !registrable(app.LaunchURL) {
		return errors.New("launch URL " + app.LaunchURL + " is not an exact https address, or http on this machine")
	}
	for _, scope := range app.Scopes {
		free := app
		free.Scopes = nil
		if !f.knows(scope, free) {
			return errors.New("scope " + scope + " is unknown for such an app")
		}
	}
	keyed := app.JWKS != "" || app.JWKSURL != ""
	switch {
	case app.ID == "":
		return errors.New("it has no id")
	case !slices.Contains([]string{authBasic, authPost, authKey, authNone}, app.Auth):
		return errors.New("unknown client authentication " + app.Auth)
	case (app.Auth == authKey) != keyed || app.JWKS != "" && app.JWKSURL != "":
		return errors.New("private_key_jwt, and nothing else, needs one of JWKS and JWKSURL")
	case app.Service && app.Auth == authNone: // "athenahealth guide": PKCE is for 3-legged OAuth only
		return errors.New("a service app cannot be public")
	case app.Service && (app.RedirectURIs != nil || app.LaunchURL != ""):
		return errors.New("a service app has no redirect URI and is not launched")
	}
	if app.JWKSURL != "" {
		u, err := url.Parse(app.JWKSURL)
		if err != nil || !local(u.Hostname()) {
			return errors.New("the sandbox reads key sets of this machine only")
		}
	}
	if app.JWKS != "" {
		_, err := readKeySet([]byte(app.JWKS))
		return err
	}
	return nil
}

func local(host string) bool {
	at, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && at.IsLoopback()
}

const noCredentials = "No client credentials found."

// clientOf authenticates the app in the one way that is registered for it (RFC 6749 §2.3: never two at once). A secret in the
// form of an app that is not registered for it is not looked at: "athenahealth guide, Token Endpoint", Troubleshooting.
func (f *Face) clientOf(r *http.Request, form url.Values) (App, *faceError) {
	basic := r.Header.Get("Authorization") != ""
	asserted := form.Has("client_assertion")
	switch {
	case basic && (form.Has("client_secret") || asserted), asserted && form.Has("client_secret"):
		return App{}, badRequest("Cannot supply multiple client credentials.")
	case asserted:
		return f.assertedBy(r, form)
	case basic:
		return f.basicClient(r, form)
	}
	app, known := f.app(form.Get("client_id"))
	switch {
	case !known:
		return App{}, badClient(noCredentials)
	case app.Auth == authNone && !form.Has("client_secret"):
		return app, nil
	case app.Auth == authPost:
		return app, sameSecret(app, form.Get("client_secret"))
	}
	return App{}, badClient(noCredentials)
}

// basicClient reads a Basic header, form-encoded (RFC 6749 §2.3.1) or raw: SetBasic.
func (f *Face) basicClient(r *http.Request, form url.Values) (App, *faceError) {
	f.s.mu.Lock()
	raw := f.switches.rawBasic
	f.s.mu.Unlock()
	encoded, found := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	id, word, colon := strings.Cut(string(decoded), ":")
	if !found || err != nil || !colon {
		return App{}, badClient(noCredentials)
	}
	if !raw {
		name, err1 := url.QueryUnescape(id)
		text, err2 := url.QueryUnescape(word)
		// What form-encoding would have written otherwise was not form-encoded, as a strict server notices.
		if err1 != nil || err2 != nil || url.QueryEscape(text) != formOf(word) || url.QueryEscape(name) != formOf(id) {
			return App{}, badRequest("The Authorization header is not form-encoded.")
		}
		id, word = name, text
	}
	app, known := f.app(id)
	switch {
	case !known || form.Has("client_id") && form.Get("client_id") != id:
		return App{}, badClient("Invalid value for 'client_id' parameter.")
	case app.Auth != authBasic:
		return App{}, badClient("The client is not registered for this authentication method.")
	}
	return app, sameSecret(app, word)
}

// formOf writes percent escapes as url.QueryEscape does, in capitals, so that encodings can be compared.
func formOf(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToUpper(string(b[i+1:i+3])))
		}
	}
	// Both forms of the same byte are good: %20 and +, and the unreserved characters escaped or not.
	return strings.ReplaceAll(strings.ReplaceAll(string(b), "%20", "+"), "%7E", "~")
}

func sameSecret(app App, word string) *faceError {
	if subtle.ConstantTimeCompare([]byte(app.Secret), []byte(word)) != 1 {
		return badClient("The client secret supplied for a confidential client is invalid.")
	}
	return nil
}

// askedBy is whose token request it says it is, for the budget.
func (f *Face) askedBy(r *http.Request, form url.Values) string {
	if id, _, ok := r.BasicAuth(); ok {
		return id
	}
	if id := form.Get("client_id"); id != "" {
		return id
	}
	return unreadIssuer(form.Get("client_assertion"))
}

// crowded counts a token request against its app's budget, says what is left, and answers when there is nothing left.
func (f *Face) crowded(w http.ResponseWriter, app string) bool {
	f.s.mu.Lock()
	c := f.gate[app]
	if c == nil {
		if len(f.gate) >= maxHeld {
			f.gate = map[string]*count{}
		}
		c = &count{}
		f.gate[app] = c
	}
	now, limit, told := f.s.nowLocked(), f.switches.tokens, f.switches.quota
	wait := c.add(limit, now)
	used := c.n
	f.s.mu.Unlock()
	if told {
		quotaHeaders(w, limit, used, now.Truncate(time.Minute).Add(time.Minute).Sub(now))
	}
	if wait <= 0 {
		return false
	}
	w.Header().Set("Retry-After", retryAfter(wait))
	writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "too_many_requests", "detailedmessage": "The rate limit for this application has been exceeded."})
	return true
}

// quotaHeaders tells what is left (SetQuotaHeaders).
func quotaHeaders(w http.ResponseWriter, limit Limit, used int, reset time.Duration) {
	if limit.N <= 0 {
		limit.N = 1_000_000
	}
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit.N))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(limit.N-used, 0)))
	w.Header().Set("X-RateLimit-Reset", secondsText(reset+time.Second-1))
}
