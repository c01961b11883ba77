package oauth

import (
	"context"
	"crypto"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/secret"
)

// algorithm is the one signature algorithm accepted where the client's configuration names no other ("Jane guide,
// Understanding the JWT Access Token"). None is ever read from metadata, where Jane's server also advertises HS256.
const algorithm = "RS256"

// algorithms are those that the client accepts of its server.
func (c *Client) algorithms() []string {
	if len(c.config.IDAlgorithms) > 0 {
		return c.config.IDAlgorithms
	}
	return []string{algorithm}
}

const (
	clockSkew = 60 * time.Second
	maxToken  = 16 << 10
	// lastSecond is the first one after the year 9999.
	lastSecond = 253402300800
)

// Codes of a TokenError.
const (
	TokenMalformed   = "malformed"
	TokenAlgorithm   = "algorithm"
	TokenUnknownKey  = "unknown_key"
	TokenSignature   = "signature"
	TokenIssuer      = "issuer"
	TokenAudience    = "audience"
	TokenParty       = "authorized_party"
	TokenExpired     = "expired"
	TokenNotYetValid = "not_yet_valid"
	TokenType        = "type"
	TokenSubject     = "subject"
	TokenNonce       = "nonce"
	TokenHash        = "at_hash"
	// TokenKeysUnavailable is no verdict on the token: the server's keys could not be read just now.
	TokenKeysUnavailable = "keys_unavailable"
)

// TokenError says why a token was not accepted. Err, where set, is the cause and holds no part of the token.
type TokenError struct {
	Code string
	Err  error
}

func (e *TokenError) Error() string {
	if e.Err == nil {
		return "token refused: " + e.Code
	}
	return "token refused: " + e.Code + ": " + e.Err.Error()
}

func (e *TokenError) Unwrap() error { return e.Err }

// Temporary says that the token was not judged at all.
func (e *TokenError) Temporary() bool { return e.Code == TokenKeysUnavailable }

// Claims are the checked claims of a token. Audience is the platform's business. Extra holds every claim as
// encoding/json decodes it, numbers as json.Number.
type Claims struct {
	Issuer, Subject, AuthorizedParty, ID, Type, SID, Nonce string
	Audience, Scopes                                       []string
	Expiry, IssuedAt                                       time.Time
	Extra                                                  map[string]any

	algorithm string // of the signature
}

// VerifyAccess checks an access token that is a JWT: signed with an accepted algorithm by a key of the server's set, exact issuer, azp
// this client, typ Bearer, a subject, and exp, nbf and iat within 60 s of the server's clock as far as it is known
// (ClockOffset), else of this one ("Jane guide, Understanding the JWT Access Token"; RFC 8725). It does not check the
// audience. The error is a *TokenError.
func (c *Client) VerifyAccess(ctx context.Context, token secret.String) (Claims, error) {
	claims, err := c.verify(ctx, token, "at+jwt") // RFC 9068 §2.1
	switch {
	case err != nil:
		return Claims{}, err
	case claims.Type != "Bearer":
		return Claims{}, &TokenError{Code: TokenType}
	case claims.AuthorizedParty != c.config.ID:
		return Claims{}, &TokenError{Code: TokenParty}
	}
	return claims, nil
}

// VerifyID checks an id_token as OpenID Connect Core §3.1.3.7 asks: signature and times as VerifyAccess, this client
// in its audience and as its azp where it has one or several audiences, the nonce that was sent (none, if none was),
// and the at_hash of the access token where it has one (§3.1.3.8). The error is a *TokenError.
func (c *Client) VerifyID(ctx context.Context, token, nonce, access secret.String) (Claims, error) {
	claims, err := c.VerifyRenewedID(ctx, token, access)
	if err == nil && !nonce.Equal(secret.New(claims.Nonce)) {
		return Claims{}, &TokenError{Code: TokenNonce}
	}
	return claims, err
}

// VerifyRenewedID checks an id_token that came with a refresh, as VerifyID does but for the nonce: it may repeat the one
// of the sign-in, or have none (OpenID Connect Core §12.2). That it names the same person is for the caller to check.
func (c *Client) VerifyRenewedID(ctx context.Context, token, access secret.String) (Claims, error) {
	claims, err := c.verify(ctx, token, "")
	switch {
	case err != nil:
		return Claims{}, err
	case claims.Type != "" && claims.Type != "ID", claims.Extra["events"] != nil:
		return Claims{}, &TokenError{Code: TokenType}
	case !slices.Contains(claims.Audience, c.config.ID):
		return Claims{}, &TokenError{Code: TokenAudience}
	case claims.AuthorizedParty != c.config.ID && (claims.AuthorizedParty != "" || len(claims.Audience) > 1):
		return Claims{}, &TokenError{Code: TokenParty}
	case claims.IssuedAt.IsZero():
		return Claims{}, &TokenError{Code: TokenMalformed, Err: errors.New("no iat")}
	}
	if hash, ok := claims.Extra["at_hash"]; ok && !matchesHash(hash, access, hashes[claims.algorithm]) {
		return Claims{}, &TokenError{Code: TokenHash}
	}
	return claims, nil
}

// matchesHash compares at_hash with the left half of the access token's hash, by the hash function of the id_token's
// signature.
func matchesHash(claim any, access secret.String, function crypto.Hash) bool {
	hash, _ := claim.(string)
	digest := function.New()
	digest.Write([]byte(access.Reveal()))
	sum := digest.Sum(nil)
	want := base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	return subtle.ConstantTimeCompare([]byte(hash), []byte(want)) == 1
}

// accepts says whether a header's alg is one of the client's.
func (c *Client) accepts(alg any) bool {
	name, _ := alg.(string)
	return slices.Contains(c.algorithms(), name)
}

// verify checks what access and id_tokens have in common.
func (c *Client) verify(ctx context.Context, token secret.String, kind string) (Claims, error) {
	claims, err := c.signed(ctx, token, kind, c.keys.key)
	if err == nil && !isSubject(claims.Subject) {
		return Claims{}, &TokenError{Code: TokenSubject}
	}
	return claims, err
}

// signed checks what all kinds of token have in common: form, signature, media type, issuer and dates.
//
// kind is a media type that the header may name beside JWT (RFC 8725 §3.11), "" for none: a logout token is no id_token.
func (c *Client) signed(ctx context.Context, token secret.String, kind string, find keyFinder) (Claims, error) {
	raw := token.Reveal()
	if !isCompact(raw) {
		return Claims{}, &TokenError{Code: TokenMalformed}
	}
	extra := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods(c.algorithms()), jwt.WithJSONNumber(), jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation()) // its dates wrap around; see date
	parsed, err := parser.ParseWithClaims(raw, extra, func(t *jwt.Token) (any, error) { return signingKey(ctx, t, find) })
	switch {
	case parsed != nil && parsed.Header != nil && !c.accepts(parsed.Header["alg"]):
		return Claims{}, &TokenError{Code: TokenAlgorithm}
	case err != nil:
		return Claims{}, refusal(err)
	case !isTyped(parsed.Header, kind):
		return Claims{}, &TokenError{Code: TokenType}
	}
	claims, err := readClaims(extra)
	claims.algorithm, _ = parsed.Header["alg"].(string)
	if err != nil {
		return Claims{}, &TokenError{Code: TokenMalformed, Err: err}
	}
	notBefore, err := date(extra, "nbf")
	now := c.clock.now()
	switch {
	case err != nil:
		return Claims{}, &TokenError{Code: TokenMalformed, Err: err}
	case claims.Issuer != c.Server().Issuer:
		return Claims{}, &TokenError{Code: TokenIssuer}
	case !now.Before(claims.Expiry.Add(clockSkew)):
		return Claims{}, &TokenError{Code: TokenExpired}
	case now.Add(clockSkew).Before(notBefore), now.Add(clockSkew).Before(claims.IssuedAt):
		return Claims{}, &TokenError{Code: TokenNotYetValid}
	}
	return claims, nil
}

// isCompact says whether raw has the form of a signed JWT (RFC 7515 §3.1, RFC 7519 §7.2): three base64url parts, the first
// two of them JSON objects in UTF-8 whose members each stand once. The JWT library alone would bear with line breaks in a
// part, bytes behind the claims, members that stand twice, and bad UTF-8, in which two subjects become one.
func isCompact(raw string) bool {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 {
		return false
	}
	for i, part := range strings.Split(raw, ".") {
		if strings.ContainsFunc(part, func(r rune) bool { return r > 0x7e || !isAlnum(byte(r)) && r != '-' && r != '_' }) {
			return false
		}
		body, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err == nil && i < 2 {
			_, err = parseMembers(body)
		}
		if err != nil {
			return false
		}
	}
	return true
}

// isTyped says whether a header names no media type, JWT, or kind.
func isTyped(header map[string]any, kind string) bool {
	value, present := header["typ"]
	if !present {
		return true
	}
	name, _ := value.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return name == "jwt" || name != "" && name == kind
}

// isSubject says whether s can name a person: at most 255 ASCII characters (OpenID Connect Core §2), none of them a
// control character.
func isSubject(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// keyFinder gives the server's key of an id.
type keyFinder func(ctx context.Context, kid string) (*publicKey, error)

// signingKey finds the key that a token's header names. Keys that the token brings along (jwk, jku, x5c) are never
// looked at, and a header that asks for extensions is refused (RFC 7515 §4.1.11).
func signingKey(ctx context.Context, token *jwt.Token, find keyFinder) (crypto.PublicKey, error) {
	if _, critical := token.Header["crit"]; critical {
		return nil, &TokenError{Code: TokenAlgorithm}
	}
	kid, _ := token.Header["kid"].(string)
	if kid == "" {
		return nil, &TokenError{Code: TokenUnknownKey}
	}
	key, err := find(ctx, kid)
	switch {
	case errors.Is(err, errUnknownKey):
		return nil, &TokenError{Code: TokenUnknownKey}
	case err != nil:
		return nil, &TokenError{Code: TokenKeysUnavailable, Err: err}
	case !slices.Contains(key.algorithms, token.Method.Alg()):
		return nil, &TokenError{Code: TokenUnknownKey}
	}
	return key.key, nil
}

// refusal translates an error of the JWT library, whose text may repeat what a header holds, into ours. Claims are not
// looked at before the signature is right: a token that is both expired and forged is a forged one (CVE-2024-51744).
func refusal(err error) *TokenError {
	var own *TokenError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jwt.ErrTokenMalformed):
		return &TokenError{Code: TokenMalformed}
	}
	return &TokenError{Code: TokenSignature}
}

// readClaims turns verified claims into their types. A claim of another type than its specification says is an error,
// not an absent claim.
func readClaims(extra jwt.MapClaims) (Claims, error) {
	claims := Claims{Extra: extra}
	for name, to := range map[string]*string{
		"iss": &claims.Issuer, "sub": &claims.Subject, "azp": &claims.AuthorizedParty, "jti": &claims.ID,
		"typ": &claims.Type, "sid": &claims.SID, "nonce": &claims.Nonce,
	} {
		value, ok := extra[name]
		if !ok {
			continue
		}
		if *to, ok = value.(string); !ok {
			return Claims{}, errors.New(name + " is no string")
		}
	}
	scope, isText := extra["scope"].(string)
	if _, present := extra["scope"]; present && !isText || !isScope(scope) {
		return Claims{}, errors.New("scope is no list of scopes")
	}
	claims.Scopes = strings.Fields(scope)
	return claims, readTyped(extra, &claims)
}

func readTyped(extra jwt.MapClaims, claims *Claims) error {
	audience, err := extra.GetAudience()
	if err != nil || len(audience) == 0 && extra["aud"] != nil {
		return errors.New("aud names nobody")
	}
	claims.Audience = audience
	if claims.Expiry, err = date(extra, "exp"); err == nil && claims.Expiry.IsZero() {
		err = errors.New("no exp")
	}
	if err == nil {
		claims.IssuedAt, err = date(extra, "iat")
	}
	return err
}

// date reads a NumericDate (RFC 7519 §2), in whole seconds; the zero time where the claim is absent. The year is one of
// 1970 to 9999: a number beyond what a time holds wraps around, and what lies far ahead would be long past.
func date(extra jwt.MapClaims, name string) (time.Time, error) {
	value, present := extra[name]
	if !present {
		return time.Time{}, nil
	}
	number, _ := value.(json.Number)
	seconds, err := number.Float64()
	if err != nil || !(seconds >= 0 && seconds < lastSecond) {
		return time.Time{}, errors.New(name + " is no date")
	}
	return time.Unix(int64(seconds), 0), nil
}
