package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// SetupLife is how long a setup code is good for.
const SetupLife = time.Hour

// Errors of a Setup; test with errors.Is.
var (
	ErrSetupOver = errors.New("account: there is an account already, so the setup is over")
	ErrSetupCode = errors.New("account: this is not the setup code")
	ErrSetupLate = errors.New("account: the setup code has expired; a restart makes a new one")
)

// Setup lets whoever holds a one-time code make the first account, and nobody else. Only the code's digest is kept: it
// stands for 140 random bits, which nobody finds by trying.
type Setup struct {
	store   *Store
	expires time.Time
	digest  [sha256.Size]byte
	tries   *rates

	mu sync.Mutex // held while an account is being made: of several that come with the code, one does
}

// setupAlphabet has no letter that looks like another one or like a digit: Crockford's base 32, without I, L, O and U.
const (
	setupAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	setupGroups   = 7
	setupGroup    = 4
)

// NewSetup begins a setup: ErrSetupOver where there is an account. The code is 7 groups of 4 characters.
func (s *Store) NewSetup() (*Setup, secret.String, error) {
	none, err := s.none()
	if err != nil {
		return nil, secret.String{}, err
	}
	if !none {
		return nil, secret.String{}, ErrSetupOver
	}
	var random [setupGroups * setupGroup]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	var code strings.Builder
	for i, b := range random {
		if i > 0 && i%setupGroup == 0 {
			code.WriteByte('-')
		}
		code.WriteByte(setupAlphabet[b%byte(len(setupAlphabet))])
	}
	return &Setup{store: s, expires: time.Now().Add(SetupLife), digest: digestCode(code.String()), tries: newRates()},
		secret.New(code.String()), nil
}

// Expires is when the code is good for nothing any more.
func (p *Setup) Expires() time.Time { return p.expires }

// Open says whether there is no account yet, so that the code, or the next one, still has a use. What cannot be read is
// not open.
func (p *Setup) Open() bool {
	none, err := p.store.none()
	return err == nil && none
}

// Run makes the first account for who brings the code: *ThrottledError for too many wrong ones from a remote address,
// ErrSetupOver, ErrSetupLate, ErrSetupCode, and what Add says. announce is called before the account is made, and with an
// error of its own nothing is. A refused login, name or password leaves the code as it was.
func (p *Setup) Run(code secret.String, remote, login, name string, password secret.String, announce func() error) (Account, error) {
	if wait := p.tries.take(remoteKey(remote), time.Now()); wait > 0 {
		return Account{}, &ThrottledError{wait}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch digest := digestCode(code.Reveal()); {
	case !p.Open():
		return Account{}, ErrSetupOver
	case !time.Now().Before(p.expires):
		return Account{}, ErrSetupLate
	case subtle.ConstantTimeCompare(digest[:], p.digest[:]) != 1:
		return Account{}, ErrSetupCode
	}
	p.tries.giveBack(remoteKey(remote))
	record, err := p.store.prepare(login, name, password)
	if err != nil {
		return Account{}, err
	}
	if err := announce(); err != nil {
		return Account{}, err
	}
	return p.store.putFirst(record)
}

// putFirst adds an account where there is none at all: the vault's transaction decides, whoever else is at work.
func (s *Store) putFirst(r vault.Account) (Account, error) {
	err := s.vault.Update(func(tx *vault.Tx) error {
		if !noAccounts(tx) {
			return ErrSetupOver
		}
		return vault.Accounts.Put(tx, r.Login, &r)
	})
	if errors.Is(err, ErrSetupOver) || errors.Is(err, vault.ErrConflict) {
		return Account{}, ErrSetupOver
	}
	if err != nil {
		return Account{}, fmt.Errorf("add account: %w", err)
	}
	return public(r), nil
}

// none says whether there is no account.
func (s *Store) none() (none bool, err error) {
	err = s.vault.View(func(tx *vault.Tx) error {
		none = noAccounts(tx)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("count accounts: %w", err)
	}
	return none, nil
}

// noAccounts: one that is damaged counts, where it lies or set aside: it must not open the door again.
func noAccounts(tx *vault.Tx) bool {
	return vault.Accounts.Count(tx)+vault.Accounts.SetAside(tx) == 0
}

// digestCode reads a code as people write it: in small letters, with blanks or dashes anywhere, with a letter O for the
// zero and an I or L for the one.
func digestCode(code string) [sha256.Size]byte {
	plain := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\r', '\n', '\u00a0', '\u2010', '\u2011', '\u2013':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(code))
	return sha256.Sum256([]byte(plain))
}
