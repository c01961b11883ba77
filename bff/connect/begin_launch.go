package connect

import (
	"context"
	"errors"
	"slices"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/vault"
)

// BeginLaunchRequest agrees to an EHR's launch. Practitioner and Session are "" where nobody is signed in; Clinic is the
// address of a practice where the platform has several and one was chosen; Scopes are added to those configured.
type BeginLaunchRequest struct {
	Practitioner, Session       string
	Handle, ClientState, Clinic string
	Scopes                      []string
	Browser                     Browser
	RequestID, Remote           string
}

// BeginLaunch spends a launch and begins its authorization (SMART App Launch 2.2, Launch App: EHR Launch, Obtain
// authorization code): launch is echoed, aud is the FHIR base that launched. It is for the browser that was called and for
// nobody else, once; what fails before the attempt is stored may be tried again. Nobody has to be signed in: the attempt is
// then bound to the browser alone, by its flow value.
//
// The clinic of a platform with several practices is not known yet, unless it is named: package tokens takes it from the
// patient. The error is an *Error.
func (c *Connector) BeginLaunch(ctx context.Context, r BeginLaunchRequest) (BeginAnswer, error) {
	if !is256(r.ClientState) {
		return BeginAnswer{}, &Error{Code: CodeInvalidClientState}
	}
	launch, err := c.LaunchOf(r.Handle, r.Browser)
	if err != nil {
		return BeginAnswer{}, err
	}
	if r.Session != "" && !c.sessions.Alive(r.Session, r.Practitioner) {
		return BeginAnswer{}, &Error{Code: CodeSignedOut}
	}
	live, clinic, err := c.launchTarget(launch, r)
	if err != nil {
		return BeginAnswer{}, err
	}
	if err := c.discover(ctx, live.ID); err != nil {
		return BeginAnswer{}, err
	}
	if err := c.noteLaunch(ctx, live.ID, clinic, r); err != nil {
		return BeginAnswer{}, err
	}
	a := vault.Attempt{State: r.ClientState, Clinic: clinic, Practitioner: r.Practitioner, Session: r.Session, Kind: KindEHR,
		Launch: launch.Value, Framed: launch.Framed, Scopes: live.LaunchRequest(r.Scopes)}
	if r.Session != "" {
		a.ClientState = c.outcomeKey(r.Practitioner, r.Session, r.ClientState)
	} else {
		a.Browser, a.ClientState = launch.Browser, c.browserKey(launch.Browser, r.ClientState)
	}
	return c.depart(live, departure{attempt: a, flow: r.Browser.Flow, fixed: !launch.Framed, also: func(tx *vault.Tx) error {
		_, err := vault.Launches.Take(tx, launch.Key)
		if errors.Is(err, vault.ErrNotFound) { // somebody was faster with it
			return &Error{Code: CodeLaunchUnknown}
		}
		return err
	}})
}

// launchTarget is where a launch leads: its platform as it is configured now, and the clinic, or "" while that is not known.
func (c *Connector) launchTarget(launch vault.Launch, r BeginLaunchRequest) (*platform.Live, string, error) {
	live, err := c.platforms.Get(launch.Platform)
	if err != nil || !live.Launch || live.FHIRBase != launch.Issuer {
		return nil, "", &Error{Code: CodeUnknownPlatform, Err: err}
	}
	if len(r.Scopes) > maxScopes || slices.ContainsFunc(r.Scopes, func(scope string) bool { return !live.Offers(scope) }) {
		return nil, "", &Error{Code: CodeBadRequest, Reason: "scopes"}
	}
	if r.Clinic == "" && len(live.Clinics) > 1 {
		return live, "", nil
	}
	clinic, err := clinicOf(live, r.Clinic)
	return live, clinic, err
}

// noteLaunch writes down who agrees to a launch, before it is so.
func (c *Connector) noteLaunch(ctx context.Context, platformID, clinic string, r BeginLaunchRequest) error {
	return c.note(ctx, audit.Event{Kind: "launch_begun", RequestID: r.RequestID, Practitioner: r.Practitioner, Session: r.Session,
		Remote: r.Remote, Platform: platformID, Clinic: clinic})
}

// note writes an event down, durably, or says why nothing may come of it.
func (c *Connector) note(ctx context.Context, event audit.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteDeadline)
	defer cancel()
	if err := c.audit.Event(ctx, event); err != nil {
		return &Error{Code: CodeAudit, Err: err}
	}
	return nil
}

// browserKey is the key of the outcome of an attempt that was begun without a session: the browser's value, together with
// what binds it to that browser.
func (c *Connector) browserKey(browser, clientState string) string {
	return c.vault.MAC("connect.outcome.browser", browser, clientState)
}
