package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

const (
	// maxFailures in a row, counted across restarts: NIST SP 800-63B-4 §3.2.2 allows no more than 100.
	maxFailures  = 100
	freeFailures = 4 // a typing mistake or two costs no waiting
	longestDelay = 5 * time.Minute
)

// Verify says who proves to be whom: ErrCredentials for a wrong login or password and for a disabled account, with the same
// work done; *ThrottledError before any work; ErrBusy, or ctx's error, where the hash finds no room in time. remote is the
// address of the browser, as the server itself has determined it.
func (s *Store) Verify(ctx context.Context, login string, password secret.String, remote string) (Account, error) {
	key := remoteKey(remote)
	if wait := s.remotes.take(key, time.Now()); wait > 0 {
		return Account{}, &ThrottledError{wait}
	}
	release, err := s.hash.acquire(ctx)
	if err != nil {
		s.remotes.giveBack(key)
		return Account{}, err
	}
	defer release()
	r, err := s.begin(login, time.Now())
	if err != nil {
		return Account{}, err
	}
	hash, known := r.PasswordHash, r.ID != ""
	if !known {
		hash = s.hash.nobodys
	}
	normal, sane := normalisePassword(password)
	right, stale, err := s.hash.check(normal, hash)
	if err != nil {
		return Account{}, err
	}
	if !known || !sane || !right || r.Disabled {
		return Account{}, ErrCredentials
	}
	s.remotes.giveBack(key)
	if err := s.succeed(r, normal, stale); err != nil {
		return Account{}, err
	}
	return public(r), nil
}

// begin counts the attempt as a failure, durably, before the password is looked at: guesses in parallel or across a crash
// gain nothing. For a login that does not exist it counts in memory, answers with an empty account, and commits, or does
// not, just the same: a commit takes time.
func (s *Store) begin(login string, now time.Time) (r vault.Account, err error) {
	written := login
	login, loginErr := normaliseLogin(login)
	tally := login
	if loginErr != nil {
		tally = "?" + strings.Clone(written[:min(len(written), maxLogin)])
	}
	err = s.vault.Update(func(tx *vault.Tx) error {
		r, err = vault.Accounts.Get(tx, login)
		if errors.Is(err, vault.ErrNotFound) {
			if err := s.unknown.waiting(tally, now); err != nil {
				return err
			}
			return vault.Accounts.Delete(tx, login)
		}
		if err != nil {
			return err
		}
		if err := delayed(r.Failures, r.LastFailure, now); err != nil {
			return err
		}
		r.Failures, r.LastFailure = r.Failures+1, now
		return vault.Accounts.Put(tx, login, &r)
	})
	if err == nil && r.ID == "" {
		err = s.unknown.fail(tally, now)
	}
	var throttled *ThrottledError
	if err != nil && !errors.As(err, &throttled) {
		err = fmt.Errorf("verify: %w", err)
	}
	return r, err
}

// succeed forgets the failures, and renews a hash that was made with other parameters than today's.
func (s *Store) succeed(r vault.Account, password string, stale bool) error {
	var renewed secret.String
	if stale {
		var err error
		if renewed, err = s.hash.make(password); err != nil {
			return err
		}
	}
	return s.change(r.Login, func(_ *vault.Tx, now *vault.Account) error {
		if now.Disabled || !now.PasswordHash.Equal(r.PasswordHash) {
			return ErrCredentials // changed while the hash was at work
		}
		now.Failures, now.LastFailure = 0, time.Time{}
		if stale {
			now.PasswordHash = renewed
		}
		return nil
	})
}

// delayed is nil when the next attempt may be looked at after so many failures, the last one at last.
func delayed(failures int, last, now time.Time) error {
	if failures >= maxFailures {
		return &ThrottledError{}
	}
	wait := delay(failures)
	// A clock that was set back must not lengthen the wait.
	if passed := now.Sub(last); wait > 0 && passed < wait {
		return &ThrottledError{min(wait, wait-passed)}
	}
	return nil
}

// delay after n failures in a row: none for the first few, then 1 s, 2 s, 4 s … up to longestDelay.
func delay(n int) time.Duration {
	if n <= freeFailures {
		return 0
	}
	return min(longestDelay, time.Second<<min(n-freeFailures-1, 20))
}
