package bff

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/config"
	"locum/bff/connect"
	"locum/bff/keys"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/secret"
	"locum/bff/service"
	"locum/bff/session"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
	"locum/shared"
	"locum/web"
)

// Open opens the vault, the audit trail and every room above them, in the order in which they stand on each other, and
// renders the pages. What it opened before an error it closes again.
func Open(cfg *config.Config, o Options) (*Server, error) {
	s := &Server{cfg: cfg, log: o.Log, demo: o.Demo, cookies: newCookies(cfg.PublicURL, cfg.Embedded != nil), bounds: o.bounds.withDefaults(o.Stream)}
	s.events = s.newHub()
	if s.log == nil {
		s.log = slog.Default()
	}
	s.origin = cfg.PublicURL.Scheme + "://" + cfg.PublicURL.Host
	s.host = []byte(cfg.PublicURL.Host)
	s.life, s.end = context.WithCancel(context.Background())
	s.calls, s.endCalls = context.WithCancel(s.life)
	var err error
	if s.tls, err = readTLS(cfg.TLS); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.openRooms(o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.openFront(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if o.Setup {
		if err := s.openSetup(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.newHTTP()
	s.logAnchor()
	if o.Control {
		s.openControl()
	}
	s.chores.Add(2)
	go s.sweep()
	go s.watchDamage()
	return s, nil
}

func (s *Server) openRooms(o Options) error {
	master, err := vault.ReadKeyFile(s.cfg.MasterKeyFile)
	if err != nil {
		return fmt.Errorf("read the master key: %w", err)
	}
	if s.vault, err = vault.Open(s.cfg.DataDir, master); err != nil {
		return fmt.Errorf("open the vault in %s: %w", s.cfg.DataDir, err)
	}
	boot := o.Boot
	if boot == "" {
		boot = rand.Text()
	}
	if s.audit, err = audit.Open(filepath.Join(s.cfg.DataDir, AuditFile), s.vault.DeriveKey(AuditKeyPurpose), boot); err != nil {
		return fmt.Errorf("open the audit trail: %w", err)
	}
	s.accounts = account.New(s.vault)
	limits := session.Limits{Idle: s.cfg.Session.Idle, Absolute: s.cfg.Session.Absolute}
	if s.sessions, err = session.New(s.vault, limits); err != nil {
		return fmt.Errorf("read the sessions: %w", err)
	}
	s.sessions.OnEnd(func(id, _ string) { s.events.EndSession(id) })
	if s.keys, err = keys.New(s.vault, s.cfg.Platforms); err != nil {
		return err
	}
	from := platform.Sources{Secret: s.clientSecret, Key: s.keys.Signer, Load: s.loadPin, Save: s.savePin, Refused: s.refusedMetadata}
	if s.platforms, err = platform.NewRegistry(s.cfg.Platforms, from, o.Dial); err != nil {
		return fmt.Errorf("set up the platforms: %w", err)
	}
	s.tokens, err = tokens.New(tokens.Config{Vault: s.vault, Platforms: s.platforms, Audit: s.audit, Log: s.log,
		Notify: s.events.Connection, SignedIn: s.sessions.SignedIn, Active: s.accounts.Active})
	if err != nil {
		return fmt.Errorf("read the connections: %w", err)
	}
	s.services, err = service.New(service.Config{Platforms: s.platforms, Secret: s.clientSecret, Key: s.keys.Signer, Admit: s.tokens.Admit,
		Audit: s.audit, Log: s.log})
	if err != nil {
		return err
	}
	s.proxy = proxy.New(proxy.Config{Tokens: s.tokens, Services: s.services, Limiter: throttle.New(throttle.Config{}), Platforms: s.platforms,
		Audit: s.audit, Log: s.log, LinkKey: s.vault.DeriveKey("links")})
	s.resume()
	s.connect = connect.New(connect.Config{Vault: s.vault, Sessions: s.sessions, Tokens: s.tokens, Platforms: s.platforms,
		Audit: s.audit, Log: s.log, Pages: contextPages(), Active: s.accounts.Active})
	return nil
}

// SetPassword changes a password and ends the practitioner's sessions everywhere.
func (s *Server) SetPassword(login string, password secret.String) error {
	if err := s.accounts.SetPassword(login, password); err != nil {
		return err
	}
	return s.endAll(login)
}

// SetDisabled bars an account, which ends its sessions, or lets it in again.
func (s *Server) SetDisabled(login string, disabled bool) error {
	if err := s.accounts.SetDisabled(login, disabled); err != nil || !disabled {
		return err
	}
	return s.endAll(login)
}

// Unlink has no EHR sign the practitioner in any more, until they say again who they are there. Their connections stay.
func (s *Server) Unlink(login string) error {
	who, err := s.accounts.ByLogin(login)
	if err != nil {
		return err
	}
	return s.vault.Update(func(tx *vault.Tx) error { return tokens.Unlink(tx, who.ID) })
}

// endAll ends every session of an account. The store of accounts cannot: it does not know who is signed in right now.
func (s *Server) endAll(login string) error {
	who, err := s.accounts.ByLogin(login)
	if err != nil {
		return err
	}
	_, err = s.sessions.EndAll(who.ID)
	return err
}

// clientSecret reads a platform's secret, or its service's, when it is needed; nothing keeps it.
func (s *Server) clientSecret(id string) (secret.String, error) {
	var value secret.String
	err := s.vault.View(func(tx *vault.Tx) error {
		record, err := vault.ClientSecrets.Get(tx, id)
		value = record.Value
		return err
	})
	if errors.Is(err, vault.ErrNotFound) {
		return secret.String{}, fmt.Errorf("no client secret is set for %q: run `locum secret set %s`: %w", id, keys.Typed(id), err)
	}
	if errors.Is(err, vault.ErrIntegrity) {
		return secret.String{}, fmt.Errorf("the client secret of %q is damaged: run `locum secret set %s`: %w", id, keys.Typed(id), err)
	}
	return value, err
}

// contextPages is the closed list of places that an authorization may lead back to, with the names of their parameters.
func contextPages() map[string][]string {
	list := map[string][]string{}
	for _, page := range shared.Pages {
		list[page.Name] = page.Names()
	}
	return list
}

// openFront prepares what a browser loads: assets under the hash of them all, then the pages that name them.
func (s *Server) openFront() error {
	static, err := fs.Sub(web.Static, "static")
	if err != nil {
		return err
	}
	glue, err := goappFile(wasmExec)
	if err != nil {
		return err
	}
	if s.assets, err = newAssets(static, map[string][]byte{wasmExec: glue}); err != nil {
		return err
	}
	if !s.assets.built {
		s.log.Warn("this binary was built without the browser half: every page will say so; build it with make")
	}
	if s.pages, err = renderPages(s.assets); err != nil {
		return err
	}
	s.policies = newPolicies(s.cfg.PublicURL, s.ancestors(), s.assets.hash)
	return s.assets.addFixed()
}

// Close gives back what Open took, in reverse order. Serve should have returned; what it still answers afterwards fails.
// It may be called twice.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Server) close() error {
	var errs []error
	if s.control != nil { // before what its commands use
		errs = append(errs, s.control.Close())
	}
	s.end()
	s.events.Close()
	s.chores.Wait()
	if s.proxy != nil {
		s.proxy.Close()
	}
	if s.services != nil {
		s.services.Close()
	}
	if s.tokens != nil {
		errs = append(errs, s.tokens.Close())
	}
	if s.platforms != nil {
		s.platforms.Close()
	}
	if s.audit != nil {
		errs = append(errs, s.audit.Close())
		s.logAnchor()
	}
	if s.vault != nil {
		errs = append(errs, s.vault.Close())
	}
	return errors.Join(errs...)
}

// EnsureKeyFile makes a master key at path where there is none yet.
func EnsureKeyFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return vault.CreateKeyFile(path)
}
