package account_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/account"
	"locum/bff/secret"
	"locum/bff/vault"
)

func silent() error { return nil }

func mustSetup(t *testing.T, s *account.Store) (*account.Setup, secret.String) {
	t.Helper()
	p, code, err := s.NewSetup()
	if err != nil {
		t.Fatal(err)
	}
	return p, code
}

// TestT119SetupCode: at least 128 bits, other ones each time, without look-alikes, and read as people write.
func TestT119SetupCode(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	seen := map[string]bool{}
	for range 200 {
		_, code := mustSetup(t, h.Store)
		text := code.Reveal()
		plain := strings.ReplaceAll(text, "-", "")
		if len(plain) != 28 || strings.Count(text, "-") != 6 || strings.Trim(plain, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" || seen[text] {
			t.Fatalf("the code is %q", text)
		}
		seen[text] = true
	}
	for name, write := range map[string]func(string) string{
		"as it is":    func(s string) string { return s },
		"small":       strings.ToLower,
		"no dashes":   func(s string) string { return strings.ReplaceAll(s, "-", "") },
		"blanks":      func(s string) string { return " " + strings.ReplaceAll(s, "-", "  ") + "\n" },
		"look-alikes": strings.NewReplacer("0", "o", "1", "l").Replace,
	} {
		h := newHouse(t, account.InsecureNew)
		p, code := mustSetup(t, h.Store)
		if _, err := p.Run(secret.New(write(code.Reveal())), "::1", "maya", "Maya", secret.New(good), silent); err != nil {
			t.Errorf("T119 %s: %v", name, err)
		}
	}
}

// TestT119OneOfFiftyRacers gets the account, whoever comes with the right code at once.
func TestT119OneOfFiftyRacers(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	p, code := mustSetup(t, h.Store)
	var won, announced atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			login := "racer" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			_, err := p.Run(code, "192.0.2.1", login, "", secret.New(good), func() error { announced.Add(1); return nil })
			var throttled *account.ThrottledError
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, account.ErrSetupOver) && !errors.As(err, &throttled):
				t.Error(err)
			}
		})
	}
	all.Wait()
	accounts, err := h.List()
	if err != nil || won.Load() != 1 || announced.Load() != 1 || len(accounts) != 1 {
		t.Errorf("%d won, %d announced, %d accounts, %v", won.Load(), announced.Load(), len(accounts), err)
	}
	if p.Open() {
		t.Error("the setup goes on")
	}
	if _, _, err := h.NewSetup(); !errors.Is(err, account.ErrSetupOver) {
		t.Errorf("another setup: %v", err)
	}
	h.restart(t)
	if _, _, err := h.NewSetup(); !errors.Is(err, account.ErrSetupOver) {
		t.Errorf("another setup after a restart: %v", err)
	}
}

// TestT119TwoSetupsOneAccount: two of them, as two processes would have, still make one account.
func TestT119TwoSetupsOneAccount(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	p, code := mustSetup(t, h.Store)
	q, other := mustSetup(t, h.Store)
	added := func() error {
		_, err := q.Run(other, "192.0.2.2", "quick", "", secret.New(good), silent)
		return err
	}
	if _, err := p.Run(code, "192.0.2.1", "slow", "", secret.New(good), added); !errors.Is(err, account.ErrSetupOver) {
		t.Errorf("the slower one: %v", err)
	}
	if all, _ := h.List(); len(all) != 1 || all[0].Login != "quick" {
		t.Errorf("accounts %v", all)
	}
}

// TestT119SetupCodeExpires after an hour, to the nanosecond.
func TestT119SetupCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, account.InsecureNew)
		p, code := mustSetup(t, h.Store)
		time.Sleep(account.SetupLife - 1)
		if _, err := p.Run(code, "::1", "maya", "", secret.New("short"), silent); errors.Is(err, account.ErrSetupLate) {
			t.Error("late before its time")
		}
		time.Sleep(time.Nanosecond)
		if _, err := p.Run(code, "::1", "maya", "", secret.New(good), silent); !errors.Is(err, account.ErrSetupLate) {
			t.Errorf("after an hour: %v", err)
		}
		if all, _ := h.List(); len(all) != 0 || !p.Open() {
			t.Errorf("accounts %v, open %v", all, p.Open())
		}
		if _, fresh := mustSetup(t, h.Store); fresh.Equal(code) {
			t.Error("the next code is the same")
		}
	})
}

// TestT119WrongCodesAreThrottled by the address they come from; the right one is not counted.
func TestT119WrongCodesAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, account.InsecureNew)
		p, code := mustSetup(t, h.Store)
		wrong := func(remote string) error {
			_, err := p.Run(secret.New("0000-0000"), remote, "maya", "", secret.New(good), silent)
			return err
		}
		refused := 0
		var throttled *account.ThrottledError
		for range 100 {
			if err := wrong("192.0.2.1"); errors.As(err, &throttled) {
				refused++
			} else if !errors.Is(err, account.ErrSetupCode) {
				t.Fatal(err)
			}
		}
		if refused < 75 || throttled.RetryAfter <= 0 {
			t.Fatalf("%d of 100 wrong codes were not looked at, wait %v", refused, throttled)
		}
		if err := wrong("192.0.2.2"); !errors.Is(err, account.ErrSetupCode) {
			t.Errorf("another address: %v", err)
		}
		time.Sleep(throttled.RetryAfter)
		for range 30 { // what is refused for another reason costs nothing
			var password *account.PasswordError
			if _, err := p.Run(code, "192.0.2.1", "maya", "", secret.New("short"), silent); !errors.As(err, &password) {
				t.Fatal(err)
			}
		}
		if _, err := p.Run(code, "192.0.2.1", "maya", "", secret.New(good), silent); err != nil {
			t.Error(err)
		}
	})
}

// TestT119NoRecordNoAccount: what cannot be announced is not done, and the code stays good.
func TestT119NoRecordNoAccount(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	p, code := mustSetup(t, h.Store)
	down := errors.New("the trail is down")
	if _, err := p.Run(code, "::1", "maya", "", secret.New(good), func() error { return down }); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if all, _ := h.List(); len(all) != 0 {
		t.Errorf("accounts %v", all)
	}
	var login *account.LoginError
	if _, err := p.Run(code, "::1", "two words", "", secret.New(good), silent); !errors.As(err, &login) || login.Field != account.FieldLogin {
		t.Errorf("got %v", err)
	}
	if _, err := p.Run(code, "::1", "maya", "a\x07b", secret.New(good), silent); !errors.As(err, &login) || login.Field != account.FieldName {
		t.Errorf("got %v", err)
	}
	if a, err := p.Run(code, "::1", "Maya", "Maya Example", secret.New(good), silent); err != nil || a.Login != "maya" || a.Name != "Maya Example" {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := h.Verify(t.Context(), "maya", secret.New(good), "::1"); err != nil {
		t.Errorf("signing in: %v", err)
	}
}

// TestT119NoDefaultAccount: a new vault lets nobody in, whatever they try first.
func TestT119NoDefaultAccount(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	if all, err := h.List(); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	for i, login := range []string{"admin", "root", "locum", "demo", "robin", "administrator", "user", ""} {
		for _, password := range []string{"", login, "admin", "password", "changeme", "locum"} {
			if _, err := h.Verify(t.Context(), login, secret.New(password), "192.0.2."+string(rune('1'+i))); err == nil {
				t.Errorf("%q signs in with %q", login, password)
			}
		}
	}
}

// TestT119DamagedAccountsOpenNoSetup: where the only account does not authenticate any more, nobody makes a first one, and
// not after a compaction either; only whoever drops what was set aside begins anew.
func TestT119DamagedAccountsOpenNoSetup(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	mustAdd(t, h, "ana", good)
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	damageAccounts(t, filepath.Join(h.dir, vault.FileName))
	h.start(t)
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"as it is found", func() error { return nil }, account.ErrSetupOver},
		{"compacted", h.vault.Compact, account.ErrSetupOver},
		{"dropped", func() error { _, err := h.vault.DropDamaged(); return err }, nil},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		_, _, err := h.NewSetup()
		want(t, step.name, err, step.want)
	}
}

// TestT061ADamagedAccountIsAddedAgain: its login is nobody's; the new account is another person as far as anything else knows.
func TestT061ADamagedAccountIsAddedAgain(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	before := mustAdd(t, h, "ana", good)
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	damageAccounts(t, filepath.Join(h.dir, vault.FileName))
	h.start(t)
	if err := verify(h, "ana", good); err == nil {
		t.Error("a damaged account signs in")
	}
	if again := mustAdd(t, h, "ana", good); again.ID == before.ID {
		t.Error("it has the old id")
	}
	want(t, "sign in", verify(h, "ana", good), nil)
}

func damageAccounts(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		accounts := tx.Bucket([]byte("accounts"))
		key, value := accounts.Cursor().First()
		value = bytes.Clone(value)
		value[len(value)-1] ^= 1
		return accounts.Put(key, value)
	})
	if err != nil {
		t.Fatal(err)
	}
}
