package bff

import (
	"context"
	"fmt"
	"time"

	"locum/bff/audit"
	"locum/bff/vault"
)

// damageDeadline bounds the wait for the audit record of a damaged record. Nothing depends on it: it is refused anyway.
const damageDeadline = 5 * time.Second

// watchDamage tells the operator how many records of which kind do not authenticate, in the log and the audit trail: once
// for all that are there at the start, beside it and not before it, since every record is opened for that; then each one
// that is met while Locum runs. Each costs its owner that record alone; whose it is stands inside it, so a practitioner
// finds a clinic or a sign-in missing, and the operator knows why.
func (s *Server) watchDamage() {
	defer s.chores.Done()
	s.vault.OnDamage(func(d vault.Damage) {
		s.recordDamage(d.Collection + " " + d.Place)
		s.log.Error("a damaged record is refused", "collection", d.Collection, "place", d.Place)
	})
	damaged, err := s.vault.Damaged()
	if err != nil {
		s.log.Error("damaged records could not be looked for", "error", err)
	}
	for _, d := range damaged {
		if d.InPlace == 0 {
			s.log.Info("damaged records are set aside", "collection", d.Collection, "records", d.SetOff)
			continue
		}
		s.recordDamage(fmt.Sprintf("%s %d", d.Collection, d.InPlace))
		s.log.Error("damaged records are refused; restore a backup, or let their owners enter them again",
			"collection", d.Collection, "records", d.InPlace, "set_aside", d.SetOff)
	}
}

func (s *Server) recordDamage(code string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), damageDeadline)
	defer cancel()
	if err := s.audit.Event(ctx, audit.Event{Kind: "damaged_record", Code: code}); err != nil {
		s.log.Error("audit record lost", "kind", "damaged_record", "code", code, "error", err)
	}
}
