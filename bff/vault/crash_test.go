package vault_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"locum/bff/secret"
	"locum/bff/vault"
)

// kills is how many times TestT066KillLosesNothing kills its writer; LOCUM_KILLS=10000 is the row's own number.
const kills = 12

// TestT066KillLosesNothing kills a process that puts, changes and deletes records and compacts, over and over, in mid-work.
// Each time the database opens again and holds exactly what the process had acknowledged: nothing is lost, nothing that was
// deleted comes back; the one write under way is there whole or not at all.
func TestT066KillLosesNothing(t *testing.T) {
	if dir := os.Getenv("VAULT_TEST_WRITER"); dir != "" {
		writeUntilKilled(t, dir)
	}
	n := kills
	if s := os.Getenv("LOCUM_KILLS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	base := memoryDir(t) // a process that is killed takes no page cache with it
	if err := vault.CreateKeyFile(filepath.Join(base, "key")); err != nil {
		t.Fatal(err)
	}
	known, acknowledged := model{}, 0
	for kill := range n {
		under := known.killAfter(t, base, kill, 1+kill*5%60)
		acknowledged += under.done
		v := mustOpen(t, filepath.Join(base, "data"), mustKey(t, base))
		known.compare(t, v, under)
		mustClose(t, v)
		checkBolt(t, filepath.Join(base, "data", vault.FileName))
	}
	t.Logf("%d kills, %d acknowledged writes, none lost, none back", n, acknowledged)
}

// model is what the writer has acknowledged: the number in each record, by its key; 0 for none.
type model map[string]int

// underway is the write that was announced last, and how many were acknowledged before.
type underway struct {
	key  string
	n    int
	done int
}

const writerKeys = 9

// killAfter lets a writer acknowledge so many writes, in the model, and kills it.
func (m model) killAfter(t *testing.T, base string, seed, writes int) underway {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestT066KillLosesNothing$")
	cmd.Env = append(os.Environ(), "VAULT_TEST_WRITER="+base, fmt.Sprint("VAULT_TEST_SEED=", seed))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var under underway
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "done" {
			m[under.key] = under.n
			if under.done++; under.done == writes {
				_ = cmd.Process.Kill()
			}
		} else if _, err := fmt.Sscanf(lines.Text(), "%s %d", &under.key, &under.n); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
	}
	_ = cmd.Wait()
	return under
}

// compare holds the vault against the model, and takes over how the write under way has ended.
func (m model) compare(t *testing.T, v *vault.Vault, under underway) {
	t.Helper()
	for i := range writerKeys {
		key := fmt.Sprint("key", i)
		c, err := get(v, vault.Connections, key)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			t.Fatalf("%s: %v", key, err)
		}
		if c.RawStatus != m[key] && (key != under.key || c.RawStatus != under.n) {
			t.Fatalf("%s holds %d, acknowledged was %d; under way: %+v", key, c.RawStatus, m[key], under)
		}
		m[key] = c.RawStatus
	}
	if damaged, err := v.Damaged(); err != nil || len(damaged) > 0 {
		t.Fatalf("damaged: %+v, %v", damaged, err)
	}
}

// checkBolt runs bbolt's own consistency check.
func checkBolt(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	})
}

func writeUntilKilled(t *testing.T, base string) {
	v := mustOpen(t, filepath.Join(base, "data"), mustKey(t, base))
	seed, err := strconv.Atoi(os.Getenv("VAULT_TEST_SEED"))
	if err != nil {
		t.Fatal(err)
	}
	for r, i := rand.New(rand.NewPCG(66, uint64(seed))), 1; ; i++ {
		key, n := fmt.Sprint("key", r.IntN(writerKeys)), seed*1000+i
		if r.IntN(3) == 0 {
			n = 0
		}
		fmt.Println(key, n)
		if err := v.Update(func(tx *vault.Tx) error { return writeOne(tx, key, n) }); err != nil {
			t.Fatal(err)
		}
		fmt.Println("done")
		if i%7 == 0 {
			if err := v.Compact(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func writeOne(tx *vault.Tx, key string, n int) error {
	if n == 0 {
		return vault.Connections.Delete(tx, key)
	}
	c, err := vault.Connections.Get(tx, key)
	if err != nil && !errors.Is(err, vault.ErrNotFound) {
		return err
	}
	c.ID, c.RawStatus, c.Raw = key, n, secret.New(strings.Repeat("x", n%3000))
	return vault.Connections.Put(tx, key, &c)
}

func mustKey(t *testing.T, base string) vault.MasterKey {
	t.Helper()
	key, err := vault.ReadKeyFile(filepath.Join(base, "key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
