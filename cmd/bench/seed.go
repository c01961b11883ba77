package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"locum/bff/vault"
	"locum/shared"
)

// perPractitioner is how many connections each seeded practitioner has.
const perPractitioner = 10

// seed adds practitioners, each signed in and with connections of their own, until n connections are stored, and gives a
// call through some of them. Each record is a copy of a real one, tokens included, under a new id. Locum must not be
// running: its vault is opened here.
func (s *stage) seed(n int) (requests, error) {
	master, err := vault.ReadKeyFile(filepath.Join(s.dir, "master.key"))
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(filepath.Join(s.dir, "data"), master)
	if err != nil {
		return nil, err
	}
	var calls requests
	for len(calls) < n/perPractitioner && err == nil {
		var some requests
		some, err = s.admitSome(v, min(100, n/perPractitioner-len(calls)))
		calls = append(calls, some...)
	}
	return calls, errors.Join(err, v.Close())
}

// admitSome adds practitioners in one transaction.
func (s *stage) admitSome(v *vault.Vault, practitioners int) (calls requests, err error) {
	err = v.Update(func(tx *vault.Tx) error {
		calls = nil
		account, err := vault.Accounts.Get(tx, login)
		if err != nil {
			return err
		}
		var model vault.Connection
		err = vault.Connections.Each(tx, func(c vault.Connection) error {
			if c.ExpiresIn > model.ExpiresIn { // not the herd's: its token has run out, and all copies would renew it at once
				model = c
			}
			return nil
		})
		if err != nil {
			return err
		}
		timeline, err := vault.Timelines.Get(tx, model.ID)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return err
		}
		for range practitioners {
			call, err := s.admitOne(v, tx, account, model, timeline)
			if err != nil {
				return err
			}
			calls = append(calls, call)
		}
		return nil
	})
	return calls, err
}

func (s *stage) admitOne(v *vault.Vault, tx *vault.Tx, account vault.Account, model vault.Connection, timeline vault.Timeline) ([]byte, error) {
	cookie := random256()
	session := vault.Session{ID: v.MAC("session cookie", cookie), CreatedAt: time.Now(), LastActive: time.Now()}
	account.ID, account.Generation = rand.Text(), 0
	account.Login = fmt.Sprintf("%s@clinic.example", account.ID)
	session.Practitioner, model.Practitioner = account.ID, account.ID
	model.SID, model.Subject = rand.Text(), rand.Text()
	err := errors.Join(vault.Accounts.Put(tx, account.Login, &account), vault.Sessions.Put(tx, session.ID, &session))
	for range perPractitioner {
		model.ID, model.Generation = rand.Text(), 0
		timeline.Connection, timeline.Practitioner, timeline.Generation = model.ID, account.ID, 0
		err = errors.Join(err, vault.Connections.Put(tx, model.ID, &model), vault.Timelines.Put(tx, model.ID, &timeline))
	}
	path := shared.PathProxy + "/" + model.ID + smallPath
	return get(s.host(), path, "Cookie: locum-dev-session="+cookie+"\r\n"), err
}
