package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"locum/bff/account"
	"locum/bff/secret"
	"locum/bff/vault"
)

// installed gives a fresh installation, and a way into its vault while nobody else has it.
func installed(t *testing.T) (dir string, in func(func(*vault.Vault) error)) {
	t.Helper()
	dir = t.TempDir()
	if code, out := initialise(t, dir); code != 0 {
		t.Fatal(out)
	}
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, func(f func(*vault.Vault) error) {
		t.Helper()
		v, err := vault.Open(filepath.Join(dir, "data"), key)
		if err == nil {
			err = f(v)
		}
		if err == nil {
			err = v.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestT055AccountDisabled: whoever is barred with --disconnect has no connection left, and no session; what they had is in
// the outbox, for the next start.
func TestT055AccountDisabled(t *testing.T) {
	dir, in := installed(t)
	var platform string
	in(func(v *vault.Vault) error {
		accounts := account.New(v)
		who, err := accounts.Add("maya@clinic.example", "Maya", secret.New("a long pass phrase of hers"))
		if err != nil {
			return err
		}
		other, err := accounts.Add("noor@clinic.example", "Noor", secret.New("another pass phrase, longer"))
		if err != nil {
			return err
		}
		cfg, err := configured{Config: filepath.Join(dir, "locum.yaml")}.load()
		if err != nil {
			return err
		}
		platform = cfg.Platforms[0].ID
		return v.Update(func(tx *vault.Tx) error {
			for _, c := range []vault.Connection{
				{ID: "alive", Practitioner: who.ID, Platform: platform, State: "connected", Refresh: secret.New("r-1"), Access: secret.New("a-1"),
					SID: "s", ReceivedAt: time.Now(), ExpiresIn: time.Minute, RefreshExpiresIn: time.Hour},
				{ID: "elsewhere", Practitioner: who.ID, Platform: "gone", State: "connected", Refresh: secret.New("r-2"), ReceivedAt: time.Now()},
				{ID: "theirs", Practitioner: other.ID, Platform: platform, State: "connected", Refresh: secret.New("r-3")},
			} {
				if err := vault.Connections.Put(tx, c.ID, &c); err != nil {
					return err
				}
			}
			return vault.Sessions.Put(tx, "s", &vault.Session{ID: "s", Practitioner: who.ID})
		})
	})
	var out strings.Builder
	args := []string{"account", "disable", "maya@clinic.example", "--disconnect", "-c", filepath.Join(dir, "locum.yaml")}
	if code := run(t.Context(), args, streams{out: &out, err: &out}); code != 0 || !strings.Contains(out.String(), "connections ended: 2;") {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	in(func(v *vault.Vault) error {
		return v.View(func(tx *vault.Tx) error {
			if n, s := vault.Connections.Count(tx), vault.Sessions.Count(tx); n != 1 || s != 0 {
				t.Errorf("%d connections and %d sessions are left", n, s)
			}
			if n := vault.Revocations.Count(tx); n != 1 {
				t.Errorf("%d revocations wait", n)
			}
			line, err := vault.Timelines.Get(tx, "alive")
			if err != nil || line.EndedAt.IsZero() || line.Steps[0].What != "disconnected" || line.Steps[0].Trigger != "operator" {
				t.Errorf("its timeline is %+v", line)
			}
			return vault.Revocations.Each(tx, func(r vault.Revocation) error {
				if r.Connection != "alive" || r.Refresh.Reveal() != "r-1" || r.Access.Reveal() != "a-1" || r.SID != "s" {
					t.Errorf("what waits is %+v", r)
				}
				return nil
			})
		})
	})
	if code := run(t.Context(), append(args, "--undo"), streams{out: &out, err: &out}); code == 0 {
		t.Error("both at once")
	}
}
