package bff_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// The platforms of a bench with services: one authenticates by keys, its service too, and one by a posted secret.
const (
	keyed  = "keyed"
	posted = "athena"
)

// withServices is a bench with both SMART servers of the sandbox behind it. robin is an administrator.
func withServices(t *testing.T) *bench {
	b := open(t, func(cfg *config.Config, _ *bff.Options) {
		box, err := sandbox.Start(sandbox.Options{Athena: &sandbox.FaceOptions{}, SMART: &sandbox.FaceOptions{}})
		must(t, err)
		t.Cleanup(func() { must(t, box.Close()) })
		origin := cfg.PublicURL.Scheme + "://" + cfg.PublicURL.Host
		byKey := oauth.Auth{Method: oauth.AuthKey, Algorithm: "ES384"}
		one, err := platform.SMART(platform.SMARTConfig{FHIRBase: box.SMART().FHIRBase(), AppConfig: platform.AppConfig{
			ID: keyed, ClientID: "people-keyed", PublicURL: origin, Auth: byKey,
			Service: &platform.Service{ClientID: "service-keyed", Name: "Nightly", Auth: byKey, Scopes: []string{"system/Patient.rs"}, Operations: []string{"fhir.Patient.search"}},
		}})
		must(t, err)
		two, err := platform.Athena(platform.AthenaConfig{Base: box.Athena().Origin(), Issuer: box.Athena().Issuer(),
			Practices: []platform.Practice{{ID: box.Athena().Practice()}}, AppConfig: platform.AppConfig{ID: posted, ClientID: "people-athena", PublicURL: origin}})
		must(t, err)
		cfg.Platforms = append(cfg.Platforms, one, two)
		cfg.Administrators = []string{loginOne}
		_, err = box.SMART().Register(sandbox.App{ID: "service-keyed", Service: true, Auth: oauth.AuthKey, JWKSURL: origin + shared.KeysPath(keyed)})
		must(t, err)
	})
	for _, service := range []bool{false, true} {
		_, err := b.server.Keys().Create(keys.Target{Platform: keyed, Service: service}, 0)
		must(t, err)
	}
	return b
}

// TestT029PublicKeys: the set of a platform is there for everybody, may be kept for a third of the cache time, and holds the
// public members of its own keys and its service's. Where no key is used there is none.
func TestT029PublicKeys(t *testing.T) {
	b := withServices(t)
	path := shared.KeysPath(keyed)
	a := b.get(path)
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Content-Type") != "application/json" || len(a.header.Values("Set-Cookie")) > 0 {
		t.Errorf("%d, %v", a.status, a.header)
	}
	var set struct{ Keys []map[string]any }
	must(t, json.Unmarshal(a.body, &set))
	var kids []any
	for _, key := range set.Keys {
		for member := range key {
			if !slices.Contains([]string{"kty", "kid", "use", "alg", "crv", "x", "y"}, member) {
				t.Errorf("the set has a member %s", member)
			}
		}
		kids = append(kids, key["kid"])
	}
	if len(kids) != 2 || kids[0] == kids[1] {
		t.Errorf("the set has the keys %v", kids)
	}
	if head := b.do(request{"HEAD", path, nil, ""}); head.status != http.StatusOK || len(head.body) > 0 || head.header.Get("Cache-Control") == "no-store" {
		t.Errorf("HEAD: %d %s", head.status, head.body)
	}
	for _, none := range []string{shared.KeysPath(posted), shared.KeysPath("jane"), shared.KeysPath("nowhere"), shared.KeysPath("keyed%2fservice")} {
		if a := b.get(none); a.status != http.StatusNotFound && a.status != http.StatusBadRequest || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %s", none, a.status, a.header.Get("Cache-Control"))
		}
	}
}

// TestServicesAreAdministrators lists and calls a service: for administrators. For everybody else there is none, and no call of
// theirs asks the platform for anything.
func TestServicesAreAdministrators(t *testing.T) {
	b := withServices(t)
	admin, other := b.signIn(loginOne), b.signIn(loginTwo)
	listed := func() shared.Service {
		t.Helper()
		var list shared.Services
		a := admin.read(shared.PathServices)
		must(t, json.Unmarshal(a.body, &list))
		if a.status != http.StatusOK || len(list.Services) != 1 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		checkKeys(t, "services", a, describedKeys(t))
		return list.Services[0]
	}
	if one := listed(); one.ID != "service.keyed" || one.Name != "Nightly" || one.State != shared.StateConnected || one.Next != "none" || one.Fresh != 0 ||
		!slices.Equal(one.Operations, []string{"fhir.Patient.search"}) || one.Platform.ID != keyed {
		t.Errorf("listed as %+v", one)
	}
	path := strings.TrimPrefix(b.cfg.Platforms[slices.IndexFunc(b.cfg.Platforms, func(p *platform.Platform) bool { return p.ID == keyed })].FHIRBase, "http://")
	_, path, _ = strings.Cut(path, "/")
	patients := shared.PathProxy + "/service.keyed/" + path + "/Patient?name=a"
	for name, who := range map[string]browser{"somebody else": other, "nobody": {bench: b}} {
		for _, at := range []string{shared.PathServices, patients} {
			want := http.StatusNotFound
			if name == "nobody" {
				want = http.StatusUnauthorized
			}
			if a := who.read(at); a.status != want {
				t.Errorf("%s: %s: %d %s", name, at, a.status, a.body)
			}
		}
	}
	if one := listed(); one.Fresh != 0 {
		t.Error("a call that was refused asked for a token")
	}
	if a := admin.read(patients); a.status != http.StatusOK || !strings.Contains(string(a.body), `"Bundle"`) {
		t.Errorf("an administrator's call: %d %s\n%s", a.status, a.body, b.log)
	}
	if one := listed(); one.Fresh == 0 || one.Fresh > 300 {
		t.Errorf("the token is fresh for %d s", one.Fresh)
	}
	if a := admin.read(strings.Replace(patients, "Patient?name=a", "Observation?patient=x", 1)); a.status != http.StatusNotFound {
		t.Errorf("what is not on its list: %d %s", a.status, a.body)
	}
	if err := b.server.SetServiceSecret(posted, secret.New("x")); err == nil || !strings.Contains(err.Error(), "has no service") {
		t.Errorf("a secret for no service: %v", err)
	}
}
