package oauth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

func answer(status int, body string) oauth.Answer {
	return oauth.Answer{Status: status, Body: secret.New(body), ReceivedAt: time.Now()}
}

func TestParseTokenOfTheGuide(t *testing.T) {
	// "Jane guide, Step 3, Example Response".
	token, err := oauth.ParseToken(answer(200, `{"access_token":"eyJhbGciOiJSUzI1.a.b","expires_in":300,"refresh_expires_in":1800,
		"refresh_token":"eyJhbGciOiJIUzI1.c.d","token_type":"Bearer","id_token":"eyJhbGciOiJSUzI1.e.f","not-before-policy":0,
		"session_state":"a856fb91-eabc"}`))
	if err != nil {
		t.Fatal(err)
	}
	if token.Access.Reveal() != "eyJhbGciOiJSUzI1.a.b" || token.Refresh.Reveal() != "eyJhbGciOiJIUzI1.c.d" ||
		token.ID.Reveal() != "eyJhbGciOiJSUzI1.e.f" || token.SessionState != "a856fb91-eabc" || token.Scope != "" {
		t.Errorf("read as %+v", token)
	}
	if token.ExpiresIn != 5*time.Minute || token.RefreshExpiresIn != 30*time.Minute {
		t.Errorf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
	}
}

func TestParseTokenTable(t *testing.T) {
	const bad = -1
	for _, c := range []struct {
		name    string
		body    string
		seconds int // bad: ErrMalformed
		refresh int
	}{
		{"least", `{"access_token":"a","expires_in":300}`, 300, 0},
		{"unknown members", `{"access_token":"a","expires_in":300,"x":{"y":[1]}}`, 300, 0},
		{"T031 expires_in as a string", `{"access_token":"a","expires_in":"300"}`, 300, 0},
		{"T031 expires_in fractional", `{"access_token":"a","expires_in":3.5}`, 3, 0},
		{"T031 expires_in exponent", `{"access_token":"a","expires_in":3e2}`, 300, 0},
		{"T031 expires_in absent", `{"access_token":"a"}`, 60, 0},
		{"T031 expires_in an integer", `{"access_token":"a","expires_in":1}`, 1, 0},
		{"T031 expires_in a fraction of a second", `{"access_token":"a","expires_in":0.9}`, bad, 0},
		{"T031 expires_in minus zero", `{"access_token":"a","expires_in":-0}`, bad, 0},
		{"T031 expires_in next to nothing", `{"access_token":"a","expires_in":1e-400}`, bad, 0},
		{"T031 expires_in a text negative", `{"access_token":"a","expires_in":"-1"}`, bad, 0},
		{"T031 expires_in negative beyond floats", `{"access_token":"a","expires_in":-1e999}`, bad, 0},
		{"T031 expires_in a text with a blank", `{"access_token":"a","expires_in":" 300"}`, bad, 0},
		{"T031 expires_in a text in quotes", `{"access_token":"a","expires_in":"\"300\""}`, bad, 0},
		{"T031 expires_in a text of digits elsewhere", `{"access_token":"a","expires_in":"٣٠٠"}`, bad, 0},
		{"T031 expires_in a text of 20 kB", `{"access_token":"a","expires_in":"` + strings.Repeat("9", 20<<10) + `"}`, 86400, 0},
		{"T031 expires_in true", `{"access_token":"a","expires_in":true}`, bad, 0},
		{"T031 expires_in an object", `{"access_token":"a","expires_in":{"s":300}}`, bad, 0},
		{"T031 expires_in in another case", `{"access_token":"a","Expires_In":9999}`, 60, 0},
		{"T031 expires_in null", `{"access_token":"a","expires_in":null}`, bad, 0},
		{"T031 expires_in zero", `{"access_token":"a","expires_in":0}`, bad, 0},
		{"T031 expires_in negative", `{"access_token":"a","expires_in":-1}`, bad, 0},
		{"T031 expires_in huge", `{"access_token":"a","expires_in":1e20}`, 86400, 0},
		{"T031 expires_in beyond floats", `{"access_token":"a","expires_in":1e999}`, 86400, 0},
		{"T031 expires_in int64 wrap", `{"access_token":"a","expires_in":9223372036854775807}`, 86400, 0},
		{"T031 expires_in NaN", `{"access_token":"a","expires_in":NaN}`, bad, 0},
		{"T031 expires_in a text NaN", `{"access_token":"a","expires_in":"NaN"}`, bad, 0},
		{"T031 expires_in a text Inf", `{"access_token":"a","expires_in":"Infinity"}`, bad, 0},
		{"T031 expires_in hexadecimal", `{"access_token":"a","expires_in":"0x1p9"}`, bad, 0},
		{"T031 expires_in empty", `{"access_token":"a","expires_in":""}`, bad, 0},
		{"T031 expires_in a list", `{"access_token":"a","expires_in":[300]}`, bad, 0},
		{"T031 expires_in twice", `{"access_token":"a","expires_in":300,"expires_in":301}`, bad, 0},
		{"refresh_expires_in zero (offline)", `{"access_token":"a","expires_in":300,"refresh_expires_in":0}`, 300, 0},
		{"refresh_expires_in as a string", `{"access_token":"a","expires_in":300,"refresh_expires_in":"1800"}`, 300, 1800},
		{"refresh_expires_in negative", `{"access_token":"a","expires_in":300,"refresh_expires_in":-5}`, 300, 0},
		{"refresh_expires_in unreadable", `{"access_token":"a","expires_in":300,"refresh_expires_in":{}}`, 300, 0},
		{"refresh_expires_in huge", `{"access_token":"a","expires_in":300,"refresh_expires_in":1e300}`, 300, 31536000},
		{"T031 token_type Bearer", `{"access_token":"a","expires_in":300,"token_type":"Bearer"}`, 300, 0},
		{"T031 token_type absent", `{"access_token":"a","expires_in":300}`, 300, 0},
		{"T031 token_type null", `{"access_token":"a","expires_in":300,"token_type":null}`, 300, 0},
		{"T031 token_type empty", `{"access_token":"a","expires_in":300,"token_type":""}`, 300, 0},
		{"T031 token_type DPoP", `{"access_token":"a","expires_in":300,"token_type":"DPoP"}`, bad, 0},
		{"T031 token_type N_A", `{"access_token":"a","expires_in":300,"token_type":"N_A"}`, bad, 0},
		{"T031 token_type in letters that fold", `{"access_token":"a","expires_in":300,"token_type":"beaʀer"}`, bad, 0},
		{"T031 token_type a list", `{"access_token":"a","expires_in":300,"token_type":["Bearer"]}`, bad, 0},
		{"T031 token_type twice", `{"access_token":"a","expires_in":300,"token_type":"mac","token_type":"Bearer"}`, bad, 0},
		{"T031 token_type bearer", `{"access_token":"a","expires_in":300,"token_type":"bearer"}`, 300, 0},
		{"T031 token_type BEARER", `{"access_token":"a","expires_in":300,"token_type":"BEARER"}`, 300, 0},
		{"T031 token_type mac", `{"access_token":"a","expires_in":300,"token_type":"mac"}`, bad, 0},
		{"T031 token_type a number", `{"access_token":"a","expires_in":300,"token_type":1}`, bad, 0},
		{"T031 access_token empty", `{"access_token":"","expires_in":300}`, bad, 0},
		{"T031 access_token absent", `{"refresh_token":"r","expires_in":300}`, bad, 0},
		{"T031 access_token null", `{"access_token":null,"expires_in":300}`, bad, 0},
		{"access_token in another case", `{"Access_Token":"a","expires_in":300}`, bad, 0},
		{"access_token with a line break", `{"access_token":"a\r\nX: y","expires_in":300}`, bad, 0},
		{"access_token with a space", `{"access_token":"a b","expires_in":300}`, bad, 0},
		{"access_token only padding", `{"access_token":"==","expires_in":300}`, bad, 0},
		{"T031 access_token twice", `{"access_token":"a","access_token":"b","expires_in":300}`, bad, 0},
		{"T031 access_token twice, once escaped", `{"access_token":"a","acces\u0073_token":"b","expires_in":300}`, bad, 0},
		{"T031 access_token twice in two cases", `{"access_token":"a","ACCESS_TOKEN":"b","expires_in":300}`, 300, 0},
		{"T031 an unknown member twice", `{"access_token":"a","expires_in":300,"x":1,"x":2}`, bad, 0},
		{"T031 access_token a list", `{"access_token":["a"],"expires_in":300}`, bad, 0},
		{"T031 access_token nested", `{"access_token":{"access_token":"a"},"expires_in":300}`, bad, 0},
		{"T031 everything nested", `{"data":{"access_token":"a","expires_in":300}}`, bad, 0},
		{"T031 access_token a number", `{"access_token":1,"expires_in":300}`, bad, 0},
		{"T031 access_token in another script", `{"access_token":"а","expires_in":300}`, bad, 0},
		{"T031 refresh_token twice", `{"access_token":"a","expires_in":300,"refresh_token":"r","refresh_token":"s"}`, bad, 0},
		{"T031 refresh_token a list", `{"access_token":"a","expires_in":300,"refresh_token":["r"]}`, bad, 0},
		{"T031 id_token a number", `{"access_token":"a","expires_in":300,"id_token":1}`, bad, 0},
		{"T031 id_token with a line break", `{"access_token":"a","expires_in":300,"id_token":"a.b\n.c"}`, bad, 0},
		{"T031 scope a list", `{"access_token":"a","expires_in":300,"scope":["x"]}`, bad, 0},
		{"T031 scope with a control", `{"access_token":"a","expires_in":300,"scope":"x\u001b[31m"}`, bad, 0},
		{"T031 scope with a quote", `{"access_token":"a","expires_in":300,"scope":"x\""}`, bad, 0},
		{"T031 scope in another script", `{"access_token":"a","expires_in":300,"scope":"é"}`, bad, 0},
		{"T031 scope of 9 kB", `{"access_token":"a","expires_in":300,"scope":"` + strings.Repeat("x ", 9<<9) + `"}`, bad, 0},
		{"T031 scope empty", `{"access_token":"a","expires_in":300,"scope":""}`, 300, 0},
		{"refresh_token with a control", "{\"access_token\":\"a\",\"expires_in\":300,\"refresh_token\":\"r\\u0000\"}", bad, 0},
		{"refresh_token null", `{"access_token":"a","expires_in":300,"refresh_token":null}`, 300, 0},
		{"T031 BOM", "\ufeff{\"access_token\":\"a\",\"expires_in\":300}", bad, 0},
		{"T031 UTF-16, little end", utf16("\xff\xfe", `{"access_token":"a","expires_in":300}`, false), bad, 0},
		{"T031 UTF-16, big end", utf16("\xfe\xff", `{"access_token":"a","expires_in":300}`, true), bad, 0},
		{"T031 UTF-16 without a mark", utf16("", `{"access_token":"a","expires_in":300}`, false), bad, 0},
		{"T031 a byte behind", "{\"access_token\":\"a\",\"expires_in\":300}\x00", bad, 0},
		{"T031 a comma behind the last member", `{"access_token":"a","expires_in":300,}`, bad, 0},
		{"T031 a comment", `{"access_token":"a","expires_in":300}/**/`, bad, 0},
		{"T031 blanks around", " \r\n\t{\"access_token\":\"a\",\"expires_in\":300}\n\n", 300, 0},
		{"T031 NUL inside a text", "{\"access_token\":\"a\",\"expires_in\":300,\"x\":\"\x00\"}", bad, 0},
		{"T031 32 levels", `{"access_token":"a","expires_in":300,"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, 300, 0},
		{"T031 33 levels", `{"access_token":"a","expires_in":300,"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, bad, 0},
		{"T031 brackets in a text", `{"access_token":"a","expires_in":300,"x":"` + strings.Repeat(`[\"\\`, 100) + `"}`, 300, 0},
		{"T031 a form", `access_token=a&expires_in=300`, bad, 0},
		{"a list", `[{"access_token":"a","expires_in":300}]`, bad, 0},
		{"a text", `"a"`, bad, 0},
		{"null", `null`, bad, 0},
		{"HTML", `<html>`, bad, 0},
		{"empty", ``, bad, 0},
		{"two objects", `{"access_token":"a","expires_in":300}{}`, bad, 0},
		{"cut", `{"access_token":"a","expires_in":300`, bad, 0},
		{"bad UTF-8", "{\"access_token\":\"a\",\"expires_in\":300,\"x\":\"\xff\"}", bad, 0},
		{"deep", `{"access_token":"a","expires_in":300,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, bad, 0},
		{"an error with status 200", `{"error":"invalid_token"}`, bad, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := oauth.ParseToken(answer(200, c.body))
			if c.seconds == bad {
				if !errors.Is(err, oauth.ErrMalformed) {
					t.Fatalf("error %v, token %v", err, token)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token.Access.Reveal() != "a" || token.ExpiresIn != time.Duration(c.seconds)*time.Second || token.RefreshExpiresIn != time.Duration(c.refresh)*time.Second {
				t.Errorf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
			}
		})
	}
}

func TestParseTokenRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		code   string
		text   string
	}{
		{"expired refresh token", 400, `{"error":"invalid_grant","error_description":"Token is not active"}`, "invalid_grant", "Token is not active"},
		{"bad client", 401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`, "unauthorized_client", "Invalid client or Invalid client credentials"},
		{"no description", 400, `{"error":"invalid_scope"}`, "invalid_scope", ""},
		{"a gateway's page", 400, `<html>Bad Request</html>`, "", ""},
		{"not understood: 500 is never invalid_grant", 500, `{"error":"invalid_grant"}`, "", ""},
		{"not understood: 503", 503, ``, "", ""},
		{"a redirect", 302, `{"error":"invalid_grant"}`, "", ""},
		{"another success", 201, `{"access_token":"a","expires_in":300}`, "", ""},
		{"error twice", 400, `{"error":"invalid_grant","error":"x"}`, "", ""},
		{"error is a number", 400, `{"error":7}`, "", ""},
		{"error with a line break", 400, `{"error":"invalid_grant\nx"}`, "", ""},
		{"T116 error is what was sent", 400, `{"error":"SBX-refresh-token.value"}`, "", ""},
		{"T116 error is what was sent, in hexadecimal", 401, `{"error":"0a1b2c3d4e5f"}`, "", ""},
		{"error too long", 400, `{"error":"` + strings.Repeat("e", 65) + `"}`, "", ""},
		{"hostile description", 400, `{"error":"invalid_grant","error_description":"\u001b[31m<b>x</b>\r\ny"}`, "invalid_grant", "[31m<b>x</b>  y"},
		{"endless description", 400, `{"error":"invalid_grant","error_description":"` + strings.Repeat("d", 5000) + `"}`, "invalid_grant", strings.Repeat("d", 200)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := oauth.ParseToken(answer(c.status, c.body))
			var refusal *oauth.ResponseError
			if !errors.As(err, &refusal) {
				t.Fatalf("error %v", err)
			}
			if refusal.Status != c.status || refusal.Code != c.code || refusal.Description != c.text {
				t.Errorf("%+v", refusal)
			}
			if c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Errorf("the server's text is part of the error: %s", err)
			}
		})
	}
}

// utf16 writes ASCII in two bytes each, behind mark.
func utf16(mark, text string, bigEnd bool) string {
	var b strings.Builder
	b.WriteString(mark)
	for i := range len(text) {
		if pair := []byte{text[i], 0}; bigEnd {
			b.Write([]byte{pair[1], pair[0]})
		} else {
			b.Write(pair)
		}
	}
	return b.String()
}

// FuzzParseToken: whatever comes, an accepted token has an end, fits into a header or a form, and is the one that
// encoding/json finds under the same names.
func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","expires_in":300,"refresh_token":"r","refresh_expires_in":1800}`, `{"access_token":"a","expires_in":"1e99"}`,
		`{"access_token":"a","expires_in":3.5,"token_type":"bearer","scope":"x y","id_token":"i","session_state":"s"}`,
		`{"access_token":"a","access_token":"b"}`, `{"ACCESS_TOKEN":"b","access_token":"a"}`, `{"access_token":"a","acces\u0073_token":"b"}`,
		`{"access_token":"a","expires_in":-0}`, `{"access_token":"a","scope":"\ud800"}`, `{"access_token":null}`, `[]`, "\ufeff{}",
		`{"access_token":"a","x":[[[[[[[[]]]]]]]]}`, `{"access_token":"a","x":"[{\"\\"}`, `{"access_token":"a"} `, `{"access_token":"a"}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		token, err := oauth.ParseToken(answer(200, body))
		if err != nil {
			if !errors.Is(err, oauth.ErrMalformed) || !token.Access.Empty() {
				t.Fatalf("error %v", err)
			}
			return
		}
		if token.ExpiresIn <= 0 || token.ExpiresIn > 24*time.Hour || token.RefreshExpiresIn < 0 {
			t.Fatalf("lifetimes %v, %v", token.ExpiresIn, token.RefreshExpiresIn)
		}
		if all := token.Refresh.Reveal() + token.ID.Reveal() + token.SessionState; strings.ContainsFunc(all+token.Access.Reveal(), func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
			t.Fatalf("%q", all)
		}
		if strings.ContainsFunc(token.Scope, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Fatalf("scope %q", token.Scope)
		}
		var second map[string]any
		if err := json.Unmarshal([]byte(body), &second); err != nil {
			t.Fatalf("accepted, and not by encoding/json: %v", err)
		}
		text := func(name string) string { s, _ := second[name].(string); return s }
		if token.Access.Empty() || text("access_token") != token.Access.Reveal() || text("refresh_token") != token.Refresh.Reveal() || text("id_token") != token.ID.Reveal() {
			t.Fatalf("read another way than %v", second)
		}
	})
}

func TestParseTokenMalformedGivesTheRefreshToken(t *testing.T) {
	for body, want := range map[string]string{
		`{"access_token":"","refresh_token":"r"}`:                       "r",
		`{"access_token":"a","expires_in":0,"refresh_token":"r"}`:       "r",
		`{"access_token":"a","token_type":"mac","refresh_token":"r"}`:   "r",
		`{"access_token":"a","expires_in":9,"refresh_token":"r\u0007"}`: "",
		`{"access_token":"a","expires_in":9,"refresh_token":5}`:         "",
		`{"refresh_token":"r","refresh_token":"s"}`:                     "",
		`{"refresh_token":"r"`:                                          "",
	} {
		token, err := oauth.ParseToken(answer(200, body))
		if !errors.Is(err, oauth.ErrMalformed) || token.Refresh.Reveal() != want || !token.Access.Empty() {
			t.Errorf("%s: %q, error %v", body, token.Refresh.Reveal(), err)
		}
	}
}
