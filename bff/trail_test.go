package bff_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/audit"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/bff/vault"
	"locum/shared"
)

func (b *bench) trail() string { return filepath.Join(b.cfg.DataDir, bff.AuditFile) }

// verify reads the trail of a bench that has been closed.
func (b *bench) verify(anchors ...audit.Anchor) (audit.Report, error) {
	b.t.Helper()
	master, err := vault.ReadKeyFile(b.cfg.MasterKeyFile)
	must(b.t, err)
	store, err := vault.Open(b.cfg.DataDir, master)
	must(b.t, err)
	defer store.Close()
	return audit.Verify(b.trail(), store.DeriveKey(bff.AuditKeyPurpose), anchors...)
}

func (b *bench) until(what string, f func() bool) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	b.t.Fatal("never: ", what)
}

// TestT111NoAuditNoAccess: however the trail fails, a call for data is refused before anything leaves, in words that say
// why; nobody signs in; whoever wants to leaves; the process is alive and says that it is not ready; and when the cause is
// gone everything works again, without a restart and with the sign-out on record.
func TestT111NoAuditNoAccess(t *testing.T) {
	for _, c := range []struct {
		name       string
		prepare    func(*testing.T) func(*config.Config, *bff.Options)
		harm, mend func(b *bench) error
	}{
		{name: "T111 directory gone",
			harm: func(b *bench) error { return os.Rename(b.cfg.DataDir, b.cfg.DataDir+".away") },
			mend: func(b *bench) error { return os.Rename(b.cfg.DataDir+".away", b.cfg.DataDir) }},
		{name: "T111 file replaced",
			harm: func(b *bench) error {
				return firstError(os.Rename(b.trail(), b.trail()+".mine"), os.WriteFile(b.trail(), bytes.Repeat([]byte("x\n"), 4000), 0o600))
			},
			mend: func(b *bench) error { return os.Rename(b.trail()+".mine", b.trail()) }},
		{name: "T111 a directory in its place",
			harm: func(b *bench) error {
				return firstError(os.Rename(b.trail(), b.trail()+".mine"), os.Mkdir(b.trail(), 0o700))
			},
			mend: func(b *bench) error { return firstError(os.Remove(b.trail()), os.Rename(b.trail()+".mine", b.trail())) }},
		{name: "T111 volume full", prepare: ownVolume,
			harm: func(b *bench) error {
				if err := os.WriteFile(b.ballast(), make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
					return fmt.Errorf("the volume is not full: %w", err)
				}
				return nil
			},
			mend: func(b *bench) error { return os.Remove(b.ballast()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare == nil {
				c.prepare = func(*testing.T) func(*config.Config, *bff.Options) { return nil }
			}
			b := open(t, c.prepare(t))
			one, two := b.signIn(loginOne), b.signIn(loginTwo)
			id := one.connect("jane", 0, "robin@example.test")
			call := "/proxy/v1/" + id + patientsPath
			if a := one.read(call); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			must(t, c.harm(b))
			served := b.sandbox.Count(sandbox.EndpointAPI)
			for one.read(call).status == http.StatusOK && b.sandbox.Count(sandbox.EndpointAPI) < served+64 {
				continue // the last page of a volume that is full still takes a record or two
			}
			served = b.sandbox.Count(sandbox.EndpointAPI)
			b.refusesEverything(one, id)
			if now := b.sandbox.Count(sandbox.EndpointAPI); now != served {
				t.Errorf("the clinic was asked %d times", now-served)
			}
			b.stillLeaves(two)
			must(t, c.mend(b))
			b.until("ready", func() bool { return b.get(shared.PathReady).status == http.StatusOK })
			if a := one.read(call); a.status != http.StatusOK {
				t.Errorf("after it was mended: %d %s", a.status, a.body)
			}
			b.stop()
			must(t, b.server.Close())
			if r, err := b.verify(); err != nil || r.Intents != b.sandbox.Count(sandbox.EndpointAPI) || r.Open != 0 {
				t.Errorf("%+v, %v", r, err)
			}
			if text, _ := os.ReadFile(b.trail()); bytes.Count(text, []byte(`"kind":"sign_out"`)) != 1 {
				t.Errorf("the sign-out of the meantime is not on record once:\n%s\n%s", text, b.log)
			}
		})
	}
}

// ownVolume puts the trail on a small volume of its own.
func ownVolume(t *testing.T) func(*config.Config, *bff.Options) {
	return func(cfg *config.Config, _ *bff.Options) {
		volume := filepath.Join(filepath.Dir(cfg.DataDir), "volume")
		must(t, os.Mkdir(volume, 0o700))
		if err := syscall.Mount("none", volume, "tmpfs", 0, "size=64k"); err != nil {
			t.Skip("no file system can be mounted here: ", err)
		}
		t.Cleanup(func() { must(t, syscall.Unmount(volume, 0)) })
		for _, name := range []string{bff.AuditFile, "audit.head"} {
			content, err := os.ReadFile(filepath.Join(cfg.DataDir, name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(volume, name), content, 0o600))
			must(t, os.Remove(filepath.Join(cfg.DataDir, name)))
			must(t, os.Symlink(filepath.Join(volume, name), filepath.Join(cfg.DataDir, name)))
		}
	}
}

func (b *bench) ballast() string {
	return filepath.Join(filepath.Dir(b.cfg.DataDir), "volume", "ballast")
}

// refusesEverything that needs a record.
func (b *bench) refusesEverything(one browser, id string) {
	b.t.Helper()
	for what, a := range map[string]answer{
		"read":  one.read("/proxy/v1/" + id + patientsPath),
		"write": one.change("POST", "/proxy/v1/"+id+"/api/2026-01-01/patients/search", map[string]any{"query": "a"}),
	} {
		if a.status != http.StatusServiceUnavailable || a.code(b.t) != shared.CodeAudit {
			b.t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	a := b.form(shared.PathSignIn, nil, url.Values{"login": {loginOne}, "password": {password}})
	if a.status != http.StatusServiceUnavailable || a.setCookie(b.name("session")) != "" || !bytes.Contains(a.body, []byte(`role="alert"`)) {
		b.t.Errorf("sign-in: %d %s", a.status, a.body)
	}
	b.until("not ready", func() bool {
		a := b.get(shared.PathReady)
		return a.status == http.StatusServiceUnavailable && a.code(b.t) == shared.CodeAudit
	})
	if a := b.get(shared.PathHealth); a.status != http.StatusOK {
		b.t.Errorf("health: %d %s", a.status, a.body)
	}
	if !strings.Contains(b.log.String(), "audit log unavailable") {
		b.t.Error("the log does not say what is wrong")
	}
}

// stillLeaves: sign-out ends the session at once and tells the browser to forget.
func (b *bench) stillLeaves(who browser) {
	b.t.Helper()
	if a := who.read(shared.PathSession); a.status != http.StatusOK {
		b.t.Errorf("the session ended by itself: %d", a.status)
	}
	a := b.form(shared.PathSignOut, [][2]string{who.cookies()}, nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != shared.PathSignIn || a.setCookie(b.name("session")) == "" {
		b.t.Errorf("sign-out: %d %s", a.status, a.body)
	}
	if a := who.read(shared.PathSession); a.status != http.StatusUnauthorized {
		b.t.Errorf("the session lives on: %d", a.status)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
