package bff

import (
	"context"
	"errors"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/vault"
)

// loadPin reads the metadata document that is believed of a discovered platform; the zero Pin where there is none. A
// damaged one counts as none (damage is told of elsewhere): the server is asked anew.
func (s *Server) loadPin(id string) (platform.Pin, error) {
	var pin platform.Pin
	err := s.vault.View(func(tx *vault.Tx) error {
		record, err := vault.ServerPins.Get(tx, id)
		pin = platform.Pin{Platform: record.Platform, Base: record.Base, ETag: record.ETag, Document: record.Document,
			FetchedAt: record.FetchedAt, CheckedAt: record.CheckedAt}
		return err
	})
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrIntegrity) {
		return platform.Pin{}, nil
	}
	return pin, err
}

func (s *Server) savePin(pin platform.Pin) error {
	return s.vault.Update(func(tx *vault.Tx) error {
		record := vault.ServerPin{Platform: pin.Platform, Base: pin.Base, ETag: pin.ETag, Document: pin.Document,
			FetchedAt: pin.FetchedAt, CheckedAt: pin.CheckedAt}
		stored, err := vault.ServerPins.Get(tx, pin.Platform)
		switch {
		case err == nil:
			record.Generation = stored.Generation
		case !errors.Is(err, vault.ErrNotFound) && !errors.Is(err, vault.ErrIntegrity):
			return err
		}
		return vault.ServerPins.Put(tx, pin.Platform, &record)
	})
}

// refusedMetadata records that a server describes itself in a way that must not be believed.
func (s *Server) refusedMetadata(refused *platform.DiscoveryError) {
	s.log.Error("a server's metadata is refused", "platform", refused.Platform, "code", refused.Code, "error", refused)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), damageDeadline)
	defer cancel()
	event := audit.Event{Kind: "metadata_refused", Platform: refused.Platform, Code: refused.Code}
	if err := s.audit.Event(ctx, event); err != nil {
		s.log.Error("audit record lost", "kind", event.Kind, "code", event.Code, "error", err)
	}
}
