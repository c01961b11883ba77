package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"locum/bff/secret"
	"locum/bff/vault"
)

// snapshot is every file below dir: mode, time and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			content = string(readFile(t, path))
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime(), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLookChangesNothing: whoever examines an installation sees the wrong modes and the left-over files that Open would
// have mended.
func TestLookChangesNothing(t *testing.T) {
	key := newKey(t)
	sound := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "data")
		v := mustOpen(t, dir, key)
		if err := v.SetClientSecret("jane", secret.New("a-client-secret")); err != nil {
			t.Fatal(err)
		}
		mustClose(t, v)
		return dir
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		key   vault.MasterKey
		want  error
	}{
		{"a sound vault", func(*testing.T, string) {}, key, nil},
		{"open to others, with left-over files", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, vault.FileName), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, vault.FileName+".aside-1"), []byte("left"), 0o600))
		}, key, nil},
		{"no mark, as of an earlier version", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, vault.FileName+".mark"))) }, key, nil},
		{"another key", func(*testing.T, string) {}, newKey(t), vault.ErrWrongKey},
		{"gone", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, vault.FileName))) }, key, vault.ErrMissing},
		{"never there", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700)) }, key, os.ErrNotExist},
		{"no directory", func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) }, key, os.ErrNotExist},
		{"damaged", func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, vault.FileName), 5000)) }, key, vault.ErrCorrupt},
		{"in use", func(t *testing.T, dir string) { mustOpen(t, dir, key) }, key, vault.ErrInUse},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := sound(t)
			c.spoil(t, dir)
			before := snapshot(t, filepath.Dir(dir))
			found := false
			err := vault.Look(dir, c.key, func(v *vault.Vault) error {
				record, err := get(v, vault.ClientSecrets, "jane")
				found = record.Value.Equal(secret.New("a-client-secret"))
				if v.SetClientSecret("jane", secret.New("another")) == nil {
					t.Error("written while it is looked at")
				}
				return err
			})
			if !errors.Is(err, c.want) || found != (c.want == nil) {
				t.Errorf("%v, want %v; found the secret: %t", err, c.want, found)
			}
			if after := snapshot(t, filepath.Dir(dir)); !reflect.DeepEqual(before, after) {
				t.Errorf("before %v\nafter %v", before, after)
			}
			if c.want == nil {
				mustClose(t, mustOpen(t, dir, key))
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
