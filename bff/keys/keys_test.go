package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/keys"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// TestT029PublicMembersAlone holds a set to the members of RFC 7517 that are public, each key's id to its thumbprint, and
// what the set says to what signs.
func TestT029PublicMembersAlone(t *testing.T) {
	s := open(t)
	s.create(j)
	s.all[2].Auth.Algorithm = keys.RS256
	s.must(keys.Command{Op: keys.OpCreate, Target: keys.Target{Platform: "r"}, Bits: 2048})
	wanted := map[string][]string{"EC": {"alg", "crv", "kid", "kty", "use", "x", "y"}, "RSA": {"alg", "e", "kid", "kty", "n", "use"}}
	for _, id := range []string{"j", "r"} {
		set := s.set(id)
		if len(set) != 1 {
			t.Fatalf("%s has %d keys", id, len(set))
		}
		var members []string
		for member := range set[0] {
			members = append(members, member)
		}
		slices.Sort(members)
		if kind := set[0]["kty"].(string); !slices.Equal(members, wanted[kind]) {
			t.Errorf("%s: a key of %s has members %v", id, kind, members)
		}
		if set[0]["use"] != "sig" {
			t.Errorf("%s: use is %v", id, set[0]["use"])
		}
		verifySignature(t, s, id, set[0])
	}
}

// verifySignature signs as a client does and checks with nothing but what the set says.
func verifySignature(t *testing.T, s *shelf, id string, member map[string]any) {
	t.Helper()
	key, err := s.Signer(id)
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(member[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Int).SetBytes(raw)
	}
	if key.ID != member["kid"] || key.Algorithm != member["alg"] {
		t.Errorf("%s: %s %s signs, the set has %v", id, key.Algorithm, key.ID, member)
	}
	var required string
	switch key.Algorithm {
	case keys.ES384:
		required = fmt.Sprintf(`{"crv":"P-384","kty":"EC","x":%q,"y":%q}`, member["x"], member["y"])
		digest := sha512.Sum384([]byte("text"))
		signature, err := key.Private.Sign(rand.Reader, digest[:], crypto.SHA384)
		point := append(number("x").FillBytes(make([]byte, 48)), number("y").FillBytes(make([]byte, 48))...)
		public, parsed := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), append([]byte{4}, point...))
		if err != nil || parsed != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Errorf("%s: the signature does not verify: %v", id, err)
		}
	case keys.RS256:
		required = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, member["e"], member["n"])
		digest := sha256.Sum256([]byte("text"))
		signature, err := key.Private.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil || rsa.VerifyPKCS1v15(&rsa.PublicKey{N: number("n"), E: int(number("e").Int64())}, crypto.SHA256, digest[:], signature) != nil {
			t.Errorf("%s: the signature does not verify: %v", id, err)
		}
	}
	sum := sha256.Sum256([]byte(required))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); member["kid"] != want {
		t.Errorf("%s: kid is %v, the thumbprint %s (RFC 7638 §3)", id, member["kid"], want)
	}
}

// TestThumbprintOfRFC7638 is the example of RFC 7638 §3.1.
func TestThumbprintOfRFC7638(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W" +
		"-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt" +
		"-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	raw, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		t.Fatal(err)
	}
	if got := keys.Thumbprint(&rsa.PublicKey{N: new(big.Int).SetBytes(raw), E: 65537}); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("the thumbprint is %s", got)
	}
}

// TestT028NoKeyIsShared: each platform and each service has keys of its own, whatever is made in whichever order, also after
// a restart.
func TestT028NoKeyIsShared(t *testing.T) {
	s := open(t)
	for range 3 {
		for _, target := range []keys.Target{j, a, service} {
			s.create(target)
		}
	}
	s.restart()
	seen := map[string]string{}
	for _, id := range []string{"j", "a", keys.OfService("a")} {
		published := s.published(id)
		if len(published) != 3 || !slices.Contains(published, s.signs(id)) {
			t.Errorf("%s: %v are published, %s signs", id, published, s.signs(id))
		}
		for _, kid := range published {
			if seen[kid] != "" {
				t.Errorf("%s and %s share %s", seen[kid], id, kid)
			}
			seen[kid] = id
		}
	}
	if both := s.published(keys.Sets(s.all[1])...); len(both) != 6 {
		t.Errorf("the set of a and its service has %d keys", len(both))
	}
}

func TestSets(t *testing.T) {
	all := platforms()
	for i, want := range [][]string{{"j"}, {"a", "a/service"}, {"r"}, nil} {
		if got := keys.Sets(all[i]); !slices.Equal(got, want) {
			t.Errorf("%s publishes %v, want %v", all[i].ID, got, want)
		}
	}
	if keys.CacheOf(all[0]) != 15*time.Minute || keys.CacheOf(all[1]) != time.Hour {
		t.Error("the cache time is not the platform's, or 15 minutes")
	}
}

// TestPrivateHalvesDoNotShow prints what others get of a key in every way there is, and looks for its private half in the
// database.
func TestPrivateHalvesDoNotShow(t *testing.T) {
	s := open(t)
	made := s.create(j)
	var stored vault.SigningKey
	err := s.vault.View(func(tx *vault.Tx) (err error) {
		stored, err = vault.SigningKeys.Get(tx, "j/"+made.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(stored.Private.Reveal())
	if err != nil || len(der) < 100 {
		t.Fatalf("the private half is %d bytes: %v", len(der), err)
	}
	key, err := s.Signer("j")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.vault.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(s.dir, vault.FileName))
	if err != nil || bytes.Contains(database, der[len(der)-64:]) || bytes.Contains(database, []byte(stored.Private.Reveal()[:40])) {
		t.Errorf("the private half is in the file of the vault: %v", err)
	}
	inner := fmt.Sprintf("%x", der[len(der)-150:len(der)-110])
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key, "private", key.Private, "store", fmt.Sprintf("%+v", s.Store))
	marshalled, _ := json.Marshal(key)
	text := log.String() + string(marshalled)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		text += fmt.Sprintf(verb, key) + fmt.Sprintf(verb, &key)
		if printed := fmt.Sprintf(verb, key.Private); printed != "[private key]" {
			t.Errorf("%s prints %s", verb, printed)
		}
	}
	if strings.Contains(text, inner) || strings.Contains(text, " D:") || strings.Contains(text, "{D:") || strings.Contains(text, stored.Private.Reveal()[:40]) {
		t.Errorf("a private half shows: %.400s", text)
	}
	if !strings.Contains(text, "[private key]") {
		t.Errorf("what is printed is %.300s", text)
	}
}

func TestErrorsNameTheNextStep(t *testing.T) {
	s := open(t)
	run := func(c keys.Command) error { _, err := s.Run(c); return err }
	target := func(id string) keys.Target { return keys.Target{Platform: id} }
	for name, c := range map[string]struct {
		command keys.Command
		want    error
		says    string
	}{
		"unknown platform":     {keys.Command{Op: keys.OpCreate, Target: target("nowhere")}, platform.ErrUnknownPlatform, "see platforms"},
		"no keys here":         {keys.Command{Op: keys.OpCreate, Target: target("p")}, keys.ErrUnused, "p authenticates by client_secret_post; write auth.method: private_key_jwt"},
		"no keys to list":      {keys.Command{Op: keys.OpList, Target: target("p")}, keys.ErrUnused, "client_secret_post"},
		"no service":           {keys.Command{Op: keys.OpCreate, Target: keys.Target{Platform: "j", Service: true}}, keys.ErrUnused, "has no service"},
		"nothing to rotate":    {keys.Command{Op: keys.OpRotate, Target: j}, keys.ErrNone, "locum keys create j"},
		"nothing to export":    {keys.Command{Op: keys.OpExport, Target: service}, keys.ErrNone, "locum keys create a --service"},
		"unknown key":          {keys.Command{Op: keys.OpRetire, Target: j, Key: "x"}, keys.ErrUnknown, "locum keys list j"},
		"bits of an EC key":    {keys.Command{Op: keys.OpCreate, Target: j, Bits: 2048}, keys.ErrSize, "one size"},
		"bits of no key":       {keys.Command{Op: keys.OpCreate, Target: target("r"), Bits: 1024}, keys.ErrSize, "2048 or 3072"},
		"unknown operation":    {keys.Command{Op: "show", Target: j}, nil, "no operation"},
		"nothing that signs":   {keys.Command{Op: "sign"}, nil, "no operation"},
		"no platform at all":   {keys.Command{Op: keys.OpList}, platform.ErrUnknownPlatform, "see platforms"},
		"the service's own id": {keys.Command{Op: keys.OpList, Target: target("a/service")}, platform.ErrUnknownPlatform, "see platforms"},
	} {
		err := run(c.command)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", name, err, c.want, c.says)
		}
	}
	if _, err := s.Signer("j"); !errors.Is(err, keys.ErrNone) || !strings.Contains(err.Error(), "locum keys create j") {
		t.Errorf("nothing to sign with: %v", err)
	}
	if _, err := s.Signer("a/service"); err == nil || !strings.Contains(err.Error(), "locum keys create a --service") {
		t.Errorf("nothing to sign with for a service: %v", err)
	}
	for range keys.Most {
		s.create(j)
	}
	if err := run(keys.Command{Op: keys.OpCreate, Target: j}); !errors.Is(err, keys.ErrFull) || !strings.Contains(err.Error(), "locum keys retire j") {
		t.Errorf("a sixth key: %v", err)
	}
}

// TestDamagedKey: one record that holds no key, or another one's, costs no other key its use, and is not used.
func TestDamagedKey(t *testing.T) {
	s := open(t)
	first, second, third := s.create(j), s.create(j), s.create(j)
	err := s.vault.Update(func(tx *vault.Tx) error {
		for _, from := range []struct {
			id      string
			private func(vault.SigningKey) secret.String
		}{
			{first.ID, func(vault.SigningKey) secret.String { return secret.New("bm8ga2V5") }},
			{second.ID, func(other vault.SigningKey) secret.String { return other.Private }},
		} {
			other, err := vault.SigningKeys.Get(tx, "j/"+third.ID)
			if err != nil {
				return err
			}
			r, err := vault.SigningKeys.Get(tx, "j/"+from.id)
			if err != nil {
				return err
			}
			r.Private = from.private(other)
			if err := vault.SigningKeys.Put(tx, "j/"+from.id, &r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.restart()
	if got := s.published("j"); !slices.Equal(got, []string{third.ID}) || s.signs("j") != third.ID {
		t.Errorf("%v are published and %s signs, want the one that is left, %s", got, s.signs("j"), third.ID)
	}
}

// TestIDsCanBeTyped: no id looks like a flag.
func TestIDsCanBeTyped(t *testing.T) {
	for range 500 {
		if id := keys.NewID(t); strings.HasPrefix(id, "-") {
			t.Fatalf("%s looks like a flag", id)
		}
	}
}
