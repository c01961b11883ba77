package tokens

import (
	"errors"
	"time"

	"locum/bff/vault"
)

// Linked finds the link of a person at a platform, who is (issuer, subject) of a verified id_token, to a practitioner here. The
// error is of kind Storage; a damaged link is none, so that nobody is signed in by it.
func (k *Keeper) Linked(platform, issuer, subject string) (link vault.Link, found bool, err error) {
	err = k.vault.View(func(tx *vault.Tx) (err error) {
		link, found, err = k.linkOf(tx, platform, issuer, subject)
		return err
	})
	if err != nil {
		return vault.Link{}, false, &Error{Kind: Storage, Code: CauseStorage, Err: err}
	}
	return link, found, nil
}

// Link notes, in the caller's transaction, that a person at a platform is a practitioner here; it sets Key and CreatedAt. Nobody
// else's link is replaced: that is an *Error of kind WrongPerson. Any other error is the vault's.
func (k *Keeper) Link(tx *vault.Tx, link vault.Link) error {
	old, found, err := k.linkOf(tx, link.Platform, link.Issuer, link.Subject)
	switch {
	case err != nil:
		return err
	case found && old.Practitioner != link.Practitioner:
		return &Error{Kind: WrongPerson, Code: CauseLinkedElsewhere}
	case found && old.FHIRUser == link.FHIRUser:
		return nil
	}
	link.Key, link.CreatedAt, link.Generation = k.linkKey(link.Platform, link.Issuer, link.Subject), time.Now(), 0
	if found {
		link.CreatedAt, link.Generation = old.CreatedAt, old.Generation
	}
	return vault.Links.Put(tx, link.Key, &link)
}

// Unlink deletes every link of a practitioner.
func Unlink(tx *vault.Tx, practitioner string) error {
	return vault.Links.Each(tx, func(link vault.Link) error {
		if link.Practitioner != practitioner {
			return nil
		}
		return vault.Links.Delete(tx, link.Key)
	})
}

func (k *Keeper) linkOf(tx *vault.Tx, platform, issuer, subject string) (vault.Link, bool, error) {
	link, err := vault.Links.Get(tx, k.linkKey(platform, issuer, subject))
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrIntegrity):
		return vault.Link{}, false, nil
	case err != nil:
		return vault.Link{}, false, err
	case link.Platform != platform || link.Issuer != issuer || link.Subject != subject: // no MAC does that
		return vault.Link{}, false, vault.ErrIntegrity
	}
	return link, true, nil
}

func (k *Keeper) linkKey(platform, issuer, subject string) string {
	return k.vault.MAC("tokens.link", platform, issuer, subject)
}

// unlinked is nil where the person of a chain is nobody else here. Platforms whose access tokens are read have no links.
func (k *Keeper) unlinked(c vault.Connection) error {
	if c.Issuer == "" {
		return nil
	}
	link, found, err := k.Linked(c.Platform, c.Issuer, c.Subject)
	if err == nil && found && link.Practitioner != c.Practitioner {
		err = &Error{Kind: WrongPerson, Code: CauseLinkedElsewhere}
	}
	return err
}
