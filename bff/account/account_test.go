package account_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"locum/bff/account"
	"locum/bff/secret"
	"locum/bff/vault"
)

const good = "four grey herons wade"

// house is a vault on disk that can be closed and opened again, with a Store.
type house struct {
	dir   string
	key   vault.MasterKey
	vault *vault.Vault
	make  func(*vault.Vault) *account.Store
	*account.Store
}

func newHouse(t testing.TB, make func(*vault.Vault) *account.Store) *house {
	t.Helper()
	base := t.TempDir()
	keyFile := filepath.Join(base, "key")
	if err := vault.CreateKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{dir: filepath.Join(base, "data"), key: key, make: make}
	h.start(t)
	t.Cleanup(func() { _ = h.vault.Close() })
	return h
}

func (h *house) start(t testing.TB) {
	t.Helper()
	var err error
	if h.vault, err = vault.Open(h.dir, h.key); err != nil {
		t.Fatal(err)
	}
	h.Store = h.make(h.vault)
}

func (h *house) restart(t testing.TB) {
	t.Helper()
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
}

func mustAdd(t testing.TB, h *house, login, password string) account.Account {
	t.Helper()
	a, err := h.Add(login, "", secret.New(password))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// verify signs in from an address of its own, so that only the account's throttle counts.
func verify(h *house, login, password string) error {
	_, err := h.Verify(context.Background(), login, secret.New(password), "test "+secret.Random().Reveal())
	return err
}

func want(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestAddAndFind(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	ana, err := h.Add("  Ana.Núñez@Example.org ", " Ana Núñez ", secret.New(good))
	if err != nil {
		t.Fatal(err)
	}
	if ana.Login != "ana.núñez@example.org" || ana.Name != "Ana Núñez" || len(ana.ID) != 26 {
		t.Errorf("added %+v", ana)
	}
	ben := mustAdd(t, h, "ben", good)
	if ben.Name != "ben" || ben.ID == ana.ID {
		t.Errorf("added %+v", ben)
	}
	_, err = h.Add("BEN", "", secret.New(good))
	want(t, "taken login", err, account.ErrExists)
	h.restart(t)
	for range 2 { // the second time from memory
		if a, err := h.ByID(ana.ID); err != nil || a != ana {
			t.Errorf("ByID: %+v, %v", a, err)
		}
	}
	if a, err := h.ByLogin("ANA.NU\u0301N\u0303EZ@EXAMPLE.ORG"); err != nil || a != ana {
		t.Errorf("ByLogin, decomposed: %+v, %v", a, err)
	}
	if all, err := h.List(); err != nil || !slices.Equal(all, []account.Account{ana, ben}) {
		t.Errorf("List: %+v, %v", all, err)
	}
	_, err = h.ByID("nobody")
	want(t, "ByID", err, account.ErrNotFound)
	for _, login := range []string{"nobody", "", "no such thing!"} {
		_, err = h.ByLogin(login)
		want(t, "ByLogin", err, account.ErrNotFound)
		want(t, "SetPassword", h.SetPassword(login, secret.New(good)), account.ErrNotFound)
		want(t, "SetDisabled", h.SetDisabled(login, true), account.ErrNotFound)
	}
}

func TestLoginsAndNamesThatAreNone(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	for name, c := range map[string][2]string{
		"empty":               {"", ""},
		"space alone":         {"   ", ""},
		"space within":        {"ana maria", ""},
		"65 characters":       {strings.Repeat("a", 65), ""},
		"huge":                {strings.Repeat("a", 1<<20), ""},
		"not UTF-8":           {"ana\xff", ""},
		"control character":   {"ana\n", "\x00"},
		"right-to-left mark":  {"ana\u202eb", ""},
		"zero-width space":    {"ana\u200b", ""},
		"slash":               {"ana/../ben", ""},
		"name, control":       {"ana", "A\x07na"},
		"name, bidi override": {"ana", "Ana \u202e"},
		"name, too long":      {"ana", strings.Repeat("é", 101)},
		"name, not UTF-8":     {"ana", "\xc3"},
	} {
		var refused *account.LoginError
		if _, err := h.Add(c[0], c[1], secret.New(good)); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerify(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	added := mustAdd(t, h, "ana", good)
	got, err := h.Verify(context.Background(), " ANA ", secret.New(good), "192.0.2.1")
	if err != nil || got != added {
		t.Errorf("signed in as %+v (%v), added %+v", got, err, added)
	}
	want(t, "wrong password", verify(h, "ana", good+"."), account.ErrCredentials)
	want(t, "empty password", verify(h, "ana", ""), account.ErrCredentials)
	want(t, "other case", verify(h, "ana", strings.ToUpper(good)), account.ErrCredentials)
	want(t, "after failures", verify(h, "ana", good), nil)
	if !h.Active(added.ID) || h.Active("nobody") || h.Active("") {
		t.Error("Active before the account is disabled")
	}
	want(t, "disable", h.SetDisabled("ana", true), nil)
	if h.Active(added.ID) {
		t.Error("T088 a disabled account is active")
	}
	want(t, "disabled", verify(h, "ana", good), account.ErrCredentials)
	if a, err := h.ByID(added.ID); err != nil || !a.Disabled {
		t.Errorf("a disabled account is %+v (%v)", a, err)
	}
	h.restart(t)
	if h.Active(added.ID) {
		t.Error("T088 a disabled account is active after a restart")
	}
	want(t, "enable", h.SetDisabled("ana", false), nil)
	if !h.Active(added.ID) {
		t.Error("an account that was enabled again is not active")
	}
	want(t, "enabled again", verify(h, "ana", good), nil)
	want(t, "new password", h.SetPassword("Ana", secret.New("five white egrets fly")), nil)
	want(t, "old password", verify(h, "ana", good), account.ErrCredentials)
	want(t, "new password", verify(h, "ana", "five white egrets fly"), nil)
}

func TestT088NewPasswordAndDisableRemoveStoredSessions(t *testing.T) {
	for name, change := range map[string]func(h *house) error{
		"password change": func(h *house) error { return h.SetPassword("ana", secret.New("five white egrets fly")) },
		"disable":         func(h *house) error { return h.SetDisabled("ana", true) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, account.InsecureNew)
			ana, ben := mustAdd(t, h, "ana", good), mustAdd(t, h, "ben", good)
			err := h.vault.Update(func(tx *vault.Tx) error {
				for _, s := range []vault.Session{{ID: "1", Practitioner: ana.ID}, {ID: "2", Practitioner: ana.ID}, {ID: "3", Practitioner: ben.ID}} {
					if err := vault.Sessions.Put(tx, s.ID, &s); err != nil {
						return err
					}
				}
				return nil
			})
			want(t, "prepare", err, nil)
			want(t, "change", change(h), nil)
			_ = h.vault.View(func(tx *vault.Tx) error {
				_, err := vault.Sessions.Get(tx, "3")
				if n := vault.Sessions.Count(tx); n != 1 || err != nil {
					t.Errorf("%d sessions left; the other practitioner's: %v", n, err)
				}
				return nil
			})
		})
	}
}

func TestOutdatedHashesAreRenewed(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	mustAdd(t, h, "ana", good)
	hash := func() string {
		var r vault.Account
		err := h.vault.View(func(tx *vault.Tx) (err error) { r, err = vault.Accounts.Get(tx, "ana"); return err })
		if err != nil {
			t.Fatal(err)
		}
		return r.PasswordHash.Reveal()
	}
	if !strings.HasPrefix(hash(), "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatal("made with other parameters:", hash())
	}
	h.make = account.New
	h.restart(t)
	want(t, "wrong password", verify(h, "ana", good+"x"), account.ErrCredentials)
	if !strings.HasPrefix(hash(), "$argon2id$v=19$m=64,") {
		t.Error("a wrong password renewed the hash")
	}
	for range 2 {
		want(t, "with the old hash, then the new", verify(h, "ana", good), nil)
		if !strings.HasPrefix(hash(), "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Error("not renewed:", hash())
		}
	}
}

func TestBusy(t *testing.T) {
	h := newHouse(t, account.New)
	mustAdd(t, h, "ana", good)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	results := map[error]int{}
	for i := range 60 {
		wg.Go(func() {
			_, err := h.Verify(ctx, "nobody", secret.New(good), fmt.Sprint(i))
			mu.Lock()
			defer mu.Unlock()
			for _, known := range []error{account.ErrBusy, account.ErrCredentials, context.Canceled} {
				if errors.Is(err, known) {
					err = known
				}
			}
			var throttled *account.ThrottledError
			if errors.As(err, &throttled) {
				err = nil
			}
			results[err]++
			if results[account.ErrBusy] > 0 { // the queue is full: let go those who wait
				cancel()
			}
		})
	}
	wg.Wait()
	cancel()
	if results[account.ErrBusy] == 0 || results[context.Canceled] == 0 {
		t.Errorf("results: %v", results)
	}
	h.restart(t)
	want(t, "afterwards", verify(h, "ana", good), nil)
}

func TestPasswordsNeverShow(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	for _, password := range []string{"short", "passwordpassword", good} {
		for _, login := range []string{"ana", "ana", "no good"} {
			_, err := h.Add(login, "", secret.New(password))
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), password) {
				t.Errorf("the error tells the password: %v", err)
			}
		}
	}
}
