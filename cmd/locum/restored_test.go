package main

import (
	"path/filepath"
	"strings"
	"testing"

	"locum/bff/secret"
	"locum/bff/vault"
)

// TestRestored: of a data directory out of a backup, the connections that have a refresh token ask before they use it.
func TestRestored(t *testing.T) {
	dir, in := installed(t)
	inVault := func(f func(*vault.Tx) error) {
		t.Helper()
		in(func(v *vault.Vault) error { return v.Update(f) })
	}
	inVault(func(tx *vault.Tx) error {
		alive := vault.Connection{ID: "alive", State: "connected", Refresh: secret.New("of-the-backup")}
		over := vault.Connection{ID: "over", State: "needs_reconnect", Cause: "session_ended"}
		if err := vault.Connections.Put(tx, "alive", &alive); err != nil {
			return err
		}
		return vault.Connections.Put(tx, "over", &over)
	})
	var out strings.Builder
	args := []string{"restored", "--original-stopped", "-c", filepath.Join(dir, "locum.yaml")}
	if code := run(t.Context(), args, streams{out: &out, err: &out}); code != 0 || !strings.Contains(out.String(), "backup: 1\n") {
		t.Fatalf("exit %d: %s", code, out.String())
	}
	if strings.Contains(out.String(), "of-the-backup") {
		t.Error("a token was printed")
	}
	inVault(func(tx *vault.Tx) error {
		alive, err := vault.Connections.Get(tx, "alive")
		if alive.Phase != "restored" || alive.Refresh.Empty() {
			t.Errorf("phase %q", alive.Phase)
		}
		line, _ := vault.Timelines.Get(tx, "alive")
		if len(line.Steps) != 1 || line.Steps[0].What != "restored" || line.Steps[0].Trigger != "operator" {
			t.Errorf("its timeline is %+v", line.Steps)
		}
		return err
	})
}
