package connect

import (
	"context"
	"errors"
	"slices"
	"strings"

	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// BeginRequest is what a signed-in practitioner asks for. ClientState is the tab's own 256 random bits. Connection, where
// set, is renewed in place: Platform and Clinic may then be empty, and Scopes are added to what it has. Flow is the
// value of the flow cookie, or "". Framed says that the session lives in a frame, which cannot navigate to the platform.
type BeginRequest struct {
	Practitioner, Session                     string
	Platform, Clinic, ClientState, Connection string
	Scopes                                    []string
	Context                                   vault.Context
	Flow                                      string
	Framed                                    bool
	RequestID, Remote                         string
}

// BeginAnswer says where the tab navigates, and the value of the flow cookie to set: HttpOnly, SameSite=Lax, 10 minutes.
// Where Ticket is set, the way leads over it instead of AuthorizationURL; inside a frame the window that it opens gets the
// cookie there, and Flow is empty.
type BeginAnswer struct {
	AuthorizationURL string
	Ticket, Flow     secret.String
	Framed           bool
}

// Begin stores a sealed attempt and gives the authorization URL (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2; SMART App
// Launch 2.2, Launch App: Standalone Launch). The state on the wire is the browser's value, a dot, and 256 bits of our own,
// so a weak or repeated browser value is harmless (T011). Verifier and nonce are made here and never leave the server; a
// nonce is sent only with OpenID. A server that is not known yet is looked for first.
//
// Begin does not check that the caller is the session it names: that is the middleware's proof. It does check that the
// session is alive. The error is an *Error.
func (c *Connector) Begin(ctx context.Context, r BeginRequest) (BeginAnswer, error) {
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
	if err := c.discover(ctx, live.ID); err != nil {
		return BeginAnswer{}, err
	}
	return c.depart(live, departure{flow: r.Flow, attempt: vault.Attempt{
		Clinic: target.clinic, Practitioner: r.Practitioner, Session: r.Session, Scopes: target.scopes, Kind: target.kind,
		Connection: r.Connection, Context: r.Context, Framed: r.Framed,
		ClientState: c.outcomeKey(r.Practitioner, r.Session, r.ClientState), State: r.ClientState,
	}})
}

// target is what the practitioner will be asked to allow, and where.
type target struct {
	clinic string // its address
	kind   string // "" or KindStandalone
	scopes []string
}

// Kinds of launch, as vault.Attempt.Kind has them.
const (
	KindEHR        = "ehr"
	KindStandalone = "standalone"
)

// target finds platform, clinic and scopes. Each scope is asked for once: those that the platform is configured with,
// those that the connection has and was asked for, and those that are to be added. A scope that has a patient or an
// encounter chosen makes it a standalone launch; what an EHR launched is renewed from there alone.
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
		if view.Launch.Kind == KindEHR {
			return nil, target{}, &Error{Code: CodeBadRequest, Reason: "launch"}
		}
		had = asked(view)
	}
	live, err := c.platforms.Get(r.Platform)
	if err != nil {
		return nil, target{}, &Error{Code: CodeUnknownPlatform, Err: err}
	}
	clinic, err := clinicOf(live, r.Clinic)
	if err != nil {
		return nil, target{}, err
	}
	if own != "" && clinic != own { // a connection is renewed at its own clinic
		return nil, target{}, &Error{Code: CodeNotFound}
	}
	if len(r.Scopes) > maxScopes || slices.ContainsFunc(r.Scopes, func(scope string) bool { return !offers(live, scope) }) {
		return nil, target{}, &Error{Code: CodeBadRequest, Reason: "scopes"}
	}
	wanted := target{clinic: clinic}
	if slices.ContainsFunc(append(had, r.Scopes...), launches) {
		wanted.kind = KindStandalone
	}
	if r.Connection == "" {
		had = c.had(r.Practitioner, r.Platform, wanted)
	}
	wanted.scopes = live.RequestScopes(append(had, r.Scopes...))
	return live, wanted, nil
}

// clinicOf is the address of the clinic that a practitioner named.
func clinicOf(live *platform.Live, name string) (string, error) {
	clinic, err := live.Clinic(name)
	if err != nil {
		var refused *platform.ClinicError
		_ = errors.As(err, &refused)
		return "", &Error{Code: CodeInvalidClinic, Reason: reason(refused), Err: err}
	}
	return clinic.Address, nil
}

// offers says whether a practitioner who connects may ask for the scope.
func offers(live *platform.Live, scope string) bool {
	return live.Offers(scope) || slices.Contains(live.Standalone, scope)
}

// launches says whether a scope has the platform ask for whom a connection is to be (SMART App Launch 2.2, Scopes for
// requesting context data).
func launches(scope string) bool { return strings.HasPrefix(scope, "launch/") }

// had is what the practitioner's connection of this kind to this clinic has, if there is one: connecting the clinic again
// renews that connection and must not narrow it.
func (c *Connector) had(practitioner, platform string, wanted target) []string {
	views, err := c.tokens.List(practitioner)
	if err != nil {
		return nil // nothing is known to be lost: the request is for what the platform is configured with
	}
	for _, view := range views {
		if view.Platform == platform && view.Clinic == wanted.clinic && view.Launch.Kind == wanted.kind {
			return asked(view)
		}
	}
	return nil
}

// asked is what a connection has and was asked for: what the platform gave in excess is not asked for again. Scopes of SMART
// are compared by meaning, since a server may answer in the other version's words; what a patient was chosen by is not
// always repeated in an answer.
func asked(view tokens.View) []string {
	var scopes []string
	for _, scope := range view.Requested {
		if platform.Covers(view.Scopes, scope) || view.Launch.Kind != "" && launches(scope) {
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
