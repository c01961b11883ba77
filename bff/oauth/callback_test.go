package oauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"locum/bff/oauth"
)

const iss = "iss=https%3A%2F%2Flogin.id.janeapp.com%2Frealms%2Fjane"

func TestParseCallback(t *testing.T) {
	// Keycloak adds session_state, which RFC 6749 §4.1.2 tells clients to ignore.
	got, err := oauth.ParseCallback("state=abc.def&session_state=1-2&" + iss + "&code=1f.2e.3d")
	if err != nil {
		t.Fatal(err)
	}
	if got.State != "abc.def" || got.Code.Reveal() != "1f.2e.3d" || got.Iss != "https://login.id.janeapp.com/realms/jane" || got.Error != "" {
		t.Errorf("%+v", got)
	}
}

func TestParseCallbackRefuses(t *testing.T) {
	for _, c := range []struct{ name, query string }{
		{"empty", ""},
		{"T016 state missing", "code=c"},
		{"T016 state empty", "state=&code=c"},
		{"T016 state twice", "state=a&state=a&code=c"},
		{"T016 state twice, once encoded", "state=a&%73tate=b&code=c"},
		{"T016 state with a trailing space", "state=a%20&code=c"},
		{"T016 state with a trailing plus", "state=a+&code=c"},
		{"T016 state of 257 characters", "state=" + strings.Repeat("a", 257) + "&code=c"},
		{"T016 state of 1 MB", "state=" + strings.Repeat("a", 1<<20) + "&code=c"},
		{"T016 state missing in an error", "error=access_denied"},
		{"T019 iss twice", "state=a&code=c&" + iss + "&" + iss},
		{"T019 iss too long", "state=a&code=c&iss=https://" + strings.Repeat("i", 600)},
		{"T021 code missing", "state=a"},
		{"T021 code empty", "state=a&code="},
		{"T021 code twice", "state=a&code=c&code=c"},
		{"T021 code of 100 kB", "state=a&code=" + strings.Repeat("c", 100<<10)},
		{"T021 code of 5000 characters", "state=a&code=" + strings.Repeat("c", 5000)},
		{"T021 code with NUL", "state=a&code=c%00"},
		{"T021 code with CRLF", "state=a&code=c%0d%0aX:y"},
		{"T021 code with DEL", "state=a&code=c%7f"},
		{"T021 code with bad UTF-8", "state=a&code=c%ff"},
		{"T020 error twice", "state=a&error=access_denied&error=access_denied"},
		{"unknown parameter twice", "state=a&code=c&x=1&x=2"},
		{"broken percent-encoding", "state=a&code=c%zz"},
		{"cut percent-encoding", "state=a&code=c%2"},
		{"semicolon", "state=a;code=c"},
		{"fragment", "state=a&code=c#x"},
		{"many parameters", "state=a&code=c" + strings.Repeat("&x", 40)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := oauth.ParseCallback(c.query)
			if !errors.Is(err, oauth.ErrCallback) {
				t.Fatalf("error %v, read as %+v", err, got)
			}
			if len(err.Error()) > 100 {
				t.Errorf("the error repeats the query: %.150s", err)
			}
		})
	}
}

func TestT020ErrorResponsesAreData(t *testing.T) {
	enc := url.QueryEscape
	for _, c := range []struct{ name, query, code, text string }{
		{"T020 access_denied", "error=access_denied&state=a", "access_denied", ""},
		{"T020 Keycloak's own", "error=temporarily_unavailable&error_description=authentication_expired&state=a", "temporarily_unavailable", "authentication_expired"},
		{"T020 unknown code", "error=x-vendor&state=a", "x-vendor", ""},
		{"T020 both code and error", "error=server_error&code=c&state=a", "server_error", ""},
		{"T020 empty error", "error=&state=a", oauth.UnreadableError, ""},
		{"T020 error with a quote", "error=" + enc(`a"b`) + "&state=a", oauth.UnreadableError, ""},
		{"T020 error with a line break", "error=a%0ab&state=a", oauth.UnreadableError, ""},
		{"T020 HTML stays text", "error=e&error_description=" + enc("<script>alert(1)</script>") + "&state=a", "e", "<script>alert(1)</script>"},
		{"T020 ANSI and CRLF", "error=e&error_description=" + enc("\x1b[31mred\r\nSet-Cookie: x") + "&state=a", "e", "[31mred  Set-Cookie: x"},
		{"T020 right-to-left override", "error=e&error_description=" + enc("a\u202eb") + "&state=a", "e", "a b"},
		{"T020 bad UTF-8", "error=e&error_description=a%ff%feb&state=a", "e", "a  b"},
		{"T020 10 kB", "error=e&error_description=" + strings.Repeat("d", 10<<10) + "&state=a", "e", strings.Repeat("d", 200)},
		{"T020 error_uri", "error=e&error_uri=" + enc("javascript:alert(1)") + "&state=a", "e", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := oauth.ParseCallback(c.query)
			if err != nil {
				t.Fatal(err)
			}
			if got.Error != c.code || got.Description != c.text || got.State != "a" || !got.Code.Empty() {
				t.Errorf("%+v", got)
			}
		})
	}
}

// FuzzParseCallback: what is accepted is either a code or an error, has a state, is inert, and is what net/url reads in the
// same query, where each of it stands once.
func FuzzParseCallback(f *testing.F) {
	for _, seed := range []string{
		"state=a&code=c&" + iss, "state=a&error=access_denied&error_description=x%0d", "state=a&code=c&error=e", "state=a&state=a&code=c",
		"%73tate=a&code=c", "state=a&&code=c&", "state=a&code=c&x", "state=a&code=c;d", "state=a+b&code=c", "state=%61&code=%E4%BD%A0",
		"state=a&code=c&%00=%00", "State=a&state=b&code=c", "state=a&error=%22&error_uri=javascript:x", "=&state=a&code=c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := oauth.ParseCallback(query)
		if err != nil {
			return
		}
		if got.State == "" || got.Code.Empty() == (got.Error == "") {
			t.Fatalf("%+v", got)
		}
		all := got.State + got.Iss + got.Error + got.Code.Reveal()
		if strings.ContainsFunc(all, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
			t.Fatalf("%q", all)
		}
		if len([]rune(got.Description)) > 200 || strings.ContainsFunc(got.Description, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Fatalf("%q", got.Description)
		}
		second, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("accepted, and not by net/url: %v", err)
		}
		for name, values := range second {
			if len(values) != 1 {
				t.Fatalf("%q stands %d times", name, len(values))
			}
		}
		if second.Get("state") != got.State || second.Get("iss") != got.Iss || second.Has("error") != (got.Error != "") ||
			got.Error == "" && second.Get("code") != got.Code.Reveal() {
			t.Fatalf("%v, and read as %+v", second, got)
		}
	})
}
