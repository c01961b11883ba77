package connect_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/connect"
)

// TestForgedTokens walks A5 of the requirements: a platform's answer whose access token, or whose id_token, is not what it
// should be. Each ends the flow without a connection and without a change of the session, is audited once, revokes what it
// brought, says its cause in the log, and makes no request anywhere else.
func TestForgedTokens(t *testing.T) {
	f := newForger(t)
	revoked := 0
	for _, y := range slices.Concat(f.algorithms(t), f.keys(), f.issuers(), f.dates(), f.costs()) {
		for _, kind := range []string{"access", "id"} {
			t.Run(y.name+", "+kind, func(t *testing.T) { revoked += f.walk(t, kind, y) })
		}
	}
	for kind, list := range map[string][]forgery{"access": f.accessAlone(), "id": f.idAlone()} {
		for _, y := range list {
			t.Run(y.name+", "+kind, func(t *testing.T) { revoked += f.walk(t, kind, y) })
		}
	}
	f.settled(t, revoked)
}

// walk is one flow with one forgery, and says how many revocations it has to cause.
func (f *forger) walk(t *testing.T, kind string, y forgery) int {
	t.Helper()
	if y.outcome == "" {
		y.outcome = connect.OutcomeBadToken
	}
	if y.says == "" {
		y.says = "token refused: "
	}
	f.refuse(t, y.outcome, y.says, func() string { return f.answer(kind, y) })
	switch {
	case y.says == tooLarge:
		return 0 // nobody has read what it brought
	case y.outcome == connect.OutcomeExchangeFailed:
		return 1 // of a malformed answer the refresh token alone is read
	}
	return 2
}

const (
	malformed  = "token refused: malformed"
	algorithm  = "token refused: algorithm"
	signature  = "token refused: signature"
	unknownKey = "token refused: unknown_key"
	tooLarge   = "answer too large"
)

func none(string) []byte { return nil }

// algorithms is T036: the algorithm is pinned.
func (f *forger) algorithms(t *testing.T) []forgery {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(f.key.Public())
	must(t, err)
	pkcs1 := x509.MarshalPKCS1PublicKey(&f.key.PublicKey)
	entry, err := json.Marshal(publicJWK(f.key, nil))
	must(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	hs := func(secret []byte) func(string) []byte {
		return func(signed string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			return mac.Sum(nil)
		}
	}
	alg := func(name string) object { return object{"alg": name} }
	flip := func(part, at int) func(string) string {
		return func(good string) string {
			parts := strings.Split(good, ".")
			b := []byte(parts[part])
			if at < 0 {
				at += len(b)
			}
			if b[at]++; strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", b[at]) < 0 {
				b[at] = 'Q'
			}
			parts[part] = string(b)
			return strings.Join(parts, ".")
		}
	}
	list := []forgery{
		{name: "T036 alg absent", header: object{"alg": nil}, says: algorithm},
		{name: "T036 alg rs256", header: alg("rs256"), says: algorithm},
		{name: "T036 alg a list", header: object{"alg": []string{"RS256"}}, says: algorithm},
		{name: "T036 empty signature", finish: none, says: signature},
		{name: "T036 HS256 with the public key as PEM", header: alg("HS256"), finish: hs(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), says: algorithm},
		{name: "T036 HS256 with the PKCS #1 PEM", header: alg("HS256"), finish: hs(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1})), says: algorithm},
		{name: "T036 HS256 with the public key as DER", header: alg("HS256"), finish: hs(public), says: algorithm},
		{name: "T036 HS256 with the PKCS #1 DER", header: alg("HS256"), finish: hs(pkcs1), says: algorithm},
		{name: "T036 HS256 with the modulus", header: alg("HS256"), finish: hs(f.key.N.Bytes()), says: algorithm},
		{name: "T036 HS256 with the JWK's n", header: alg("HS256"), finish: hs([]byte(b64.EncodeToString(f.key.N.Bytes()))), says: algorithm},
		{name: "T036 HS256 with the whole JWK", header: alg("HS256"), finish: hs(entry), says: algorithm},
		{name: "T036 HS256 with nothing", header: alg("HS256"), finish: hs(nil), says: algorithm},
		{name: "T036 an HMAC under RS256", finish: hs(public), says: signature},
		{name: "T036 RS512", header: alg("RS512"), finish: func(signed string) []byte {
			sum := sha512.Sum512([]byte(signed))
			s, _ := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA512, sum[:])
			return s
		}, says: algorithm},
		{name: "T036 an RS512 signature under RS256", finish: func(signed string) []byte {
			sum := sha512.Sum512([]byte(signed))
			s, _ := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA512, sum[:])
			return s
		}, says: signature},
		{name: "T036 PS256", header: alg("PS256"), finish: f.pss, says: algorithm},
		{name: "T036 a PS256 signature under RS256", finish: f.pss, says: signature},
		{name: "T036 ES256", header: alg("ES256"), finish: func(signed string) []byte {
			sum := sha256.Sum256([]byte(signed))
			r, s, _ := ecdsa.Sign(rand.Reader, ecKey, sum[:])
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}, says: algorithm},
		{name: "T036 EdDSA", header: alg("EdDSA"), finish: func(signed string) []byte { return ed25519.Sign(edKey, []byte(signed)) }, says: algorithm},
		{name: "T036 crit unknown", header: object{"crit": []string{"x"}, "x": 1}, says: algorithm},
		{name: "T036 crit empty", header: object{"crit": []string{}}, says: algorithm},
		{name: "T036 crit b64", header: object{"crit": []string{"b64"}, "b64": false}, says: algorithm},
		{name: "T036 a JWT inside a JWT", header: object{"cty": "JWT"}, raw: func(good string) string {
			signed := b64.EncodeToString([]byte(`{"alg":"RS256","kid":"k1","cty":"JWT"}`)) + "." + b64.EncodeToString([]byte(good))
			return signed + "." + b64.EncodeToString(rs256(f.key)(signed))
		}, says: malformed},
		{name: "T036 a JWE around it", raw: func(good string) string {
			return b64.EncodeToString([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT","kid":"k1"}`)) + ".AAAA.AAAA." + b64.EncodeToString([]byte(good)) + ".AAAA"
		}, says: malformed},
		{name: "T036 somebody else's signature", finish: rs256(f.other), says: signature},
		{name: "T036 the signature of another token", finish: func(string) []byte { return rs256(f.key)("x.y") }, says: signature},
		{name: "T036 no signature part", raw: func(good string) string { return good[:strings.LastIndexByte(good, '.')] }, says: malformed},
		{name: "T036 a fourth part", raw: func(good string) string { return good + ".AAAA" }, says: malformed},
		{name: "T036 a bit flipped in the header", raw: flip(0, 9)},
		{name: "T036 a bit flipped in the claims", raw: flip(1, 40)},
		{name: "T036 a bit flipped at the end of the claims", raw: flip(1, -3)},
		{name: "T036 a bit flipped in the signature", raw: flip(2, 100), says: signature},
		{name: "T036 a bit flipped at the start of the signature", raw: flip(2, 0), says: signature},
		{name: "T036 a bit flipped at the end of the signature", raw: flip(2, -1)},
		{name: "CVE-2024-51744 expired and badly signed", claims: object{"exp": 1}, finish: rs256(f.other), says: signature},
	}
	for _, spelling := range []string{"none", "None", "NONE", "nOnE"} {
		list = append(list,
			forgery{name: "T036 alg " + spelling, header: alg(spelling), finish: none, says: algorithm},
			forgery{name: "T036 alg " + spelling + " without kid", header: object{"alg": spelling, "kid": nil}, finish: none, says: algorithm},
			forgery{name: "T036 alg " + spelling + " with the right signature", header: alg(spelling), says: algorithm})
	}
	return list
}

// pss signs with RSASSA-PSS.
func (f *forger) pss(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	signature, _ := rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, sum[:], nil)
	return signature
}

// keys is T037: only the pinned key set counts, and what a header names is no address.
func (f *forger) keys() []forgery {
	mine := rs256(f.other)
	chain := []string{"MIIB"}
	kid := func(value any) object { return object{"kid": value} }
	list := []forgery{
		{name: "T037 jku", header: object{"jku": f.evil + "/certs"}, finish: mine, says: signature},
		{name: "T037 x5u", header: object{"x5u": f.evil + "/cert.pem"}, finish: mine, says: signature},
		{name: "T037 jwk", header: object{"jwk": publicJWK(f.other, nil)}, finish: mine, says: signature},
		{name: "T037 x5c", header: object{"x5c": chain, "x5t": "AAAA"}, finish: mine, says: signature},
		{name: "T037 all of them and a kid of its own", header: object{"kid": "mine", "jku": f.evil, "x5u": f.evil, "x5c": chain, "jwk": publicJWK(f.other, object{"kid": "mine"})}, finish: mine, says: unknownKey},
		{name: "T037 jwk and no kid", header: object{"kid": nil, "jwk": publicJWK(f.other, object{"kid": nil})}, finish: mine, says: unknownKey},
		{name: "T037 kid an address", header: kid(f.evil), says: unknownKey},
		{name: "T037 kid a path", header: kid("../../etc/passwd"), says: unknownKey},
		{name: "T037 kid a device", header: kid("/dev/null"), finish: func(string) []byte { return make([]byte, 256) }, says: unknownKey},
		{name: "T037 kid SQL", header: kid("k1' UNION SELECT 'k1"), says: unknownKey},
		{name: "T037 kid a command", header: kid("|sleep 9"), says: unknownKey},
		{name: "T037 kid of 1 MB", header: kid(strings.Repeat("k", 1<<20)), says: tooLarge, outcome: connect.OutcomeExchangeFailed},
		{name: "T037 kid of 10 kB", header: kid(strings.Repeat("k", 10<<10)), says: unknownKey},
		{name: "T037 kid in another case", header: kid("K1"), says: unknownKey},
		{name: "T037 kid with a blank", header: kid("k1 "), says: unknownKey},
		{name: "T037 kid absent", header: kid(nil), says: unknownKey},
		{name: "T037 kid empty", header: kid(""), says: unknownKey},
		{name: "T037 kid a number", header: kid(1), says: unknownKey},
		{name: "T037 kid a list", header: kid([]string{"k1"}), says: unknownKey},
		{name: "T037 the second key of one kid", finish: mine, says: signature},
	}
	for _, entry := range []string{"enc", "rs512", "short", "exponent", "private", "curve", "oct"} {
		list = append(list, forgery{name: "T037 the entry " + entry, header: kid(entry), says: unknownKey})
	}
	return list
}

// issuers is T039: issuer and parties are exact.
func (f *forger) issuers() []forgery {
	iss := func(name string, value any, says string) forgery {
		return forgery{name: "T039 iss " + name, claims: object{"iss": value}, says: says}
	}
	return []forgery{
		iss("of the other realm", strings.TrimSuffix(f.issuer, "_partner_sandbox"), "token refused: issuer"),
		iss("with a slash", f.issuer+"/", "token refused: issuer"),
		iss("in another case", strings.Replace(f.issuer, "realms", "Realms", 1), "token refused: issuer"),
		iss("cut", f.issuer[:len(f.issuer)-1], "token refused: issuer"),
		iss("with a query", f.issuer+"?", "token refused: issuer"),
		iss("percent-encoded", strings.Replace(f.issuer, "realms", "%72ealms", 1), "token refused: issuer"),
		iss("by another name", strings.Replace(f.issuer, "127.0.0.1", "localhost", 1), "token refused: issuer"),
		iss("empty", "", "token refused: issuer"),
		iss("absent", nil, "token refused: issuer"),
		iss("a list", []string{f.issuer}, malformed),
		iss("null", json.RawMessage("null"), malformed),
		{name: "T039 azp of another client", claims: object{"azp": "other"}, says: "token refused: authorized_party"},
		{name: "T039 azp in another case", claims: object{"azp": strings.ToUpper(clientID)}, says: "token refused: authorized_party"},
		{name: "T039 azp a list", claims: object{"azp": []string{clientID}}, says: malformed},
		{name: "T039 azp a number", claims: object{"azp": 1}, says: malformed},
		{name: "T039 aud a number", claims: object{"aud": 7}, says: malformed},
		{name: "T039 aud an object", claims: object{"aud": object{"x": clientID}}, says: malformed},
		{name: "T039 aud a list with a number", claims: object{"aud": []any{f.a, clientID, 7}}, says: malformed},
		{name: "T039 aud an empty list", claims: object{"aud": []string{}}, says: malformed},
	}
}

// dates is T040, with five seconds to spare; the second itself is walked in package oauth.
func (f *forger) dates() []forgery {
	now := time.Now().Unix()
	const expired, early = "token refused: expired", "token refused: not_yet_valid"
	var list []forgery
	for _, c := range []struct {
		claim, name string
		value       any
		says        string
	}{
		{"exp", "beyond the skew", now - 65, expired}, {"exp", "long ago", 1, expired}, {"exp", "absent", nil, malformed},
		{"exp", "a text", fmt.Sprint(now + 300), malformed}, {"exp", "a float in the past", float64(now) - 90.5, expired},
		{"exp", "1e308", json.RawMessage("1e308"), malformed}, {"exp", "negative", -1, malformed}, {"exp", "null", json.RawMessage("null"), malformed},
		{"exp", "2^63-1", json.RawMessage("9223372036854775807"), malformed},
		{"nbf", "beyond the skew", now + 300, early}, {"nbf", "1e308", json.RawMessage("1e308"), malformed}, {"nbf", "a text", "1", malformed},
		{"iat", "far ahead", now + 300, early}, {"iat", "1e308", json.RawMessage("1e308"), malformed}, {"iat", "a text", "1", malformed},
	} {
		list = append(list, forgery{name: "T040 " + c.claim + " " + c.name, claims: object{c.claim: c.value}, says: c.says})
	}
	return list
}

// costs is T045: what would be dear to read is refused first.
func (f *forger) costs() []forgery {
	instead := func(text string) func(string) string { return func(string) string { return text } }
	header := func(h string) string { return b64.EncodeToString([]byte(h)) }
	deep := strings.Repeat("[", 5500) + strings.Repeat("]", 5500)
	return []forgery{
		{name: "T045 10 MB of dots", raw: instead("a" + strings.Repeat(".", 10<<20)), says: tooLarge, outcome: connect.OutcomeExchangeFailed},
		{name: "T045 50 kB of dots", raw: instead("a" + strings.Repeat(".", 50<<10)), says: malformed},
		{name: "T045 parts of 1 MB", raw: instead(strings.Repeat("a", 1<<20) + "." + strings.Repeat("a", 1<<20) + ".AA"), says: tooLarge, outcome: connect.OutcomeExchangeFailed},
		{name: "T045 parts of 20 kB", raw: instead(strings.Repeat("a", 20<<10) + "." + strings.Repeat("a", 20<<10) + ".AA"), says: malformed},
		{name: "T045 a deep header", raw: instead(header(`{"alg":"RS256","kid":"k1","x":`+deep+`}`) + ".e30.AA"), says: malformed},
		{name: "T045 deep claims", raw: instead(header(`{"alg":"RS256","kid":"k1"}`) + "." + header(`{"x":`+deep+`}`) + ".AA"), says: malformed},
		{name: "T045 zip", header: object{"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, says: algorithm},
		{name: "T045 zip in five parts", raw: instead(header(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + "..AA.AA.AA"), says: malformed},
		{name: "T045 PBES2 with a huge p2c", header: object{"alg": "PBES2-HS256+A128KW", "p2c": 1 << 31, "p2s": "AA"}, says: algorithm},
		{name: "T045 PBES2 in five parts", raw: instead(header(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA"), says: malformed},
	}
}
