package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/secret"
	"locum/bff/vault"
)

// installation is a data directory with one client secret, its key and a configuration.
type installation struct{ dir, config, data string }

func install(t *testing.T) installation {
	t.Helper()
	dir := t.TempDir()
	in := installation{dir: dir, config: filepath.Join(dir, "locum.yaml"), data: filepath.Join(dir, "data", vault.FileName)}
	in.configure(t, "master.key")
	if code, out := in.run("keys", "create"); code != 0 {
		t.Fatal(out)
	}
	in.withVault(t, func(v *vault.Vault) error { return v.SetClientSecret("jane-sandbox", secret.New("s3cret")) })
	return in
}

func (in installation) configure(t *testing.T, key string) {
	t.Helper()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"config", "example"}, streams{out: &out, err: &out}); code != 0 {
		t.Fatal(out.String())
	}
	text := strings.ReplaceAll(out.String(), "https://locum.example.org", "http://localhost:1")
	text = strings.ReplaceAll(text, "master_key_file: master.key", "master_key_file: "+key)
	if err := os.WriteFile(in.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (in installation) run(args ...string) (code int, output string) {
	var out bytes.Buffer
	code = run(context.Background(), append(args, "-c", in.config), streams{in: strings.NewReader(""), out: &out, err: &out})
	return code, out.String()
}

func (in installation) withVault(t *testing.T, fn func(*vault.Vault) error) {
	t.Helper()
	key, err := vault.ReadKeyFile(filepath.Join(in.dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(filepath.Dir(in.data), key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := fn(v); err != nil {
		t.Fatal(err)
	}
}

// TestT063T071ExitCodes starts Locum on data that it must not touch: each cause has a code and a text of its own, and the
// file stays as it was.
func TestT063T071ExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, in installation)
		code int
		says string
	}{
		{"T063 another master key", func(t *testing.T, in installation) {
			in.configure(t, "other.key")
			in.run("keys", "create")
		}, exitWrongKey, "master_key_file in"},
		{"T062 truncated", func(t *testing.T, in installation) { must(t, os.Truncate(in.data, 9000)) }, exitDamaged, "restore the data directory"},
		{"T062 empty", func(t *testing.T, in installation) { must(t, os.Truncate(in.data, 0)) }, exitDamaged, "restore the data directory"},
		{"T062 gone", func(t *testing.T, in installation) { must(t, os.Remove(in.data)) }, exitDamaged, "is gone"},
		{"T062 a directory", func(t *testing.T, in installation) {
			must(t, os.Remove(in.data))
			must(t, os.Mkdir(in.data, 0o700))
		}, exitDamaged, "no regular file"},
		{"T071 readable key file", func(t *testing.T, in installation) {
			must(t, os.Chmod(filepath.Join(in.dir, "master.key"), 0o644))
		}, 1, "is open to other users (mode 0644); make it 0600"},
		{"T071 in use", func(t *testing.T, in installation) {
			key, err := vault.ReadKeyFile(filepath.Join(in.dir, "master.key"))
			must(t, err)
			held, err := vault.Open(filepath.Dir(in.data), key)
			must(t, err)
			t.Cleanup(func() { _ = held.Close() })
		}, exitInUse, "stop the running Locum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := install(t)
			c.harm(t, in)
			before := digest(in.data)
			start := time.Now()
			for _, command := range [][]string{{"serve"}, {"account", "list"}, {"compact"}} {
				if code, out := in.run(command...); code != c.code || !strings.Contains(out, c.says) {
					t.Errorf("%v: exit code %d, %s", command, code, out)
				}
			}
			t.Logf("three refusals in %v", time.Since(start))
			if digest(in.data) != before {
				t.Error("the file has changed")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// digest is of what stands at a path; of nothing or a directory, that of nothing.
func digest(path string) [32]byte {
	content, _ := os.ReadFile(path)
	return sha256.Sum256(content)
}

// TestCompactSetsDamagedRecordsAside damages one record below its seal: the command line names it, keeps it, and drops it
// only when asked to.
func TestCompactSetsDamagedRecordsAside(t *testing.T) {
	in := install(t)
	in.withVault(t, func(v *vault.Vault) error { return v.SetClientSecret("jane", secret.New("other")) })
	db, err := bbolt.Open(in.data, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		key, value := tx.Bucket([]byte("client_secrets")).Cursor().First()
		value = bytes.Clone(value)
		value[len(value)-1] ^= 1
		return tx.Bucket([]byte("client_secrets")).Put(key, value)
	}))
	must(t, db.Close())
	for _, step := range []struct{ flag, says, silent string }{
		{"", "damaged and set aside: 1 in client_secrets", "dropped"},
		{"", "damaged and set aside: 1 in client_secrets", "dropped"},
		{"--drop-damaged", "dropped 1 damaged", "set aside"},
		{"--drop-damaged", "dropped 0 damaged", "set aside"},
	} {
		args := strings.Fields("compact " + step.flag)
		if code, out := in.run(args...); code != 0 || !strings.Contains(out, step.says) || strings.Contains(out, step.silent) {
			t.Errorf("%v: exit code %d, %s", args, code, out)
		}
	}
	in.withVault(t, func(v *vault.Vault) error {
		return v.View(func(tx *vault.Tx) error {
			if n := vault.ClientSecrets.Count(tx); n != 1 {
				t.Errorf("%d client secrets are left", n)
			}
			return nil
		})
	})
}
