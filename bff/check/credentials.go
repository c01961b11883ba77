package check

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"locum/bff/account"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// client is one registered client: a platform's, or that of its service.
type client struct {
	platform *platform.Platform
	id       string // of its secret and keys: the platform's, or the platform's + "/service"
	key      string // its place in the file
	words    string // what stands for it on a command line
	auth     oauth.Auth
}

// clientsOf are the clients of the platform with this index.
func (c *checker) clientsOf(i int) []client {
	p := c.cfg.Platforms[i]
	all := []client{{p, p.ID, entry(i), p.ID, p.Auth}}
	if p.Service != nil {
		all = append(all, client{p, keys.OfService(p.ID), entry(i) + ".service", p.ID + " --service", p.Service.Auth})
	}
	return all
}

// clients are those of all platforms, in the order of the file.
func (c *checker) clients() []client {
	var all []client
	for i := range c.cfg.Platforms {
		all = append(all, c.clientsOf(i)...)
	}
	return all
}

// secretive says whether a client has a secret.
func (cl client) secretive() bool {
	return cl.auth.Method == "" || cl.auth.Method == oauth.AuthPost || cl.auth.Method == oauth.AuthBasic
}

func (c *checker) readSecrets(tx *vault.Tx) error {
	for _, cl := range c.clients() {
		record, err := vault.ClientSecrets.Get(tx, cl.id)
		switch {
		case err == nil:
			c.secrets[cl.id] = record.Value
		case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrIntegrity): // damaged, which has been found: as good as none
		default:
			return err
		}
	}
	return nil
}

// readKeys reads the keys that sign now.
func (c *checker) readKeys(v *vault.Vault) error {
	c.signing, c.pins = map[string]oauth.SigningKey{}, map[string]platform.Pin{}
	store, err := keys.New(v, c.cfg.Platforms)
	if err != nil {
		return err
	}
	for _, cl := range c.clients() {
		if key, err := store.Signer(cl.id); err == nil {
			c.signing[cl.id] = key
		}
	}
	return v.View(func(tx *vault.Tx) error {
		for _, p := range c.cfg.Platforms {
			pin, err := vault.ServerPins.Get(tx, p.ID)
			if err == nil {
				c.pins[p.ID] = platform.Pin{Platform: pin.Platform, Base: pin.Base, ETag: pin.ETag, Document: pin.Document, FetchedAt: pin.FetchedAt, CheckedAt: pin.CheckedAt}
			}
		}
		return nil
	})
}

// credential judges what a client authenticates with: one thing, and nothing beside it.
func (c *checker) credential(cl client) {
	switch {
	case cl.secretive():
		c.clientSecret(cl)
	case !c.secrets[cl.id].Empty():
		c.setting(Error, "secrets.beside", cl.key+".auth.method", "a client secret is sealed, but the client authenticates by "+cl.auth.Method+
			", with no secret beside it", "write the method that the client is registered for; a secret that is not used any more goes with "+c.command("secret remove "+cl.words))
	}
	if cl.auth.Method == oauth.AuthKey {
		c.signingKey(cl)
	}
}

// signingKey: the key has to be there, of the configured algorithm, and nobody else's.
func (c *checker) signingKey(cl client) {
	key, ok := c.signing[cl.id]
	if !ok {
		c.setting(Error, "keys.missing", cl.key+".auth", "there is no key to sign with, so nothing can be connected", "make one with "+c.command("keys create "+cl.words)+
			", then register "+cl.platform.KeysURI+" with "+cl.platform.Name)
		return
	}
	if key.Algorithm != cl.auth.Algorithm {
		c.setting(Error, "keys.algorithm", cl.key+".auth.algorithm", fmt.Sprintf("the key that signs is for %s, the configuration says %s", key.Algorithm, cl.auth.Algorithm),
			"make a new key with "+c.command("keys rotate "+cl.words)+", or write "+key.Algorithm)
	}
	for _, other := range c.clients() {
		if other.id == cl.id {
			break
		}
		if same(c.signing[other.id], key) {
			c.setting(Error, "keys.shared", cl.key+".auth", "the same key signs for "+other.words+": an assertion for one would be good at the other",
				"make a key of its own with "+c.command("keys rotate "+cl.words))
			return
		}
	}
}

// same says whether two keys are one.
func same(a, b oauth.SigningKey) bool {
	if a.Private == nil || b.Private == nil {
		return false
	}
	public, ok := a.Private.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b.Private.Public())
}

// clientSecret judges one client's, and says nothing of its value but why it cannot be right.
func (c *checker) clientSecret(cl client) {
	set, name := c.command("secret set "+cl.words), cl.platform.Name
	value, ok := c.secrets[cl.id]
	if !ok || value.Empty() {
		what := "no clinic can be connected"
		if cl.id != cl.platform.ID {
			what = "the service cannot be used"
		}
		c.setting(Error, "secrets.missing", cl.key, "no client secret is set, so "+what, "seal the one that "+name+" gave you with "+set)
		return
	}
	if code, cause := weakness(value); code != "" {
		c.setting(Error, code, cl.key, cause, "seal the client secret as "+name+" gave it with "+set+"; if it is that one, ask for a new one")
		return
	}
	for _, other := range c.clients() {
		switch {
		case other.id == cl.id:
			return
		case !c.secrets[other.id].Equal(value) || !other.secretive():
		case other.platform == cl.platform:
			c.setting(Error, "secrets.shared", cl.key, "the same client secret is sealed for the platform itself, which is another client", "seal the service's own with "+set)
			return
		case home(other.platform) != home(cl.platform):
			c.setting(Error, "secrets.shared", cl.key, "the same client secret is sealed for "+other.words+", which is another environment",
				"seal this environment's own with "+set)
			return
		}
	}
}

// administrators: each should be somebody who can sign in.
func (c *checker) administrators(all []account.Account) {
	for i, login := range c.cfg.Administrators {
		if len(all) > 0 && !slices.ContainsFunc(all, func(a account.Account) bool { return a.Login == login && !a.Disabled }) {
			c.setting(Warning, "settings.administrator", fmt.Sprintf("administrators[%d]", i), "nobody can sign in as "+strings.ToValidUTF8(login, "?"),
				"write the login of an account; see "+c.command("account list"))
		}
	}
}
