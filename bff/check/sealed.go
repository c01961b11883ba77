package check

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/secret"
	"locum/bff/vault"
)

// sealed is what cannot be looked at without the vault.
const sealed = "accounts, client secrets, signing keys and the audit trail"

// vault looks into the vault without changing it. One that does not exist yet is empty; one that the running Locum holds
// is left alone.
func (c *checker) vault() {
	key, ok := c.masterKey()
	if !ok {
		c.unseen(sealed, "the vault cannot be opened without its key")
		return
	}
	var all []account.Account
	var damaged []vault.Damaged
	c.secrets = map[string]secret.String{}
	err := vault.Look(c.cfg.DataDir, key, func(v *vault.Vault) error {
		var err1, err2 error
		damaged, err1 = v.Damaged()
		c.damaged(damaged)
		all, err2 = account.New(v).List()
		return errors.Join(err1, err2, v.View(c.readSecrets), c.readKeys(v), c.trail(v))
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.unopened(err)
		return
	}
	c.accounts(all, damaged)
	c.administrators(all)
	for i := range c.cfg.Platforms {
		for _, cl := range c.clientsOf(i) {
			c.credential(cl)
		}
	}
}

// unopened says why nothing could be read.
func (c *checker) unopened(err error) {
	dir, what := c.cfg.DataDir, sealed
	if errors.Is(err, vault.ErrInUse) {
		c.held = true
		c.unseen(what, "the running Locum holds the vault; stop it to have them looked at")
		return
	}
	switch {
	case errors.Is(err, vault.ErrWrongKey):
		c.file(Error, "vault.wrong-key", dir, "the master key is not the one that this vault was made with",
			"let master_key_file name the key that was there when the data directory was made")
	case errors.Is(err, vault.ErrMissing):
		c.file(Error, "vault.missing", dir, "the vault that was here is gone",
			"put back a copy of the whole data directory, or move away what is left of it to begin anew")
	case errors.Is(err, vault.ErrVersion):
		c.file(Error, "vault.version", dir, "a newer version of Locum wrote the vault", "run that version")
	case errors.Is(err, vault.ErrCorrupt), errors.Is(err, vault.ErrIntegrity):
		c.file(Error, "vault.damaged", dir, "the vault is damaged, or no vault of Locum's",
			"put back a copy of the whole data directory; do not start Locum on this one")
	default:
		c.file(Error, "vault.unreadable", dir, plain(err), "run this as Locum's user, which has to own the data directory")
	}
	c.unseen(what, "the vault cannot be opened")
}

// damaged says how many records do not authenticate; each costs its owner that record alone.
func (c *checker) damaged(all []vault.Damaged) {
	for _, d := range all {
		if d.InPlace > 0 {
			c.file(Error, "vault.records", c.cfg.DataDir, fmt.Sprintf("%d records of the vault are damaged (%s): they are refused", d.InPlace, d.Collection),
				"put back a copy of the whole data directory, or let their owners enter them again")
		}
	}
}

// trail: Locum does not start on a log that does not verify. One that is not there yet begins with the first start.
func (c *checker) trail(v *vault.Vault) error {
	path := filepath.Join(c.cfg.DataDir, audit.FileName)
	_, err := audit.Verify(path, v.DeriveKey(audit.KeyPurpose))
	var broken *audit.VerifyError
	if errors.As(err, &broken) {
		c.file(Error, "audit.broken", path, fmt.Sprintf("line %d: %s", broken.Line, broken.Reason),
			"put the newest log and head file back; where there are none, move both away as evidence, and a new log begins")
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// accounts: somebody has to be able to sign in. Where accounts were damaged, there is no setup.
func (c *checker) accounts(all []account.Account, damaged []vault.Damaged) {
	if slices.ContainsFunc(all, func(a account.Account) bool { return !a.Disabled }) {
		return
	}
	fix := "let a practitioner in with " + c.command("account add LOGIN --name NAME")
	if len(all) == 0 && !slices.ContainsFunc(damaged, func(d vault.Damaged) bool { return d.Collection == "accounts" }) {
		fix = "run " + c.command("serve") + " and open " + c.cfg.PublicURL.String() + "/setup, or " + fix
	}
	c.file(Warning, "accounts.none", c.cfg.DataDir, "nobody may sign in yet", fix)
}

// What a generated client secret never is.
const (
	leastSecret  = 16 // characters
	leastVariety = 8  // different characters
	longestUnit  = 8  // repeated over and over
)

// standIns are what guides and examples write where a secret belongs, without anything but letters and digits.
var standIns = []string{
	"clientsecret", "yoursecret", "changeme", "changethis", "placeholder", "replaceme", "insertsecret", "examplesecret", "secrethere", "notarealsecret",
}

// weakness says why a value can hardly be a client secret; an empty code says that it can.
func weakness(value secret.String) (code, cause string) {
	text := value.Reveal()
	small := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(text))
	const weak = "secrets.weak"
	switch {
	case containsAny(small, standIns...):
		return "secrets.placeholder", "what is sealed stands for a client secret, and is none"
	case strings.ContainsFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e }):
		return weak, "the client secret holds a blank or another character that none has: it was not copied as it is"
	case len(text) < leastSecret:
		return weak, "the client secret is too short to be a generated one: it can be guessed, or was copied by half"
	case variety(text) < leastVariety || repeats(text):
		return weak, "the client secret repeats few characters: it can be guessed"
	}
	return "", ""
}

func variety(s string) int {
	all := []byte(s)
	slices.Sort(all)
	return len(slices.Compact(all))
}

// repeats says whether s is one short unit over and over.
func repeats(s string) bool {
	for n := 1; n <= min(longestUnit, len(s)-1); n++ {
		if s[n:] == s[:len(s)-n] {
			return true
		}
	}
	return false
}
