package oauth_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestT040Dates walks the limits of exp, nbf and iat to the second, on a clock that stands still.
func TestT040Dates(t *testing.T) {
	key := newKey(t)
	synctest.Test(t, func(t *testing.T) {
		server := &certs{}
		server.keys.Store([]object{jwk(key, "k1")})
		client := newVerifier(t, server)
		now := time.Now().Unix()
		for _, c := range []struct {
			name    string
			changes object
			code    string
		}{
			{"exp now - skew - 1", object{"exp": now - 61}, oauth.TokenExpired},
			{"exp now - skew", object{"exp": now - 60}, oauth.TokenExpired},
			{"exp now - skew + 1", object{"exp": now - 59}, ""},
			{"exp now", object{"exp": now}, ""},
			{"exp absent", object{"exp": nil}, oauth.TokenMalformed},
			{"exp null", object{"exp": json.RawMessage("null")}, oauth.TokenMalformed},
			{"exp a text", object{"exp": fmt.Sprint(now + 300)}, oauth.TokenMalformed},
			{"exp a float", object{"exp": float64(now) + 300.75}, ""},
			{"exp a float in the past", object{"exp": float64(now) - 60.25}, oauth.TokenExpired},
			{"exp an exponent", object{"exp": json.RawMessage("9e9")}, ""},
			{"exp 1e308", object{"exp": json.RawMessage("1e308")}, oauth.TokenMalformed},
			{"exp 1e999", object{"exp": json.RawMessage("1e999")}, oauth.TokenMalformed},
			{"exp 2^63-1", object{"exp": json.RawMessage("9223372036854775807")}, oauth.TokenMalformed},
			{"exp 2^64", object{"exp": json.RawMessage("18446744073709551616")}, oauth.TokenMalformed},
			{"exp in the year 10000", object{"exp": int64(253402300800)}, oauth.TokenMalformed},
			{"exp at the end of 9999", object{"exp": int64(253402300799)}, ""},
			{"exp zero", object{"exp": 0}, oauth.TokenExpired},
			{"exp negative", object{"exp": -1}, oauth.TokenMalformed},
			{"exp -1e308", object{"exp": json.RawMessage("-1e308")}, oauth.TokenMalformed},
			{"exp a list", object{"exp": []int64{now + 300}}, oauth.TokenMalformed},
			{"exp true", object{"exp": true}, oauth.TokenMalformed},
			{"exp in milliseconds", object{"exp": (now + 300) * 1000}, oauth.TokenMalformed},
			{"nbf now + skew", object{"nbf": now + 60}, ""},
			{"nbf now + skew + 1", object{"nbf": now + 61}, oauth.TokenNotYetValid},
			{"nbf far ahead", object{"nbf": now + 1<<30}, oauth.TokenNotYetValid},
			{"nbf 1e308", object{"nbf": json.RawMessage("1e308")}, oauth.TokenMalformed},
			{"nbf 1e19", object{"nbf": json.RawMessage("1e19")}, oauth.TokenMalformed},
			{"nbf a text", object{"nbf": fmt.Sprint(now)}, oauth.TokenMalformed},
			{"nbf null", object{"nbf": json.RawMessage("null")}, oauth.TokenMalformed},
			{"iat now + skew", object{"iat": now + 60}, ""},
			{"iat now + skew + 1", object{"iat": now + 61}, oauth.TokenNotYetValid},
			{"iat far ahead", object{"iat": now + 1<<30}, oauth.TokenNotYetValid},
			{"iat 1e308", object{"iat": json.RawMessage("1e308")}, oauth.TokenMalformed},
			{"iat a text", object{"iat": fmt.Sprint(now)}, oauth.TokenMalformed},
		} {
			for _, kind := range []string{"access", "id"} {
				id := object{"iss": testIssuer, "sub": "7f7ac94b", "aud": "locum", "exp": now + 300, "iat": now}
				claims, check := accessClaims(), func(token secret.String) (oauth.Claims, error) { return client.VerifyAccess(t.Context(), token) }
				if kind == "id" {
					claims, check = id, func(token secret.String) (oauth.Claims, error) {
						return client.VerifyID(t.Context(), token, secret.String{}, secret.New("a"))
					}
				}
				got, err := check(sign(t, object{"alg": "RS256", "kid": "k1"}, with(claims, c.changes), rs(t, key, crypto.SHA256)))
				var refusal *oauth.TokenError
				switch {
				case c.code == "" && err != nil, c.code != "" && (!errors.As(err, &refusal) || refusal.Code != c.code):
					t.Errorf("T040 %s, %s: %v", c.name, kind, err)
				case c.code == "" && (got.Expiry.Year() < 1999 || got.Expiry.Year() > 9999):
					t.Errorf("T040 %s, %s: expires %v", c.name, kind, got.Expiry)
				}
			}
		}
		client.Close()
	})
}

// TestTokenForm: what the JWT library would bear with, and two readers may read differently.
func TestTokenForm(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	raw := func(header, claims string) string {
		signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims))
		return signed + "." + b64.EncodeToString(rs(t, key, crypto.SHA256)(signed))
	}
	marshalled, err := json.Marshal(accessClaims())
	if err != nil {
		t.Fatal(err)
	}
	header, claims := `{"alg":"RS256","kid":"k1"}`, string(marshalled)
	good := raw(header, claims)
	add := func(member string) string { return `{` + member + `,` + claims[1:] }
	h, c, s := good[:strings.IndexByte(good, '.')], good[strings.IndexByte(good, '.')+1:strings.LastIndexByte(good, '.')], good[strings.LastIndexByte(good, '.')+1:]
	for name, c := range map[string]struct{ token, code string }{
		"as it should be":                          {good, ""},
		"members in another order":                 {raw(`{"kid":"k1","typ":"JWT","alg":"RS256"}`, claims), ""},
		"T036 alg twice, the good one last":        {raw(`{"alg":"none","alg":"RS256","kid":"k1"}`, claims), oauth.TokenMalformed},
		"T036 alg twice, the good one first":       {raw(`{"alg":"RS256","alg":"none","kid":"k1"}`, claims), oauth.TokenMalformed},
		"T036 alg in another case":                 {raw(`{"Alg":"RS256","kid":"k1"}`, claims), oauth.TokenAlgorithm},
		"T037 kid twice":                           {raw(`{"alg":"RS256","kid":"x","kid":"k1"}`, claims), oauth.TokenMalformed},
		"T039 iss twice":                           {raw(header, add(`"iss":"https://evil.example"`)), oauth.TokenMalformed},
		"T039 iss twice, once escaped":             {raw(header, add(`"is\u0073":"https://evil.example"`)), oauth.TokenMalformed},
		"T039 iss in another case as well":         {raw(header, add(`"ISS":"https://evil.example"`)), ""},
		"T042 sub twice":                           {raw(header, add(`"sub":"somebody"`)), oauth.TokenMalformed},
		"T042 sub with bad UTF-8":                  {raw(header, strings.Replace(claims, "7f7ac94b", "7f7ac9\xff", 1)), oauth.TokenMalformed},
		"T042 sub with half a surrogate":           {raw(header, strings.Replace(claims, "7f7ac94b", `7f\ud800`, 1)), oauth.TokenSubject},
		"T042 sub with a line break":               {raw(header, strings.Replace(claims, "7f7ac94b", `7f\n`, 1)), oauth.TokenSubject},
		"T042 sub in another script":               {raw(header, strings.Replace(claims, "7f7ac94b", "7f7аc94b", 1)), oauth.TokenSubject},
		"scope with a line break":                  {raw(header, strings.Replace(claims, "appointments:read", `appointments\nread`, 1)), oauth.TokenMalformed},
		"scope with a quote":                       {raw(header, strings.Replace(claims, "appointments:read", `\"`, 1)), oauth.TokenMalformed},
		"bytes behind the claims":                  {raw(header, claims+"x"), oauth.TokenMalformed},
		"two objects of claims":                    {raw(header, claims+claims), oauth.TokenMalformed},
		"claims null":                              {raw(header, "null"), oauth.TokenMalformed},
		"claims a list":                            {raw(header, "["+claims+"]"), oauth.TokenMalformed},
		"claims a text":                            {raw(header, `"x"`), oauth.TokenMalformed},
		"claims nothing":                           {raw(header, ""), oauth.TokenMalformed},
		"claims with a BOM":                        {raw(header, "\ufeff"+claims), oauth.TokenMalformed},
		"header null":                              {raw("null", claims), oauth.TokenMalformed},
		"T036 a JWT inside":                        {raw(`{"alg":"RS256","kid":"k1","cty":"JWT"}`, good), oauth.TokenMalformed},
		"T036 the payload unencoded (b64)":         {raw(`{"alg":"RS256","kid":"k1","b64":false,"crit":["b64"]}`, claims), oauth.TokenAlgorithm},
		"T036 a line break in the signature":       {h + "." + c + "." + s[:9] + "\n" + s[9:], oauth.TokenMalformed},
		"T036 a line break in the claims":          {h + "." + c[:9] + "\r\n" + c[9:] + "." + s, oauth.TokenMalformed},
		"T036 a blank behind":                      {good + " ", oauth.TokenMalformed},
		"T036 padding":                             {good + "==", oauth.TokenMalformed},
		"T036 the other alphabet":                  {strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+", oauth.TokenMalformed},
		"T036 a dot behind":                        {good + ".", oauth.TokenMalformed},
		"T036 the signature twice":                 {good + "." + s, oauth.TokenMalformed},
		"T036 the signature cut by one":            {good[:len(good)-1], oauth.TokenMalformed},
		"T036 a byte less of the signature":        {h + "." + c + "." + b64.EncodeToString(mustDecode(t, s)[:255]), oauth.TokenSignature},
		"T036 a byte more of the signature":        {h + "." + c + "." + b64.EncodeToString(append(mustDecode(t, s), 0)), oauth.TokenSignature},
		"T036 a zero in front of it":               {h + "." + c + "." + b64.EncodeToString(append([]byte{0}, mustDecode(t, s)...)), oauth.TokenSignature},
		"T036 the signature of zeros":              {h + "." + c + "." + b64.EncodeToString(make([]byte, 256)), oauth.TokenSignature},
		"T036 JSON serialization":                  {`{"payload":"` + c + `","protected":"` + h + `","signature":"` + s + `"}`, oauth.TokenMalformed},
		"T036 general JSON serialization":          {`{"payload":"` + c + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`, oauth.TokenMalformed},
		"T036 JWE":                                 {b64.EncodeToString([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM","kid":"k1"}`)) + ".a.a." + c + ".a", oauth.TokenMalformed},
		"T036 JWE in three parts":                  {raw(`{"alg":"dir","enc":"A256GCM","kid":"k1"}`, claims), oauth.TokenAlgorithm},
		"T043 a logout token by its header":        {raw(`{"alg":"RS256","kid":"k1","typ":"logout+jwt"}`, claims), oauth.TokenType},
		"T043 a DPoP proof by its header":          {raw(`{"alg":"RS256","kid":"k1","typ":"dpop+jwt"}`, claims), oauth.TokenType},
		"T043 an access token by its header":       {raw(`{"alg":"RS256","kid":"k1","typ":"application/at+JWT"}`, claims), ""},
		"T043 a header type that is no text":       {raw(`{"alg":"RS256","kid":"k1","typ":["JWT"]}`, claims), oauth.TokenType},
		"T043 an empty header type":                {raw(`{"alg":"RS256","kid":"k1","typ":""}`, claims), oauth.TokenType},
		"T040 expired and forged: forged it is":    {forge(t, with(accessClaims(), object{"exp": 1})), oauth.TokenSignature},
		"T039 for another issuer and forged":       {forge(t, with(accessClaims(), object{"iss": "x"})), oauth.TokenSignature},
		"T040 claims of the wrong type and forged": {forge(t, with(accessClaims(), object{"exp": "x", "sub": 1})), oauth.TokenSignature},
	} {
		got, err := client.VerifyAccess(t.Context(), secret.New(c.token))
		var refusal *oauth.TokenError
		switch {
		case c.code == "" && (err != nil || got.Subject != "7f7ac94b" || got.Issuer != testIssuer):
			t.Errorf("%s: %v, %+v", name, err, got)
		case c.code != "" && (!errors.As(err, &refusal) || refusal.Code != c.code || got.Subject != ""):
			t.Errorf("%s: %v", name, err)
		}
	}
	id := raw(`{"alg":"RS256","kid":"k1","typ":"at+jwt"}`, fmt.Sprintf(`{"iss":%q,"sub":"s","aud":"locum","exp":%d,"iat":%d}`, testIssuer, time.Now().Unix()+300, time.Now().Unix()))
	var refusal *oauth.TokenError
	if _, err := client.VerifyID(t.Context(), secret.New(id), secret.String{}, secret.New("a")); !errors.As(err, &refusal) || refusal.Code != oauth.TokenType {
		t.Errorf("T043 an access token by its header, as id_token: %v", err)
	}
}

// forge gives a token signed by nobody.
func forge(t *testing.T, claims object) string {
	t.Helper()
	return sign(t, object{"alg": "RS256", "kid": "k1"}, claims, func(string) []byte { return make([]byte, 256) }).Reveal()
}

func mustDecode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := b64.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestT036BitFlips: of a token that verifies, every bit that is changed makes one that does not.
func TestT036BitFlips(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	good := sign(t, object{"alg": "RS256", "typ": "JWT", "kid": "k1"}, accessClaims(), rs(t, key, crypto.SHA256)).Reveal()
	if _, err := client.VerifyAccess(t.Context(), secret.New(good)); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for bit := range 8 {
			flipped := []byte(good)
			flipped[i] ^= 1 << bit
			if _, err := client.VerifyAccess(t.Context(), secret.New(string(flipped))); err == nil {
				t.Errorf("bit %d of byte %d makes no difference", bit, i)
			}
		}
	}
}

// TestT045Cheap: a token that is no token costs less than a megabyte, whatever it is.
func TestT045Cheap(t *testing.T) {
	key := newKey(t)
	server := &certs{}
	server.keys.Store([]object{jwk(key, "k1")})
	client := newVerifier(t, server)
	header := func(h string) string { return b64.EncodeToString([]byte(h)) }
	claims, err := json.Marshal(accessClaims())
	if err != nil {
		t.Fatal(err)
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	signed := func(h, c string) string {
		text := header(h) + "." + header(c)
		return text + "." + b64.EncodeToString(rs(t, key, crypto.SHA256)(text))
	}
	good := string(claims)
	if _, err := client.VerifyAccess(t.Context(), secret.New(signed(`{"alg":"RS256","kid":"k1"}`, good))); err != nil {
		t.Fatal(err) // the keys are here now
	}
	for name, token := range map[string]string{
		"10 MB of dots":                strings.Repeat(".", 10<<20),
		"16 kB of dots":                strings.Repeat(".", 16<<10),
		"1 MB of header":               strings.Repeat("a", 1<<20) + ".e30.AA",
		"1 MB of claims":               header(`{"alg":"RS256","kid":"k1"}`) + "." + strings.Repeat("a", 1<<20) + ".AA",
		"1 MB of signature":            header(`{"alg":"RS256","kid":"k1"}`) + ".e30." + strings.Repeat("a", 1<<20),
		"three parts of 1 MB":          strings.Repeat(strings.Repeat("a", 1<<20)+".", 2) + strings.Repeat("a", 1<<20),
		"10 MB without a dot":          strings.Repeat("a", 10<<20),
		"deep header":                  header(`{"alg":"RS256","kid":"k1","x":`+deep(5500)+"}") + ".e30.AA",
		"deep claims":                  header(`{"alg":"RS256","kid":"k1"}`) + "." + header(`{"x":`+deep(5500)+"}") + ".AA",
		"deep claims, signed":          signed(`{"alg":"RS256","kid":"k1"}`, `{"x":`+deep(5000)+`,`+good[1:]),
		"many members":                 signed(`{"alg":"RS256","kid":"k1"}`, strings.Repeat(`{"a":1,`, 1)+strings.Repeat(`"a":1,`, 1500)+good[1:]),
		"a kid of 1 MB":                header(`{"alg":"RS256","kid":"`+strings.Repeat("k", 1<<20)+`"}`) + ".e30.AA",
		"a kid of 10 kB":               signed(`{"alg":"RS256","kid":"`+strings.Repeat("k", 10<<10)+`"}`, "{}"),
		"zip":                          header(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + ".AA.AA.AA.AA",
		"zip in three parts":           signed(`{"alg":"none","zip":"DEF","kid":"k1"}`, good),
		"PBES2 with a huge p2c":        header(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}`) + ".AA.AA.AA.AA",
		"PBES2 in three parts":         signed(`{"alg":"PBES2-HS256+A128KW","p2c":2147483647,"p2s":"AA","kid":"k1"}`, good),
		"a number of 12,000 digits":    signed(`{"alg":"RS256","kid":"k1"}`, `{"x":1e`+strings.Repeat("9", 9000)+`,"exp":1`+strings.Repeat("0", 1500)+"}"),
		"a signature of 12 kB, signed": header(`{"alg":"RS256","kid":"k1"}`) + "." + header("{}") + "." + strings.Repeat("A", 12<<10),
	} {
		t.Run("T045 "+name, func(t *testing.T) {
			text := secret.New(token)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			_, err := client.VerifyAccess(t.Context(), text)
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			var refusal *oauth.TokenError
			if !errors.As(err, &refusal) || refusal.Temporary() || len(refusal.Error()) > 100 {
				t.Errorf("error %.200v", err)
			}
			if n := after.TotalAlloc - before.TotalAlloc + after.StackInuse - min(before.StackInuse, after.StackInuse); n > 1<<20 {
				t.Errorf("%d bytes", n)
			}
			t.Logf("%v", took)
		})
	}
}
