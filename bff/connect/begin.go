package connect

import (
	"context"
	"errors"
	"slices"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// BeginRequest is what a signed-in practitioner asks for. ClientState is the tab's own 256 random bits. Connection, where
// set, is renewed in place: Platform and Clinic may then be empty, and Scopes are added to what it has. Flow is the
// value of the flow cookie, or "".
type BeginRequest struct {
	Practitioner, Session                     string
	Platform, Clinic, ClientState, Connection string
	Scopes                                    []string
	Context                                   vault.Context
	Flow                                      string
	RequestID, Remote                         string
}

// BeginAnswer says where the tab navigates, and the value of the flow cookie to set: HttpOnly, SameSite=Lax, 10 minutes.
type BeginAnswer struct {
	AuthorizationURL string
	Flow             secret.String
}

// Begin stores a sealed attempt and gives the authorization URL (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2). The
// state on the wire is the browser's value, a dot, and 256 bits of our own, so a weak or repeated browser value is
// harmless (T011). Verifier and nonce are made here and never leave the server; a nonce is sent only with OpenID.
//
// Begin does not check that the caller is the session it names: that is the middleware's proof. It does check that the
// session is alive. The error is an *Error.
func (c *Connector) Begin(_ context.Context, r BeginRequest) (BeginAnswer, error) {
	if !is256(r.ClientState) {
		return BeginAnswer{}, &Error{Code: CodeInvalidClientState}
	}
	if !c.leadsBack(r.Context) {
		return BeginAnswer{}, &Error{Code: CodeBadRequest, Reason: "context"}
	}
	if !c.sessions.Alive(r.Session, r.Practitioner) {
		return BeginAnswer{}, &Error{Code: CodeSignedOut}
	}
	live, target, err := c.target(r)
	if err != nil {
		return BeginAnswer{}, err
	}
	attempt := vault.Attempt{
		State: r.ClientState + "." + random(), Platform: live.ID, Clinic: target.clinic, Practitioner: r.Practitioner,
		Session: r.Session, ClientState: c.outcomeKey(r.Practitioner, r.Session, r.ClientState), Verifier: oauth.NewVerifier(),
		Scopes: target.scopes, Connection: r.Connection, Context: r.Context, CreatedAt: time.Now(),
	}
	attempt.ExpiresAt = attempt.CreatedAt.Add(lifetime)
	request := oauth.AuthorizationRequest{
		State: attempt.State, Challenge: oauth.Challenge(attempt.Verifier), Scopes: target.scopes, Resource: target.clinic,
	}
	if live.OpenID {
		request.Nonce = random()
		attempt.Nonce = secret.New(request.Nonce)
	}
	flow, err := c.store(attempt, r.Flow)
	if err != nil {
		return BeginAnswer{}, stored(err)
	}
	return BeginAnswer{AuthorizationURL: live.OAuth.AuthorizationURL(request), Flow: secret.New(flow)}, nil
}

// target is what the practitioner will be asked to allow, and where.
type target struct {
	clinic string // its origin
	scopes []string
}

// target finds platform, clinic and scopes. Each scope is asked for once: those that the platform is configured with,
// those that the connection has and was asked for, and those that are to be added.
func (c *Connector) target(r BeginRequest) (*platform.Live, target, error) {
	var had []string
	own := ""
	if r.Connection != "" {
		view, err := c.tokens.Get(r.Practitioner, r.Connection)
		if err != nil || r.Platform != "" && r.Platform != view.Platform {
			return nil, target{}, &Error{Code: CodeNotFound, Err: err}
		}
		r.Platform, own = view.Platform, view.Clinic
		if r.Clinic == "" {
			r.Clinic = own
		}
		had = asked(view)
	}
	live, err := c.platforms.Get(r.Platform)
	if err != nil {
		return nil, target{}, &Error{Code: CodeUnknownPlatform, Err: err}
	}
	clinic, err := live.Clinic(r.Clinic)
	if err != nil {
		var refused *platform.ClinicError
		_ = errors.As(err, &refused)
		return nil, target{}, &Error{Code: CodeInvalidClinic, Reason: reason(refused), Err: err}
	}
	if own != "" && clinic.Origin != own { // a connection is renewed at its own clinic
		return nil, target{}, &Error{Code: CodeNotFound}
	}
	if len(r.Scopes) > maxScopes || slices.ContainsFunc(r.Scopes, func(scope string) bool { return !live.Offers(scope) }) {
		return nil, target{}, &Error{Code: CodeBadRequest, Reason: "scopes"}
	}
	if r.Connection == "" {
		had = c.had(r.Practitioner, r.Platform, clinic.Origin)
	}
	return live, target{clinic: clinic.Origin, scopes: live.RequestScopes(append(had, r.Scopes...))}, nil
}

// had is what the practitioner's connection to this clinic has, if there is one: connecting the clinic again renews that
// connection and must not narrow it.
func (c *Connector) had(practitioner, platform, clinic string) []string {
	views, err := c.tokens.List(practitioner)
	if err != nil {
		return nil // nothing is known to be lost: the request is for what the platform is configured with
	}
	for _, view := range views {
		if view.Platform == platform && view.Clinic == clinic {
			return asked(view)
		}
	}
	return nil
}

// asked is what a connection has and was asked for: what the platform gave in excess is not asked for again.
func asked(view tokens.View) []string {
	var scopes []string
	for _, scope := range view.Scopes {
		if slices.Contains(view.Requested, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

func reason(refused *platform.ClinicError) string {
	if refused == nil {
		return ""
	}
	return refused.Reason
}

// leadsBack says whether a context names a page of the closed list and opaque ids, and nothing else (T024). No context is
// one too: the practitioner then comes back to the start.
func (c *Connector) leadsBack(back vault.Context) bool {
	if back.Page == "" {
		return len(back.Params) == 0
	}
	names, listed := c.pages[back.Page]
	if c.pages != nil && (!listed || len(back.Params) != len(names)) {
		return false
	}
	if !platform.ValidID(back.Page) || len(back.Params) > maxContextParam {
		return false
	}
	for name, value := range back.Params {
		if !platform.ValidID(name) || !platform.ValidID(value) || c.pages != nil && !slices.Contains(names, name) {
			return false
		}
	}
	return true
}
