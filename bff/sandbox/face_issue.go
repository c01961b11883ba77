package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// faceChain is one authorization: one person, one app, one launch context, and the tokens that follow from one code.
type faceChain struct {
	app                string
	who                facePerson
	login              *faceLogin
	scopes             []string // as granted
	nonce              string
	launch             *launch // of an EHR launch
	patient, encounter string
	ended              string
	newest             *faceToken
	refreshes, spent   int
}

// faceToken is a token that was handed out. service is the app of client_credentials, which has no chain.
type faceToken struct {
	chain             *faceChain
	service           string
	scopes            []string
	text              string
	made, until, used time.Time
}

func (c *faceChain) end(why string) {
	if c.ended == "" {
		c.ended = why
	}
}

// dropAccess makes the API refuse the chain's access tokens. The caller holds Sandbox.mu.
func (f *Face) dropAccess(c *faceChain) {
	for text, t := range f.access {
		if t.chain == c {
			delete(f.access, text)
		}
	}
}

// ensureKey gives the face its first signing key.
func (f *Face) ensureKey() *faceError {
	f.s.keyMu.Lock()
	defer f.s.keyMu.Unlock()
	f.s.mu.Lock()
	n := len(f.ring.signing)
	f.s.mu.Unlock()
	if n > 0 {
		return nil
	}
	if err := f.addKey(); err != nil {
		return &faceError{status: http.StatusInternalServerError, code: "server_error", description: err.Error()}
	}
	return nil
}

func (f *Face) addKey() error {
	key, err := f.s.nextKey()
	if err != nil {
		return err
	}
	id := base64.RawURLEncoding.EncodeToString(f.s.random(32))
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.ring.signing = append(f.ring.signing, signingKey{id: id, key: key})
	return nil
}

// issue makes a chain's next tokens. held is the refresh token that was presented, nil for the first answer. The caller holds
// Sandbox.mu and has seen to a signing key.
func (f *Face) issue(c *faceChain, held *faceToken, scopes []string, now time.Time) (map[string]any, *faceError) {
	access := &faceToken{chain: c, scopes: scopes, made: now, until: now.Add(f.switches.access)}
	text, err := f.accessText(access, now)
	f.access[text] = access
	answer := map[string]any{
		"token_type": "Bearer", "expires_in": seconds(f.switches.access), "access_token": text, "scope": strings.Join(scopes, " "),
	}
	if slices.Contains(c.scopes, "offline_access") || slices.Contains(c.scopes, "online_access") {
		answer["refresh_token"] = f.issueRefresh(c, held, now)
	}
	if slices.Contains(scopes, "openid") && (held == nil || f.switches.refreshID) {
		var failed error
		answer["id_token"], failed = f.idToken(c, text, now)
		err = errors.Join(err, failed)
	}
	if held == nil || f.switches.refreshContext {
		f.context(answer, c)
	}
	if err != nil {
		return nil, &faceError{status: http.StatusInternalServerError, code: "server_error", description: err.Error()}
	}
	f.alterAnswer(answer)
	return answer, nil
}

// issueRefresh gives the same refresh token again, with 90 more days, or rotates it.
func (f *Face) issueRefresh(c *faceChain, held *faceToken, now time.Time) string {
	until := now.Add(f.switches.refresh)
	if held != nil && f.switches.kind == KindO0 {
		held.until = until
		return held.text
	}
	next := &faceToken{chain: c, scopes: c.scopes, made: now, until: until, text: f.s.mintLocked("uw-")}
	f.refresh[next.text] = next
	c.newest = next
	return next.text
}

// accessText is an access token: a JWT, or a string without a structure. Nobody but the face reads it.
func (f *Face) accessText(t *faceToken, now time.Time) (string, error) {
	if f.switches.opaque {
		return f.s.mintLocked(""), nil
	}
	skew := f.s.skew
	claims := jwt.MapClaims{
		markerClaim: markerText, "ver": 1, "jti": "AT." + f.s.uuid(), "iss": f.issuer, "aud": f.FHIRBase(), "iat": now.Add(skew).Unix(),
		"exp": t.until.Add(skew).Unix(), "cid": t.service, "sub": t.service, "scp": t.scopes,
	}
	if c := t.chain; c != nil {
		claims["cid"], claims["sub"], claims["uid"] = c.app, c.who.Login, c.who.Subject
	}
	if alter := f.planned.access; alter != nil {
		f.planned.access = nil
		alter(claims)
	}
	return f.sign(claims)
}

// idToken is OpenID Connect Core §2, with fhirUser (SMART App Launch 2.2, Scopes for requesting identity data) and without the
// nonce after a refresh (§12.2).
func (f *Face) idToken(c *faceChain, access string, now time.Time) (string, error) {
	skew := f.s.skew
	sum := sha256.Sum256([]byte(access))
	claims := jwt.MapClaims{
		markerClaim: markerText, "ver": 1, "jti": "ID." + f.s.uuid(), "iss": f.issuer, "aud": c.app, "sub": c.who.Subject,
		"iat": now.Add(skew).Unix(), "exp": now.Add(f.switches.access + skew).Unix(), "auth_time": c.login.at.Add(skew).Unix(),
		"amr": []string{"pwd"}, "at_hash": base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]),
	}
	if slices.Contains(c.scopes, "fhirUser") {
		claims["fhirUser"] = f.FHIRBase() + "/" + c.who.fhirUser
	}
	if slices.Contains(c.scopes, "profile") {
		claims["name"], claims["preferred_username"] = c.who.Name, c.who.Login
	}
	if c.nonce != "" {
		claims["nonce"], c.nonce = c.nonce, ""
	}
	if alter := f.planned.id; alter != nil {
		f.planned.id = nil
		alter(claims)
	}
	return f.sign(claims)
}

func (f *Face) sign(claims jwt.MapClaims) (string, error) {
	key := f.ring.signing[len(f.ring.signing)-1]
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = key.id
	signed, err := token.SignedString(key.key)
	f.s.rememberLocked(signed)
	return signed, err
}

// context puts the launch context beside the tokens: "athenahealth guide, Token Endpoint", Launch Context, and SMART App
// Launch 2.2, Launch context arrives with your access_token.
func (f *Face) context(answer map[string]any, c *faceChain) {
	if c.patient != "" {
		answer["patient"] = c.patient
	}
	if c.encounter != "" {
		answer["encounter"] = c.encounter
	}
	if c.launch == nil {
		return
	}
	answer["need_patient_banner"] = !c.launch.NoBanner
	answer["smart_style_url"] = f.api.origin + "/style.json"
	answer["tenant"] = f.id(Practice, "Practice", 0)
	if c.launch.Intent != "" {
		answer["intent"] = c.launch.Intent
	}
	if appointment := f.records.latest("Appointment", c.patient); appointment != "" {
		answer["fhirContext"] = []map[string]any{{"reference": "Appointment/" + appointment}}
	}
}

// alterAnswer uses up AlterAnswer. The caller holds Sandbox.mu.
func (f *Face) alterAnswer(answer map[string]any) {
	if alter := f.planned.answer; alter != nil {
		f.planned.answer = nil
		alter(answer)
	}
}
