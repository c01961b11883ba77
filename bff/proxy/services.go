package proxy

import (
	"context"
	"errors"
	"strings"

	"locum/bff/platform"
	"locum/bff/service"
	"locum/bff/tokens"
)

// A call by the application itself (RFC 6749 §4.4) has the service's id in the place of a connection's. Administrators may
// make it, of the operations that the configuration lists for it, and nobody else learns that there is such a thing. It is
// recorded as the administrator's, waits its turn as one person of its own, and knows no clinic: which one is meant follows
// from the request.

// admitService is admit for a service.
func (c *call) admitService(ctx context.Context) error {
	r, services := c.request, c.proxy.services
	unknown := &tokens.Error{Kind: tokens.NotFound, Connection: r.Connection, Code: tokens.CauseNotOurs}
	if services == nil || !r.Administrator {
		return unknown
	}
	view, err := services.Get(r.Connection)
	if err != nil {
		return err
	}
	c.service = true
	c.lease.Connection, c.lease.Platform = r.Connection, view.Platform
	live, err := c.proxy.platforms.Get(view.Platform)
	if err != nil {
		return err
	}
	operation, err := live.Match(r.Method, r.Path)
	if err != nil {
		return err
	}
	if !services.Allows(r.Connection, operation.ID) {
		return platform.ErrNoOperation
	}
	c.operation = operation
	if c.lease.Clinic, err = c.meantClinic(live); err != nil {
		return err
	}
	if c.upstream, err = c.proxy.upstream(live, c.lease.Clinic); err != nil {
		return err
	}
	if c.upstream.face == nil {
		return unknown // Jane has no services
	}
	if err := c.shape(""); err != nil {
		return err
	}
	if err := over(ctx); err != nil {
		return err
	}
	lease, err := services.Fresh(ctx, r.Connection)
	if err != nil {
		return err
	}
	return c.use(c.placed(lease))
}

// placed says for which clinic a service's token is used: it has none of its own.
func (c *call) placed(lease tokens.Lease) tokens.Lease {
	if c.service {
		lease.Clinic = c.lease.Clinic
	}
	return lease
}

// meantClinic is the clinic that a service's request is about: the practice in its path, the one whose records it names in
// path or query, or the only one there is.
func (c *call) meantClinic(live *platform.Live) (string, error) {
	if c.operation.Practice != "" {
		clinic, err := live.Clinic(c.operation.Practice)
		if err != nil {
			return "", &Error{Code: codeClinic, Err: err}
		}
		return clinic.Address, nil
	}
	named := strings.Split(c.operation.Path, "/")
	for _, p := range decoded(c.request.Query) {
		named = append(named, strings.Split(p.value, ",")...)
	}
	clinic, err := live.ClinicOf(named...)
	var refused *platform.ClinicError
	switch {
	case errors.As(err, &refused) && refused.Reason == platform.ClinicEmpty:
		return "", &Error{Code: codeBadRequest, Params: map[string]string{"reason": "practice"}, Err: err}
	case err != nil:
		return "", &Error{Code: codeClinic, Err: err}
	}
	return clinic.Address, nil
}

// another gives a fresh token in the place of one that the platform has refused.
func (c *call) another(ctx context.Context) (tokens.Lease, error) {
	if !c.service {
		return c.proxy.tokens.Refused(ctx, c.lease)
	}
	lease, err := c.proxy.services.Refused(ctx, c.lease)
	return c.placed(lease), err
}

// who waits for a turn.
func (c *call) who() string {
	if c.service {
		return c.request.Connection
	}
	return c.request.Practitioner
}

// isService says whether an id is that of a service there is: such a one can be repeated in a record.
func (p *Proxy) isService(id string) bool {
	if p.services == nil || !service.IsID(id) {
		return false
	}
	_, err := p.services.Get(id)
	return err == nil
}
