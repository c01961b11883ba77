package vault_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

var freeze = flag.Bool("freeze", false, "write testdata/v3.db anew: only before its forms are released")

var (
	frozenKey = filepath.Join("testdata", "v1-TEST-ONLY.key")
	frozenV1  = filepath.Join("testdata", "v1.db")
	frozenV2  = filepath.Join("testdata", "v2.db")
	frozenV3  = filepath.Join("testdata", "v3.db")
)

// TestFrozenV1 opens a database that the first version wrote. Every later version must.
func TestFrozenV1(t *testing.T) {
	v := openFrozen(t, frozenV1)
	if mac := v.MAC("frozen", "v1"); mac != frozenMAC {
		t.Errorf("MAC = %s", mac)
	}
	t.Run("Account", func(t *testing.T) { frozen(t, v, vault.Accounts, nil) })
	t.Run("Session", func(t *testing.T) { frozen(t, v, vault.Sessions, nil) })
	t.Run("Attempt", func(t *testing.T) { frozen(t, v, vault.Attempts, firstAttempt) })
	t.Run("Outcome", func(t *testing.T) { frozen(t, v, vault.Outcomes, firstOutcome) })
	t.Run("Connection", func(t *testing.T) {
		frozen(t, v, vault.Connections, func(c *vault.Connection) {
			secondConnection(c)
			c.WindowMax, c.Reuses, c.EndsAt, c.DoubtSince = 0, 0, time.Time{}, time.Time{}
		})
	})
	t.Run("ClientSecret", func(t *testing.T) { frozen(t, v, vault.ClientSecrets, nil) })
}

// TestFrozenV2 opens a database that the second version wrote: the forms that it added or changed.
func TestFrozenV2(t *testing.T) {
	v := openFrozen(t, frozenV2)
	t.Run("Connection", func(t *testing.T) { frozen(t, v, vault.Connections, secondConnection) })
	t.Run("Timeline", func(t *testing.T) { frozen(t, v, vault.Timelines, nil) })
	t.Run("Revocation", func(t *testing.T) { frozen(t, v, vault.Revocations, nil) })
	t.Run("LogoutToken", func(t *testing.T) { frozen(t, v, vault.LogoutTokens, nil) })
	t.Run("Authority", func(t *testing.T) { frozen(t, v, vault.Authorities, nil) })
}

// TestFrozenV3 opens a database that the third version wrote: the forms that it added or changed.
func TestFrozenV3(t *testing.T) {
	if *freeze {
		freezeV3(t)
	}
	v := openFrozen(t, frozenV3)
	t.Run("Attempt", func(t *testing.T) { frozen(t, v, vault.Attempts, nil) })
	t.Run("Outcome", func(t *testing.T) { frozen(t, v, vault.Outcomes, nil) })
	t.Run("Connection", func(t *testing.T) { frozen(t, v, vault.Connections, nil) })
	t.Run("Launch", func(t *testing.T) { frozen(t, v, vault.Launches, nil) })
	t.Run("Ticket", func(t *testing.T) { frozen(t, v, vault.Tickets, nil) })
	t.Run("Link", func(t *testing.T) { frozen(t, v, vault.Links, nil) })
	t.Run("SigningKey", func(t *testing.T) { frozen(t, v, vault.SigningKeys, nil) })
	t.Run("ServerPin", func(t *testing.T) { frozen(t, v, vault.ServerPins, nil) })
}

// What the earlier forms did not have.
func firstAttempt(a *vault.Attempt) {
	a.Kind, a.Launch, a.Framed, a.Browser = "", secret.String{}, false, ""
}

func firstOutcome(o *vault.Outcome) { o.Browser, o.SignsIn, o.Pending, o.Framed = "", "", "", false }

func secondConnection(c *vault.Connection) {
	c.Issuer, c.FHIRUser, c.Launch, c.RefreshScopes = "", "", vault.LaunchContext{}, nil
}

// openFrozen opens a copy of a database that was frozen under the test key.
func openFrozen(t *testing.T, db string) *vault.Vault {
	dir := t.TempDir()
	private := filepath.Join(dir, "key") // a checkout does not keep the mode 0600
	writeFile(t, private, readFile(t, frozenKey))
	key, err := vault.ReadKeyFile(private)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(data, vault.FileName), readFile(t, db))
	return mustOpen(t, data, key)
}

func frozen[T any](t *testing.T, v *vault.Vault, c vault.Collection[T], older func(*T)) {
	got, err := get(v, c, "frozen")
	if err != nil {
		t.Fatal(err)
	}
	want := filled[T](t)
	if older != nil {
		older(want)
	}
	reflect.ValueOf(want).Elem().FieldByName("Generation").SetUint(1)
	if !reflect.DeepEqual(got, *want) {
		t.Errorf("read %+v, want %+v", got, *want)
	}
}

func freezeV3(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "key")
	writeFile(t, private, readFile(t, frozenKey))
	key, err := vault.ReadKeyFile(private)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	v := mustOpen(t, data, key)
	mustPut(t, v, vault.Attempts, "frozen", filled[vault.Attempt](t))
	mustPut(t, v, vault.Outcomes, "frozen", filled[vault.Outcome](t))
	mustPut(t, v, vault.Connections, "frozen", filled[vault.Connection](t))
	mustPut(t, v, vault.Launches, "frozen", filled[vault.Launch](t))
	mustPut(t, v, vault.Tickets, "frozen", filled[vault.Ticket](t))
	mustPut(t, v, vault.Links, "frozen", filled[vault.Link](t))
	mustPut(t, v, vault.SigningKeys, "frozen", filled[vault.SigningKey](t))
	mustPut(t, v, vault.ServerPins, "frozen", filled[vault.ServerPin](t))
	mustClose(t, v)
	writeFile(t, frozenV3, readFile(t, filepath.Join(data, vault.FileName)))
}

// frozenMAC is what MAC("frozen", "v1") is in testdata/v1.db, whose key file is a test key and protects nothing.
const frozenMAC = "AYOuDucl4mptM98OlY0Wt3TS23grNzx3WNhoPvcdn3Y"
