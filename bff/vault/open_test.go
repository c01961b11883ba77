package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/secret"
	"locum/bff/vault"
)

// sample makes a closed database with a few records of some size.
func sample(t testing.TB, key vault.MasterKey) (dir string, content []byte) {
	t.Helper()
	dir = memoryDir(t)
	v := mustOpen(t, dir, key)
	for _, id := range []string{"a", "b", "c"} {
		mustPut(t, v, vault.Connections, id, &vault.Connection{ID: id, Access: secret.New(strings.Repeat("x", 1500))})
		mustPut(t, v, vault.Sessions, id, &vault.Session{ID: id})
	}
	mustPut(t, v, vault.Connections, "a", &vault.Connection{ID: "a", State: "connected", Generation: 1})
	mustClose(t, v)
	return dir, readFile(t, filepath.Join(dir, vault.FileName))
}

func TestT063WrongKey(t *testing.T) {
	dir, before := sample(t, newKey(t))
	start := time.Now()
	_, err := vault.Open(dir, newKey(t))
	if !errors.Is(err, vault.ErrWrongKey) {
		t.Fatalf("got %v", err)
	}
	t.Logf("refused within %v", time.Since(start))
	if !bytes.Equal(readFile(t, filepath.Join(dir, vault.FileName)), before) {
		t.Error("the file has changed")
	}
}

func TestNoKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := vault.Open(dir, vault.MasterKey{}); err == nil {
		t.Error("opened without a key")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("made a data directory without a key")
	}
}

func TestT071ModesUnderUmaskZero(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	base := t.TempDir()
	keyFile, dir := filepath.Join(base, "master.key"), filepath.Join(base, "var", "data")
	if err := vault.CreateKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	v := mustOpen(t, dir, key)
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, vault.FileName): 0o600,
		filepath.Join(dir, vault.FileName+".mark"): 0o600, keyFile: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v (%v)", path, info.Mode().Perm(), want, err)
		}
	}
	mustClose(t, v)

	t.Run("what was opened to others is closed", func(t *testing.T) {
		for _, path := range []string{dir, filepath.Join(dir, vault.FileName), filepath.Join(dir, vault.FileName+".mark")} {
			if err := os.Chmod(path, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, mustOpen(t, dir, key))
		for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, vault.FileName): 0o600,
			filepath.Join(dir, vault.FileName+".mark"): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, want %v (%v)", path, info.Mode().Perm(), want, err)
			}
		}
	})
	t.Run("a directory shared by all is refused", func(t *testing.T) {
		shared := filepath.Join(base, "tmp")
		if err := errors.Join(os.Mkdir(shared, 0o777), os.Chmod(shared, 0o777|os.ModeSticky)); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Open(shared, key); err == nil {
			t.Error("opened in a sticky directory")
		}
	})
}

func TestT071KeyFile(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		ok            bool
	}{
		{"as made", good + "\n", 0o600, true},
		{"read-only", good + "\n", 0o400, true},
		{"without newline", good, 0o600, true},
		{"CRLF", good + "\r\n", 0o600, true},
		{"readable by the group", good + "\n", 0o640, false},
		{"readable by others", good + "\n", 0o604, false},
		{"writable by the group", good + "\n", 0o620, false},
		{"empty", "", 0o600, false},
		{"31 bytes", base64.StdEncoding.EncodeToString(make([]byte, 31)), 0o600, false},
		{"33 bytes", base64.StdEncoding.EncodeToString(make([]byte, 33)), 0o600, false},
		{"not base64", strings.Repeat("?", 44), 0o600, false},
		{"two lines", good + "\n" + good + "\n", 0o600, false},
		{"hex", strings.Repeat("07", 32), 0o600, false},
		{"huge", strings.Repeat("A", 1<<20), 0o600, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			writeFile(t, path, []byte(c.content))
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			checkKeyFile(t, path, c.content, c.ok)
		})
	}
	t.Run("missing", func(t *testing.T) { checkKeyFile(t, filepath.Join(t.TempDir(), "key"), "", false) })
	t.Run("directory", func(t *testing.T) { checkKeyFile(t, t.TempDir(), "", false) })
	t.Run("a second one is not made over the first", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		writeFile(t, path, []byte(good))
		var refused *vault.KeyFileError
		if err := vault.CreateKeyFile(path); !errors.As(err, &refused) || string(readFile(t, path)) != good {
			t.Errorf("got %v", err)
		}
	})
}

func checkKeyFile(t *testing.T, path, content string, ok bool) {
	t.Helper()
	_, err := vault.ReadKeyFile(path)
	var refused *vault.KeyFileError
	if ok != (err == nil) || err != nil && !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if err != nil && content != "" && strings.Contains(err.Error(), content) {
		t.Error("the error tells the key")
	}
}

// TestT071SecondProcess runs this test binary again as the second process.
func TestT071SecondProcess(t *testing.T) {
	if dir := os.Getenv("VAULT_TEST_SECOND_PROCESS"); dir != "" {
		key, err := vault.ReadKeyFile(filepath.Join(dir, "..", "key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = vault.Open(dir, key); errors.Is(err, vault.ErrInUse) {
			t.Skipf("in use as expected: %v", err)
		}
		t.Fatalf("the second process got %v", err)
	}
	base := t.TempDir()
	dir, keyFile := filepath.Join(base, "data"), filepath.Join(base, "key")
	if err := vault.CreateKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	v := mustOpen(t, dir, key)
	for _, when := range []string{"after opening", "after a compaction, which exchanges the file"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestT071SecondProcess$", "-test.v")
		cmd.Env = append(os.Environ(), "VAULT_TEST_SECOND_PROCESS="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "in use as expected: "+vault.ErrInUse.Error()) {
			t.Fatalf("%s: %v\n%s", when, err, out)
		}
		mustPut(t, v, vault.Sessions, when, &vault.Session{ID: "the first is unharmed"})
		if err := v.Compact(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInUseWithinOneProcess(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	mustOpen(t, dir, key)
	start := time.Now()
	_, err := vault.Open(dir, key)
	if !errors.Is(err, vault.ErrInUse) {
		t.Errorf("got %v", err)
	}
	t.Logf("refused after %v", time.Since(start))
}

func TestADamagedFileIsNeverReplaced(t *testing.T) {
	key := newKey(t)
	_, whole := sample(t, key)
	foreign := foreignBolt(t)
	for _, c := range []struct {
		name    string
		content []byte
	}{
		{"empty", nil},
		{"one byte", whole[:1]},
		{"one page", whole[:4096]},
		{"two pages", whole[:8192]},
		{"half", whole[:len(whole)/2]},
		{"without the last page in use", whole[:lastUsed(whole)]},
		{"text", []byte(strings.Repeat("public_url: https://example.org\n", 4000))},
		{"zeroes", make([]byte, len(whole))},
		{"SQLite", append([]byte("SQLite format 3\x00"), make([]byte, 32768)...)},
		{"another program's bbolt file", foreign},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, vault.FileName)
			writeFile(t, path, c.content)
			if _, err := vault.Open(dir, key); !errors.Is(err, vault.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			if !bytes.Equal(readFile(t, path), c.content) {
				t.Error("the file has changed")
			}
		})
	}
	t.Run("symbolic link", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, vault.FileName)); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Open(dir, key); err == nil {
			t.Error("followed a symbolic link")
		}
	})
}

func lastUsed(whole []byte) int {
	end := len(whole)
	for end > 0 && bytes.Equal(whole[end-4096:end], make([]byte, 4096)) {
		end -= 4096
	}
	return end - 4096
}

func foreignBolt(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return readFile(t, path)
}

// TestAnyFlippedBitIsNoticed flips bits all over the file. Either it is said, or what is read is what was written: a
// flipped bit in a free page, or in one of the two meta pages (the last commit is then lost, as after a power cut).
func TestAnyFlippedBitIsNoticed(t *testing.T) {
	key := newKey(t)
	dir, whole := sample(t, key)
	path := filepath.Join(dir, vault.FileName)
	step := 127
	if testing.Short() {
		step = 997
	}
	said := 0
	for at := 0; at < len(whole); at++ {
		if inPage := at % 4096; inPage >= 64 && at%step != 0 {
			continue
		}
		broken := bytes.Clone(whole)
		broken[at] ^= 1 << (at % 8)
		writeFile(t, path, broken)
		if err := readAll(dir, key); err != nil {
			said++
			if !errors.Is(err, vault.ErrCorrupt) && !errors.Is(err, vault.ErrIntegrity) && !errors.Is(err, vault.ErrNotFound) {
				t.Fatalf("byte %d: %v", at, err)
			}
		}
	}
	if said < 100 {
		t.Errorf("only %d flips were noticed", said)
	}
	writeFile(t, path, whole)
	if err := readAll(dir, key); err != nil {
		t.Errorf("the whole file: %v", err)
	}
}

func readAll(dir string, key vault.MasterKey) error {
	v, err := vault.Open(dir, key)
	if err != nil {
		return err
	}
	defer v.Close()
	return v.View(func(tx *vault.Tx) error {
		for _, id := range []string{"a", "b", "c"} {
			c, err := vault.Connections.Get(tx, id)
			if err != nil {
				return err
			}
			if s, err := vault.Sessions.Get(tx, id); err != nil || s.ID != id || c.ID != id {
				return errors.Join(err, errors.New("another record than was asked for"))
			}
		}
		return errors.Join(
			vault.Connections.Each(tx, func(vault.Connection) error { return nil }),
			vault.Sessions.Each(tx, func(vault.Session) error { return nil }))
	})
}

func TestACrashDuringCreationLeavesNothing(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	left := filepath.Join(dir, vault.FileName+".aside-123")
	writeFile(t, left, []byte("half a database"))
	mustClose(t, mustOpen(t, dir, key))
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the left-over file: %v", err)
	}
	onlyTheDatabase(t, dir)
}

// TestTwoAtOnceMakeOneDatabase lets many open a directory that is still empty: one holds it, the others are told so, and
// what the one wrote is there afterwards.
func TestTwoAtOnceMakeOneDatabase(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "data"), newKey(t)
	opened := make(chan *vault.Vault, 8)
	var wg sync.WaitGroup
	for range cap(opened) {
		wg.Go(func() {
			v, err := vault.Open(dir, key)
			if err == nil {
				opened <- v
			} else if !errors.Is(err, vault.ErrInUse) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(opened) != 1 {
		t.Fatalf("%d hold the database", len(opened))
	}
	v := <-opened
	mustPut(t, v, vault.Sessions, "s", &vault.Session{ID: "s"})
	mustClose(t, v)
	if _, err := get(mustOpen(t, dir, key), vault.Sessions, "s"); err != nil {
		t.Error(err)
	}
}
