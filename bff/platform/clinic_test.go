package platform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"locum/bff/oauth"
	"locum/bff/platform"
)

func TestClinic(t *testing.T) {
	p := mustJane(t)
	for _, c := range []struct{ name, input, origin, host, called string }{
		{"origin", "https://clinic.janeapp.com", "https://clinic.janeapp.com", "clinic.janeapp.com", "clinic.janeapp.com"},
		{"origin as a browser copies it", "https://clinic.janeapp.com/", "https://clinic.janeapp.com", "clinic.janeapp.com", "clinic.janeapp.com"},
		{"host", "clinic.janeapp.com", "https://clinic.janeapp.com", "clinic.janeapp.com", "clinic.janeapp.com"},
		{"first label", "north-clinic2", "https://north-clinic2.janeapp.com", "north-clinic2.janeapp.com", "north-clinic2.janeapp.com"},
		{"longest label", strings.Repeat("a", 63), "https://" + strings.Repeat("a", 63) + ".janeapp.com", strings.Repeat("a", 63) + ".janeapp.com", strings.Repeat("a", 63) + ".janeapp.com"},
		{"configured origin", "https://book.clinic.example", "https://book.clinic.example", "book.clinic.example", "Own address"},
		{"configured host", "book.clinic.example", "https://book.clinic.example", "book.clinic.example", "Own address"},
		{"configured port", "intra.clinic.example:8443", "https://intra.clinic.example:8443", "intra.clinic.example:8443", "Own port"},
		{"configured loopback", "http://127.0.0.1:8123", "http://127.0.0.1:8123", "127.0.0.1:8123", "Sandbox"},
		{"configured loopback, bare", "127.0.0.1:8123", "http://127.0.0.1:8123", "127.0.0.1:8123", "Sandbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.Clinic(c.input)
			if err != nil || got != (platform.Clinic{Address: c.origin, Origin: c.origin, Host: c.host, Name: c.called}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestT013ClinicRefuses(t *testing.T) {
	p := mustJane(t)
	for _, c := range []struct{ name, input, reason string }{
		{"empty", "", platform.ClinicEmpty},
		{"a slash", "/", platform.ClinicName},
		{"scheme alone", "https://", platform.ClinicName},
		{"endless", strings.Repeat("a", 300), platform.ClinicTooLong},
		{"T013 suffix of another host", "https://a.janeapp.com.evil.example", platform.ClinicNotAllowed},
		{"T013 domain in the path", "https://evil.example/.janeapp.com", platform.ClinicPath},
		{"T013 domain as userinfo", "https://a.janeapp.com@evil.example", platform.ClinicUserinfo},
		{"T013 userinfo", "https://evil.example@a.janeapp.com", platform.ClinicUserinfo},
		{"T013 http", "http://a.janeapp.com", platform.ClinicScheme},
		{"T013 other scheme", "ftp://a.janeapp.com", platform.ClinicScheme},
		{"T013 javascript", "javascript://a.janeapp.com", platform.ClinicScheme},
		{"T013 scheme in upper case", "HTTPS://a.janeapp.com", platform.ClinicScheme},
		{"T013 no scheme", "//a.janeapp.com", platform.ClinicPath},
		{"T013 scheme with one slash", "https:/a.janeapp.com", platform.ClinicPort},
		{"T013 IPv4", "https://10.0.0.1", platform.ClinicIPAddress},
		{"T013 metadata address", "169.254.169.254", platform.ClinicIPAddress},
		{"T013 IPv4 as a number", "https://2130706433", platform.ClinicIPAddress},
		{"T013 IPv4 in short", "https://127.1", platform.ClinicIPAddress},
		{"T013 IPv4 hexadecimal", "https://0x7f000001", platform.ClinicNotAllowed},
		{"T013 IPv6", "https://[::1]", platform.ClinicIPAddress},
		{"T013 IPv6 with a port", "[::1]:8123", platform.ClinicIPAddress},
		{"T013 localhost", "https://localhost", platform.ClinicNotAllowed},
		{"T013 port", "https://a.janeapp.com:8443", platform.ClinicPort},
		{"T013 usual port", "a.janeapp.com:443", platform.ClinicPort},
		{"T013 trailing dot", "https://a.janeapp.com.", platform.ClinicName},
		{"T013 leading dot", ".janeapp.com", platform.ClinicName},
		{"T013 double dot", "a..janeapp.com", platform.ClinicName},
		{"T013 uppercase", "https://A.janeapp.com", platform.ClinicUppercase},
		{"T013 uppercase domain", "a.JaneApp.com", platform.ClinicUppercase},
		{"T013 look-alike letter", "https://\u0430.janeapp.com", platform.ClinicCharacter},
		{"T013 full-width dot", "a\uff0ejaneapp.com", platform.ClinicCharacter},
		{"T013 ideographic dot", "a\u3002janeapp.com", platform.ClinicCharacter},
		{"T013 punycode label", "https://xn--80ak6aa92e.janeapp.com", platform.ClinicNotAllowed},
		{"T013 punycode alone", "xn--80ak6aa92e", platform.ClinicNotAllowed},
		{"T013 encoded dot", "https://a%2ejaneapp.com", platform.ClinicEncoding},
		{"T013 encoded at", "https://evil.example%40a.janeapp.com", platform.ClinicEncoding},
		{"T013 fragment", "https://a.janeapp.com#evil", platform.ClinicFragment},
		{"T013 fragment in front", "https://evil.example#.janeapp.com", platform.ClinicFragment},
		{"T013 query", "https://evil.example?.janeapp.com", platform.ClinicQuery},
		{"T013 parameter", "a.janeapp.com&redirect_uri=https:", platform.ClinicCharacter},
		{"T013 CRLF", "a.janeapp.com\r\nX: y", platform.ClinicCharacter},
		{"T013 NUL", "a\x00.janeapp.com", platform.ClinicCharacter},
		{"T013 space in front", " a.janeapp.com", platform.ClinicCharacter},
		{"T013 backslash", `https://evil.example\.janeapp.com`, platform.ClinicPath},
		{"T013 two slashes at the end", "https://a.janeapp.com//", platform.ClinicPath},
		{"T013 a page of the clinic", "https://a.janeapp.com/admin", platform.ClinicPath},
		{"T013 without the dot", "eviljaneapp.com", platform.ClinicNotAllowed},
		{"T013 the domain itself", "janeapp.com", platform.ClinicNotAllowed},
		{"T013 two labels", "a.b.janeapp.com", platform.ClinicNotAllowed},
		{"T013 hyphen in front", "-a.janeapp.com", platform.ClinicName},
		{"T013 underscore", "a_b.janeapp.com", platform.ClinicCharacter},
		{"T013 label of 64", strings.Repeat("a", 64) + ".janeapp.com", platform.ClinicName},
		{"T013 another domain", "clinic.jane.qa", platform.ClinicNotAllowed},
		{"T013 configured clinic by http", "http://book.clinic.example", platform.ClinicScheme},
		{"T013 configured clinic with a port", "https://book.clinic.example:8443", platform.ClinicPort},
		{"T013 configured clinic without its port", "https://intra.clinic.example", platform.ClinicNotAllowed},
		{"T013 loopback with another port", "http://127.0.0.1:8124", platform.ClinicScheme},
		{"T013 loopback by https", "https://127.0.0.1:8123", platform.ClinicPort},
		{"T013 loopback by name", "http://localhost:8123", platform.ClinicScheme},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.Clinic(c.input)
			var refusal *platform.ClinicError
			if !errors.As(err, &refusal) || refusal.Reason != c.reason {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// FuzzClinic: an accepted address is one label below the domain, or configured.
func FuzzClinic(f *testing.F) {
	f.Add("https://clinic.janeapp.com/")
	f.Add("https://a.janeapp.com@evil.example")
	f.Fuzz(func(t *testing.T, input string) {
		p := mustJane(t)
		got, err := p.Clinic(input)
		if err != nil {
			return
		}
		for _, link := range p.Clinics {
			if got.Origin == link.URL {
				return
			}
		}
		label, ok := strings.CutSuffix(got.Host, ".janeapp.com")
		if !ok || label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || got.Origin != "https://"+got.Host {
			t.Fatalf("%q became %+v", input, got)
		}
	})
}

// claims are what oauth makes of a token with these members, the guide's sample apart from them.
func claims(t *testing.T, audience []string, extra string) oauth.Claims {
	t.Helper()
	c := oauth.Claims{Subject: "7f7ac94b", SID: "s-1", Audience: audience, Scopes: []string{"observations:read"}}
	if err := json.Unmarshal([]byte(extra), &c.Extra); err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	clinicA = "https://clinic-a.janeapp.com"
	clinicB = "https://clinic-b.janeapp.com"
	owners  = `{"resource_access":{"https://clinic-a.janeapp.com":{"roles":["practitioner"]},"https://clinic-b.janeapp.com":{"roles":["owner"]}},
		"resource_owner":{"https://clinic-a.janeapp.com":{"staff_members":["f6ca502e-64b8"]},"https://clinic-b.janeapp.com":{"staff_members":["other"]}}}`
)

func TestGrant(t *testing.T) {
	p := mustJane(t)
	got, err := p.Grant(claims(t, []string{clinicA}, owners), clinicA)
	if err != nil {
		t.Fatal(err)
	}
	want := platform.Grant{Subject: "7f7ac94b", SID: "s-1", Scopes: []string{"observations:read"}, Roles: []string{"practitioner"},
		StaffMembers: []string{"f6ca502e-64b8"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	for name, extra := range map[string]string{
		"nothing": `{}`, "null": `{"resource_access":null,"resource_owner":null}`, "another clinic": `{"resource_owner":{"https://clinic-b.janeapp.com":{"staff_members":["x"]}}}`,
		"no list": `{"resource_owner":{"https://clinic-a.janeapp.com":{}}}`,
	} {
		got, err := p.Grant(claims(t, []string{clinicA}, extra), clinicA)
		if err != nil || len(got.Roles) != 0 || len(got.StaffMembers) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestT044GrantRefuses(t *testing.T) {
	p := mustJane(t)
	for _, c := range []struct {
		name     string
		audience []string
		extra    string
		clinic   string
		code     string
	}{
		{"T044 no audience", nil, owners, clinicA, platform.GrantWrongClinic},
		{"T044 another clinic", []string{clinicB}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 two clinics", []string{clinicA, clinicB}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 the same clinic twice", []string{clinicA, clinicA}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 account beside the clinic", []string{clinicA, "account"}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 with a slash", []string{clinicA + "/"}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 in another case", []string{"https://Clinic-a.janeapp.com"}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 http", []string{"http://clinic-a.janeapp.com"}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 host alone", []string{"clinic-a.janeapp.com"}, owners, clinicA, platform.GrantWrongClinic},
		{"T044 nothing asked for", []string{""}, owners, "", platform.GrantWrongClinic},
		{"resource_owner a list", []string{clinicA}, `{"resource_owner":[]}`, clinicA, platform.GrantBadToken},
		{"clinic's entry a text", []string{clinicA}, `{"resource_owner":{"https://clinic-a.janeapp.com":"x"}}`, clinicA, platform.GrantBadToken},
		{"staff a text", []string{clinicA}, `{"resource_owner":{"https://clinic-a.janeapp.com":{"staff_members":"x"}}}`, clinicA, platform.GrantBadToken},
		{"staff with a number", []string{clinicA}, `{"resource_owner":{"https://clinic-a.janeapp.com":{"staff_members":[1]}}}`, clinicA, platform.GrantBadToken},
		{"staff id that is a path", []string{clinicA}, `{"resource_owner":{"https://clinic-a.janeapp.com":{"staff_members":["../x"]}}}`, clinicA, platform.GrantBadToken},
		{"role empty", []string{clinicA}, `{"resource_access":{"https://clinic-a.janeapp.com":{"roles":[""]}}}`, clinicA, platform.GrantBadToken},
		{"too many roles", []string{clinicA}, `{"resource_access":{"https://clinic-a.janeapp.com":{"roles":["r"` + strings.Repeat(`,"r"`, 100) + `]}}}`, clinicA, platform.GrantBadToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.Grant(claims(t, c.audience, c.extra), c.clinic)
			var refusal *platform.GrantError
			if !errors.As(err, &refusal) || refusal.Code != c.code || refusal.Reason == "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	nobody := claims(t, []string{clinicA}, owners)
	nobody.Subject = ""
	if _, err := p.Grant(nobody, clinicA); err == nil {
		t.Error("a token without a subject is a grant")
	}
}
