package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"locum/bff/secret"
)

// Token is a successful token answer (RFC 6749 §5.1). ExpiresIn is always positive and at most a day;
// RefreshExpiresIn is 0 when the server states no end, as Keycloak does for offline tokens. Refresh, ID, Scope,
// SessionState and Context may be empty.
type Token struct {
	Access, Refresh, ID         secret.String
	ExpiresIn, RefreshExpiresIn time.Duration
	Scope, SessionState         string
	Context                     LaunchContext
}

// ResponseError is a complete answer that refuses. Code is the error code of RFC 6749 §5.2, "" when the answer did not
// hold one in the letters of the registered ones or came with a status other than 4xx: only a server that has understood
// the request can say invalid_grant. Description is the server's own text, shortened to 200 printable characters; it is
// not part of Error(), because a server may repeat in it what it was sent. RetryAfter is the answer's.
type ResponseError struct {
	Status                        int
	Code, Description, RetryAfter string
	// Policy says that athenahealth's gateway has refused the request by its policy, which its text tells from other
	// refusals: what was asked for, and not who asked, does not fit the app's registration.
	Policy bool
}

func (e *ResponseError) Error() string {
	if e.Code == "" {
		return "answered with status " + strconv.Itoa(e.Status)
	}
	return "answered " + e.Code + " with status " + strconv.Itoa(e.Status)
}

// ErrMalformed says that an answer with status 200 is not a token answer.
var ErrMalformed = errors.New("malformed token answer")

const (
	maxLifetime        = 24 * time.Hour
	maxRefreshLifetime = 365 * 24 * time.Hour
	// unstatedLifetime is assumed when expires_in is left out, as RFC 6749 §5.1 allows: short, so that the token is
	// refreshed rather than trusted.
	unstatedLifetime = time.Minute

	maxScope   = 8 << 10
	maxSession = 256
	// maxDepth is how deep arrays and objects may lie in each other: decoding recurses once for each.
	maxDepth = 32
)

// ParseToken reads a token answer. The error is a *ResponseError, or wraps ErrMalformed.
//
// It bears with what servers do without harm: unknown members, token_type absent or in another case, expires_in absent,
// fractional, or a string ("300"), refresh_expires_in absent, 0 or unreadable. It refuses duplicate members, tokens
// that do not fit a header or a form, a scope of other characters than RFC 6749 §3.3 gives it, a token_type other than
// bearer, and an expires_in that is no positive number. A lifetime longer than a day counts as a day.
//
// Of an answer that is malformed the refresh token is given all the same, where it can be read: it may be the only one that
// still works, and it is what has to be revoked.
func ParseToken(answer Answer) (Token, error) {
	if answer.Status != http.StatusOK {
		return Token{}, parseError(answer)
	}
	m, err := parseMembers([]byte(answer.Body.Reveal()))
	if err != nil {
		return Token{}, err
	}
	access, err1 := m.text("access_token")
	refresh, err2 := m.text("refresh_token")
	id, err3 := m.text("id_token")
	kind, err4 := m.text("token_type")
	scope, err5 := m.text("scope")
	session, err6 := m.text("session_state")
	if !isScope(scope) {
		err5 = fmt.Errorf("%w: scope", ErrMalformed)
	}
	if len(session) > maxSession || !isVisible(session) {
		session = "" // nothing depends on it
	}
	lifetime, err7 := m.lifetime()
	if !isVisible(refresh) {
		refresh, err2 = "", fmt.Errorf("%w: refresh_token", ErrMalformed)
	}
	rest := Token{Refresh: secret.New(refresh)}
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return rest, err
	}
	switch {
	case !isBearer(access):
		return rest, fmt.Errorf("%w: access_token", ErrMalformed)
	case !isVisible(id):
		return rest, fmt.Errorf("%w: id_token", ErrMalformed)
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return rest, fmt.Errorf("%w: token_type", ErrMalformed)
	case !m.launchPatient():
		return rest, fmt.Errorf("%w: patient", ErrMalformed)
	}
	return Token{
		Access: secret.New(access), Refresh: secret.New(refresh), ID: secret.New(id),
		ExpiresIn: lifetime, RefreshExpiresIn: m.refreshLifetime(),
		Scope: scope, SessionState: session, Context: m.launchContext(),
	}, nil
}

// parseError reads a refusal (RFC 6749 §5.2).
func parseError(answer Answer) *ResponseError {
	e := &ResponseError{Status: answer.Status, RetryAfter: answer.RetryAfter}
	if answer.Status < 400 || answer.Status > 499 {
		return e
	}
	m, err := parseMembers([]byte(answer.Body.Reveal()))
	if err != nil {
		return e
	}
	if code, err := m.text("error"); err == nil && isErrorCode(code) && isPlain(code) {
		e.Code = code
	}
	if text, err := m.text("error_description"); err == nil {
		e.Description = printable(text, 200)
	}
	if text, err := m.text("detailedmessage"); err == nil && e.Description == "" {
		e.Description = printable(text, 200) // athenahealth's name of it
	}
	e.Policy = e.Code == "access_denied" && strings.HasPrefix(strings.ToLower(e.Description), "policy evaluation failed")
	return e
}

// members are the members of a JSON object, by their exact names.
type members map[string]json.RawMessage

// parseMembers refuses anything but one object whose member names are all different: with two access_tokens, two
// readers may believe different ones.
func parseMembers(body []byte) (members, error) {
	if !utf8.Valid(body) || !json.Valid(body) || !isShallow(body) {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("%w: not an object", ErrMalformed)
	}
	m := members{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
		}
		key := name.(string) // json.Valid has said that the body is an object, whose keys are strings
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("%w: a member stands twice", ErrMalformed)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
		}
		m[key] = value
	}
	return m, nil
}

// isShallow says whether nothing in valid JSON lies deeper than maxDepth.
func isShallow(body []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// text is a string member, "" when absent or null.
func (m members) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%w: %s is no string", ErrMalformed, name)
	}
	return s, nil
}

// lifetime is expires_in.
func (m members) lifetime() (time.Duration, error) {
	if _, ok := m["expires_in"]; !ok {
		return unstatedLifetime, nil
	}
	d, ok := m.seconds("expires_in", maxLifetime)
	if !ok || d <= 0 {
		return 0, fmt.Errorf("%w: expires_in", ErrMalformed)
	}
	return d, nil
}

// refreshLifetime is Keycloak's refresh_expires_in, which is advice and therefore never an error.
func (m members) refreshLifetime() time.Duration {
	d, ok := m.seconds("refresh_expires_in", maxRefreshLifetime)
	if !ok || d < 0 {
		return 0
	}
	return d
}

// seconds reads a number of seconds, written as a number or as a string, rounded down to whole ones and capped.
func (m members) seconds(name string, limit time.Duration) (time.Duration, bool) {
	s := strings.Trim(string(m[name]), `"`)
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false // also keeps ParseFloat's "inf", "nan" and hexadecimal out
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), math.IsNaN(f):
		return 0, false
	case f >= limit.Seconds():
		return limit, true
	case f < 0:
		return -1, true
	}
	return time.Duration(math.Floor(f)) * time.Second, true
}

// isBearer says whether s can stand in an Authorization header: b64token of RFC 6750 §2.1.
func isBearer(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" {
		return false
	}
	for i := 0; i < len(body); i++ {
		if !isAlnum(body[i]) && !strings.ContainsRune("-._~+/", rune(body[i])) {
			return false
		}
	}
	return true
}

// isScope says whether s is a list of scope tokens (RFC 6749 §3.3), which are stored, shown and recorded. "" is one.
func isScope(s string) bool {
	return len(s) <= maxScope && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' })
}

// isVisible says whether s is visible ASCII, so that no form or log line breaks on it. The empty string is.
func isVisible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// isErrorCode says whether s is an error code of the characters of RFC 6749 §5.2, at most 64 of them.
func isErrorCode(s string) bool {
	return s != "" && len(s) <= 64 && isVisible(s) && !strings.ContainsAny(s, `"\`)
}

// isPlain says whether s is of lower-case letters and underscores, as every registered error code is. A code is logged: one of
// other characters may be what the server was sent.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// printable makes foreign text inert: valid UTF-8 without control or format characters, at most limit characters.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if limit == 0 {
			break
		}
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			r = ' '
		}
		b.WriteRune(r)
		limit--
	}
	return strings.TrimSpace(b.String())
}
