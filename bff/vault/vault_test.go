package vault_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

func TestEveryFieldOfEveryRecordReturns(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	t.Run("Account", func(t *testing.T) { returns(t, v, vault.Accounts) })
	t.Run("Session", func(t *testing.T) { returns(t, v, vault.Sessions) })
	t.Run("Attempt", func(t *testing.T) { returns(t, v, vault.Attempts) })
	t.Run("Outcome", func(t *testing.T) { returns(t, v, vault.Outcomes) })
	t.Run("Connection", func(t *testing.T) { returns(t, v, vault.Connections) })
	t.Run("ClientSecret", func(t *testing.T) { returns(t, v, vault.ClientSecrets) })
}

func returns[T any](t *testing.T, v *vault.Vault, c vault.Collection[T]) {
	for name, record := range map[string]*T{"full": filled[T](t), "zero": new(T)} {
		mustPut(t, v, c, name, record)
		got, err := get(v, c, name)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, *record) {
			t.Errorf("%s: wrote %+v, read %+v", name, *record, got)
		}
	}
}

func filled[T any](t testing.TB) *T {
	record := new(T)
	fill(t, record, func(field string) string { return "value of " + field })
	return record
}

func TestPutComparesGenerations(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	record := func(generation uint64) *vault.Connection { return &vault.Connection{ID: "c", Generation: generation} }
	mustPut(t, v, vault.Connections, "stored", record(0))
	stored := record(1)
	mustPut(t, v, vault.Connections, "stored", stored)
	if stored.Generation != 2 {
		t.Fatalf("generation after the second Put: %d", stored.Generation)
	}
	for _, c := range []struct {
		name, key  string
		generation uint64
		want       error
	}{
		{"new record under a taken key", "stored", 0, vault.ErrConflict},
		{"older generation", "stored", 1, vault.ErrConflict},
		{"generation of the future", "stored", 3, vault.ErrConflict},
		{"changed record that is gone", "absent", 2, vault.ErrConflict},
		{"same generation", "stored", 2, nil},
		{"new record", "absent", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := record(c.generation)
			err := v.Update(func(tx *vault.Tx) error { return vault.Connections.Put(tx, c.key, r) })
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if want := c.generation; err != nil && r.Generation != want {
				t.Errorf("a refused Put changed the generation to %d", r.Generation)
			}
		})
	}
}

func TestConcurrentWritersLoseNothing(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	mustPut(t, v, vault.Accounts, "a", &vault.Account{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				for increment(v) != nil {
				}
			}
		})
	}
	wg.Wait()
	if a, err := get(v, vault.Accounts, "a"); err != nil || a.Failures != 40 {
		t.Errorf("40 increments left %d (%v)", a.Failures, err)
	}
}

// increment reads in one transaction and writes in another, as a caller does that makes a network call in between.
func increment(v *vault.Vault) error {
	a, err := get(v, vault.Accounts, "a")
	if err != nil {
		return err
	}
	a.Failures++
	return v.Update(func(tx *vault.Tx) error { return vault.Accounts.Put(tx, "a", &a) })
}

func TestTakeDeleteEachCount(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	for i := range 300 {
		state := fmt.Sprint("state", i)
		mustPut(t, v, vault.Attempts, state, &vault.Attempt{State: state})
	}
	err := v.Update(func(tx *vault.Tx) error {
		if a, err := vault.Attempts.Take(tx, "state7"); err != nil || a.State != "state7" {
			t.Errorf("Take: %+v, %v", a, err)
		}
		if _, err := vault.Attempts.Take(tx, "state7"); !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("second Take: %v", err)
		}
		if err := vault.Attempts.Delete(tx, "state7"); err != nil {
			t.Errorf("Delete of nothing: %v", err)
		}
		if n := vault.Attempts.Count(tx); n != 299 {
			t.Errorf("Count inside the transaction: %d", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	err = v.Update(func(tx *vault.Tx) error {
		return vault.Attempts.Each(tx, func(a vault.Attempt) error { // and it may change what it walks
			seen = append(seen, a.State)
			return vault.Attempts.Delete(tx, a.State)
		})
	})
	slices.Sort(seen)
	if err != nil || len(slices.Compact(seen)) != 299 {
		t.Errorf("Each saw %d different of 299 (%v)", len(seen), err)
	}
	_ = v.View(func(tx *vault.Tx) error {
		if n := vault.Attempts.Count(tx); n != 0 {
			t.Errorf("%d left", n)
		}
		return nil
	})
}

func TestEachStopsAtTheFirstError(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	mustPut(t, v, vault.Sessions, "a", &vault.Session{})
	mustPut(t, v, vault.Sessions, "b", &vault.Session{})
	enough, calls := errors.New("enough"), 0
	err := v.View(func(tx *vault.Tx) error {
		return vault.Sessions.Each(tx, func(vault.Session) error { calls++; return enough })
	})
	if err != enough || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	changedMind := errors.New("changed my mind")
	err := v.Update(func(tx *vault.Tx) error {
		if err := vault.Sessions.Put(tx, "a", &vault.Session{}); err != nil {
			t.Error(err)
		}
		return changedMind
	})
	if err != changedMind {
		t.Errorf("the error of fn came back as %v", err)
	}
	if _, err := get(v, vault.Sessions, "a"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("after the rollback: %v", err)
	}
	err = v.View(func(tx *vault.Tx) error { return vault.Sessions.Put(tx, "a", &vault.Session{}) })
	if err == nil {
		t.Error("a Put in View succeeded")
	}
}

func TestClosed(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	mustClose(t, v)
	mustClose(t, v)
	nothing := func(*vault.Tx) error { return nil }
	for name, err := range map[string]error{
		"View": v.View(nothing), "Update": v.Update(nothing), "Compact": v.Compact(),
	} {
		if !errors.Is(err, vault.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimesOutsideTheFormAreRefused(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	for _, year := range []int{1, 1600, 2300} {
		s := &vault.Session{CreatedAt: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)}
		if err := v.Update(func(tx *vault.Tx) error { return vault.Sessions.Put(tx, "s", s) }); err == nil {
			t.Errorf("the year %d was stored", year)
		}
	}
}

func TestMACAndDerivedKeys(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	v := mustOpen(t, dir, key)
	macs := map[string]string{}
	for _, parts := range [][]string{{"p"}, {"p", ""}, {"p", "", ""}, {"p", "ab"}, {"p", "a", "b"}, {"p", "b", "a"}, {"pa", "b"}, {"q", "ab"}} {
		mac := v.MAC(parts[0], parts[1:]...)
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(mac) {
			t.Errorf("MAC(%q) = %q", parts, mac)
		}
		if other, taken := macs[mac]; taken {
			t.Errorf("MAC(%q) = MAC(%s)", parts, other)
		}
		macs[mac] = fmt.Sprintf("%q", parts)
	}
	audit, mac := v.DeriveKey("audit"), v.MAC("p", "ab")
	if len(audit) != 32 || slices.Equal(audit, v.DeriveKey("other")) {
		t.Error("derived keys are short, or the same for two purposes")
	}
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, v)
	v = mustOpen(t, dir, key)
	if v.MAC("p", "ab") != mac || !slices.Equal(v.DeriveKey("audit"), audit) {
		t.Error("a compaction and a restart changed a MAC or a derived key")
	}
	if other := mustOpen(t, t.TempDir(), key); other.MAC("p", "ab") == mac {
		t.Error("two databases under one master key share their MACs")
	}
}

func TestASecretStaysWrapped(t *testing.T) {
	v := mustOpen(t, t.TempDir(), newKey(t))
	mustPut(t, v, vault.ClientSecrets, "jane", &vault.ClientSecret{Platform: "jane", Value: secret.New("hush")})
	got, err := get(v, vault.ClientSecrets, "jane")
	if err != nil || got.Value.Reveal() != "hush" {
		t.Fatalf("%v, %v", got, err)
	}
	if text := fmt.Sprintf("%+v", got); regexp.MustCompile("hush").MatchString(text) {
		t.Error("the record prints its secret:", text)
	}
}
