package account_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/account"
	"locum/bff/secret"
	"locum/bff/vault"
)

// in runs a test in a bubble whose time the test moves.
func in(t *testing.T, run func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) { run(t, newHouse(t, account.InsecureNew)) })
}

// throttled is the wait that an error asks for; ok is false for any other error.
func throttled(err error) (wait time.Duration, ok bool) {
	var e *account.ThrottledError
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.RetryAfter, true
}

func TestT092FailuresSlowDown(t *testing.T) {
	for _, login := range []string{"ana", "nobody", "no body"} { // the same for one that exists and for those that do not
		t.Run(login, func(t *testing.T) {
			in(t, func(t *testing.T, h *house) {
				mustAdd(t, h, "ana", good)
				for n := range 5 {
					want(t, fmt.Sprint("failure ", n+1), verify(h, login, good+"x"), account.ErrCredentials)
				}
				for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
					wait *= time.Second
					if got, ok := throttled(verify(h, login, good)); !ok || got != wait {
						t.Fatalf("wait %v (%v), want %v", got, ok, wait)
					}
					time.Sleep(wait - time.Nanosecond)
					if got, ok := throttled(verify(h, login, good)); !ok || got != time.Nanosecond {
						t.Fatalf("just before the end of %v: %v (%v)", wait, got, ok)
					}
					time.Sleep(time.Nanosecond)
					want(t, fmt.Sprint("after ", wait), verify(h, login, good+"x"), account.ErrCredentials)
				}
			})
		})
	}
}

func TestT092ASuccessForgetsTheFailures(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		mustAdd(t, h, "ana", good)
		for range 3 {
			for range 4 {
				want(t, "failure", verify(h, "ana", good+"x"), account.ErrCredentials)
			}
			want(t, "success", verify(h, "ana", good), nil)
		}
	})
}

func TestLoginsThatCannotBeAreCountedApart(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		for i := range 50 {
			want(t, "failure", verify(h, fmt.Sprintf("ana torres %d", i), good), account.ErrCredentials)
		}
	})
}

func TestT092ARestartForgetsNoFailure(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		mustAdd(t, h, "ana", good)
		for range 6 {
			want(t, "failure", verify(h, "ana", good+"x"), account.ErrCredentials)
			time.Sleep(time.Second)
		}
		h.restart(t)
		if wait, ok := throttled(verify(h, "ana", good)); !ok || wait != time.Second {
			t.Errorf("after the restart: %v (%v)", wait, ok)
		}
	})
}

func TestT092NoMoreThanAHundredFailures(t *testing.T) {
	for _, login := range []string{"ana", "nobody"} {
		t.Run(login, func(t *testing.T) {
			in(t, func(t *testing.T, h *house) {
				mustAdd(t, h, "ana", good)
				for n := range 100 {
					want(t, fmt.Sprint("failure ", n+1), verify(h, login, good+"x"), account.ErrCredentials)
					time.Sleep(5 * time.Minute)
				}
				time.Sleep(5 * time.Hour)
				if wait, ok := throttled(verify(h, login, good)); !ok || wait != 0 {
					t.Errorf("the 101st, with the right password: %v (%v)", wait, ok)
				}
				want(t, "an administrator helps", h.SetPassword("ana", secret.New(good)), nil)
				want(t, "sign-in", verify(h, "ana", good), nil)
			})
		})
	}
}

// TestT092GuessesInParallelGainNothing lets many guess in the same moment: no more are looked at than one after the other.
func TestT092GuessesInParallelGainNothing(t *testing.T) {
	in(t, func(t *testing.T, h *house) {
		mustAdd(t, h, "ana", good)
		var looked atomic.Int64
		var wg sync.WaitGroup
		for range 25 {
			wg.Go(func() {
				err := verify(h, "ana", good+"x")
				if errors.Is(err, account.ErrCredentials) {
					looked.Add(1)
				} else if _, ok := throttled(err); !ok {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if looked.Load() != 5 {
			t.Errorf("%d guesses were looked at", looked.Load())
		}
	})
}

func TestT092RemotesSlowDown(t *testing.T) {
	try := func(h *house, i int, remote string) error {
		_, err := h.Verify(context.Background(), fmt.Sprint("login", i), secret.New(good), remote)
		return err
	}
	for _, c := range []struct{ name, one, same, other string }{
		{"IPv4", "192.0.2.1", "192.0.2.1", "192.0.2.2"},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"},
		{"IPv6: a subscriber is a /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"},
		{"not an address", "unix", "unix", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, func(t *testing.T, h *house) {
				for i := range 20 {
					want(t, fmt.Sprint("failure ", i+1), try(h, i, c.one), account.ErrCredentials)
				}
				if wait, ok := throttled(try(h, 20, c.same)); !ok || wait != 6*time.Second {
					t.Errorf("the 21st: %v (%v)", wait, ok)
				}
				want(t, "from elsewhere", try(h, 21, c.other), account.ErrCredentials)
				time.Sleep(6 * time.Second)
				want(t, "six seconds later", try(h, 22, c.same), account.ErrCredentials)
				if _, ok := throttled(try(h, 23, c.same)); !ok {
					t.Error("two in six seconds")
				}
			})
		})
	}
	t.Run("successes do not count", func(t *testing.T) {
		in(t, func(t *testing.T, h *house) {
			mustAdd(t, h, "ana", good)
			for range 50 {
				if _, err := h.Verify(context.Background(), "ana", secret.New(good), "192.0.2.1"); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

func TestAGuessIsCountedBeforeItIsLookedAt(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	mustAdd(t, h, "ana", good)
	want(t, "failure", verify(h, "ana", good+"x"), account.ErrCredentials)
	var r vault.Account
	err := h.vault.View(func(tx *vault.Tx) (err error) { r, err = vault.Accounts.Get(tx, "ana"); return err })
	if err != nil || r.Failures != 1 || r.LastFailure.IsZero() {
		t.Errorf("stored: %d failures, the last at %v (%v)", r.Failures, r.LastFailure, err)
	}
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	if err := verify(h, "ana", good); err == nil || errors.Is(err, account.ErrCredentials) {
		t.Errorf("without a disk: %v", err)
	}
}

// TestT092ThrottledLoginsWriteNothing: a commit takes milliseconds, so who is made to wait would learn which logins exist
// if only one kind of refusal cost one.
func TestT092ThrottledLoginsWriteNothing(t *testing.T) {
	for _, login := range []string{"ana", "nobody", "no body"} {
		t.Run(login, func(t *testing.T) {
			in(t, func(t *testing.T, h *house) {
				mustAdd(t, h, "ana", good)
				seen := file(t, h)
				for n := range 5 {
					want(t, fmt.Sprint("failure ", n+1), verify(h, login, good+"x"), account.ErrCredentials)
					if now := file(t, h); now == seen {
						t.Error("a failure wrote nothing")
					} else {
						seen = now
					}
				}
				if _, ok := throttled(verify(h, login, good)); !ok {
					t.Fatal("not throttled")
				}
				if file(t, h) != seen {
					t.Error("a refusal wrote something")
				}
			})
		})
	}
}

// file is a fingerprint of the database file; every commit changes it.
func file(t *testing.T, h *house) [32]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}
