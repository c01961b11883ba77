package bff

import (
	"errors"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/bff/connect"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
	"locum/shared"
)

// listConnections is GET /api/v1/connections: the practitioner's own, never another's.
func (s *Server) listConnections(c *fiber.Ctx) error {
	views, err := s.tokens.List(exchangeOf(c.Context()).session.Practitioner)
	if err != nil {
		return err
	}
	list := make([]shared.Connection, 0, len(views))
	for _, view := range views {
		list = append(list, s.wireConnection(view))
	}
	return answer(c, shared.Connections{Connections: list})
}

// showConnection is GET /api/v1/connections/{connection}. Another's is as unknown as one that never was.
func (s *Server) showConnection(c *fiber.Ctx) error {
	id := c.Params("connection")
	view, err := s.tokens.Get(exchangeOf(c.Context()).session.Practitioner, id)
	if err != nil {
		return s.recordForeign(c, id, err)
	}
	return answer(c, s.wireConnection(view))
}

// disconnect is DELETE /api/v1/connections/{connection}. The connection is gone from Locum when it answers 200, which
// says what became of it at the platform.
func (s *Server) disconnect(c *fiber.Ctx) error {
	id := c.Params("connection")
	ctx, cancel := s.call()
	defer cancel()
	practitioner := exchangeOf(c.Context()).session.Practitioner
	parting, err := s.tokens.Disconnect(ctx, practitioner, id)
	if err != nil {
		return s.recordForeign(c, id, err)
	}
	s.events.Connection(practitioner, id, shared.StateEnded, "")
	return answer(c, shared.Disconnected{Revoked: parting.Ending == tokens.EndedRevoked || parting.Ending == tokens.EndedSignedOut,
		Ending: parting.Ending, Reason: parting.Reason, Until: moment(parting.Until)})
}

// recordForeign writes into the audit trail that somebody asked for a connection which is not theirs (T080, T110), and gives
// err back. Other errors are no such thing.
func (s *Server) recordForeign(c *fiber.Ctx, id string, err error) error {
	if explain(err).code != shared.CodeNotFound {
		return err
	}
	if !shared.ValidID(id) {
		id = "" // it may be anything, of any length
	}
	e := exchangeOf(c.Context())
	return s.proxy.Refused(&proxy.Request{RequestID: e.id, Practitioner: e.session.Practitioner, Session: e.session.ID,
		Remote: e.remote.String(), Connection: id, Method: c.Method()}, err)
}

// wireConnection is what the app shows of a connection. A platform that is no longer configured is named by its id.
func (s *Server) wireConnection(v tokens.View) shared.Connection {
	wire := shared.Connection{
		ID: v.ID, Platform: shared.Platform{ID: v.Platform, Name: v.Platform},
		Clinic: shared.ClinicLink{Name: v.ClinicName, URL: v.Clinic},
		State:  v.State, Cause: v.Cause, Scopes: v.Scopes, Excess: v.Excess,
		StaffMembers: v.StaffMembers, Roles: v.Roles, ConnectedAt: v.ConnectedAt, RefreshedAt: v.RefreshedAt,
		FreshSeconds: seconds(v.FreshFor), KeptSeconds: seconds(v.KeptFor), EndsAt: moment(v.EndsAt),
		Launch: wireLaunched(v.Launch), FHIRUser: localReference(v.FHIRUser),
	}
	for _, sibling := range s.tokens.Siblings(v.Practitioner, v.ID) {
		wire.Siblings = append(wire.Siblings, sibling.ID)
	}
	live, err := s.platforms.Get(v.Platform)
	if errors.Is(err, platform.ErrUnknownPlatform) {
		return wire
	}
	if err == nil {
		wire.Platform = wirePlatform(live.Platform)
		wire.More = more(live.Platform, v)
	}
	clinic, byClass := s.proxy.Budgets(v.Platform, v.Clinic)
	wire.Budget.Clinic = wireAllowance(clinic)
	if len(byClass) > 0 {
		wire.Budget.Endpoints = make(map[string]shared.Allowance, len(byClass))
		for class, left := range byClass {
			wire.Budget.Endpoints[class] = wireAllowance(left)
		}
	}
	return wire
}

// wireLaunched is what a connection was launched for; nil where it was not.
func wireLaunched(l vault.LaunchContext) *shared.Launched {
	if l.Kind == "" {
		return nil
	}
	wire := &shared.Launched{Kind: l.Kind, Patient: l.Patient, Encounter: l.Encounter, Intent: l.Intent, Tenant: l.Tenant,
		Banner: l.Banner, Styled: l.StyleURL != ""}
	for _, r := range l.References {
		wire.References = append(wire.References, shared.LaunchReference{Reference: r.Reference, Canonical: r.Canonical, Type: r.Type, Role: r.Role})
	}
	return wire
}

func wireAllowance(a throttle.Allowance) shared.Allowance {
	return shared.Allowance{Limit: a.Limit, Remaining: a.Remaining, Reset: seconds(a.Reset)}
}

// more is what a practitioner may allow on top of what was granted, by meaning, each once. What an EHR launched is widened by
// nobody: the next launch asks again.
func more(p *platform.Platform, v tokens.View) []string {
	if v.Launch.Kind == connect.KindEHR {
		return nil
	}
	var rest []string
	for _, scope := range slices.Concat(p.Scopes, p.MoreScopes) {
		if !platform.Covers(v.Scopes, scope) && !slices.Contains(rest, scope) {
			rest = append(rest, scope)
		}
	}
	return rest
}

// seconds rounds up: a wait of half a second is announced as one.
func seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int((d + time.Second - 1) / time.Second)
}
