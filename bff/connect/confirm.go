package connect

import (
	"cmp"
	"context"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// launched redeems the code of an EHR launch and says whose connection it may become. The person at the platform is who the
// verified id_token names. Only where a session began the launch, and that person is its practitioner by an earlier link, is
// it theirs at once; else it waits, sealed, until somebody confirms:
//
//	session  person linked to   outcome
//	yes      the practitioner   connected
//	yes      nobody             link_needed
//	any      somebody else, or an account that may not sign in: linked_elsewhere, and what came is given back
//	no       a practitioner     sign_in_ready: nobody is signed in before the page has said as whom
//	no       nobody             link_needed, after signing in
func (c *Connector) launched(ctx context.Context, live *platform.Live, a vault.Attempt, params oauth.CallbackParams, r FinishRequest, o vault.Outcome) vault.Outcome {
	chain, err := c.tokens.RedeemLaunch(ctx, tokens.Redemption{Attempt: a, Code: params.Code, RequestID: r.RequestID, Remote: r.Remote})
	if err != nil {
		c.log.Warn("code of a launch not redeemed", "platform", live.ID, "request", r.RequestID, "error", err, "fix", repair(live, err))
		o.Code = unredeemed(err)
		return o
	}
	o.Clinic = chain.Clinic
	link, linked, err := c.tokens.Linked(live.ID, chain.Issuer, chain.Subject)
	switch {
	case err != nil:
		c.log.Error("links not readable", "request", r.RequestID, "error", err)
		o.Code = OutcomeExchangeFailed
	case !linked:
		o.Code, o.Pending = OutcomeLinkNeeded, chain.Pending
	case !c.active(link.Practitioner), a.Practitioner != "" && a.Practitioner != link.Practitioner:
		o.Code = OutcomeLinkedElsewhere
	case a.Practitioner == "":
		o.Code, o.Pending, o.SignsIn = OutcomeSignInReady, chain.Pending, link.Practitioner
	default:
		o.Code = OutcomeExchangeFailed
		if err := c.adopt(ctx, &o, chain.Pending, a.Practitioner, r.RequestID); err != nil {
			c.log.Error("launch not adopted", "request", r.RequestID, "error", err)
		}
	}
	if o.Pending == "" && o.Code != OutcomeConnected {
		c.tokens.Abandon(chain.Pending)
	}
	return o
}

// adopt makes a pending connection the practitioner's, once, and notes in o how that ended. With an error it ended in
// nothing, and may be tried again.
func (c *Connector) adopt(ctx context.Context, o *vault.Outcome, pending, practitioner, request string) error {
	made, err := c.tokens.Adopt(ctx, pending, practitioner)
	switch tokens.KindOf(err) {
	case tokens.Storage, tokens.Unavailable:
		return &Error{Code: CodeStorage, Err: err}
	}
	if err != nil {
		c.log.Warn("launch not adopted", "request", request, "error", err)
		o.Code = unredeemed(err)
		return nil
	}
	o.Code, o.Connection = OutcomeConnected, made.ID
	return nil
}

// Confirmation answers the question that an outcome asks. Practitioner is who is said to be the person at the platform.
type Confirmation struct {
	By                Asker
	ClientState       string
	Practitioner      string
	RequestID, Remote string
}

// open gives the outcome that a confirmation is about, and makes sure that nobody else answers it meanwhile: until done is
// called, others are told that it is pending.
func (c *Connector) open(ctx context.Context, r Confirmation) (o vault.Outcome, done func(), err error) {
	nothing := func() {}
	if o, err = c.Outcome(ctx, r.By, r.ClientState); err != nil || o.Pending == "" {
		return o, nothing, err
	}
	if _, busy := c.confirming.LoadOrStore(o.Key, true); busy {
		o.Code, o.Pending = OutcomePending, ""
		return o, nothing, nil
	}
	key := o.Key
	done = func() { c.confirming.Delete(key) }
	if o, err = c.Outcome(ctx, r.By, r.ClientState); err != nil { // again: it may have been answered just now
		done()
		return o, nothing, err
	}
	return o, done, nil
}

// Confirm agrees to a sign_in_ready outcome: the connection becomes the linked practitioner's, once, and first tells the one
// caller who may sign this browser in as them. The practitioner must be the one that the outcome names, so nobody is signed
// in as somebody whom the page did not show. Who is signed in as somebody else is refused, and nothing is changed.
func (c *Connector) Confirm(ctx context.Context, r Confirmation) (o vault.Outcome, first bool, err error) {
	o, done, err := c.open(ctx, r)
	defer done()
	switch {
	case err != nil || o.Code != OutcomeSignInReady:
		return o, false, err
	case o.SignsIn != r.Practitioner:
		return o, false, &Error{Code: CodeBadRequest, Reason: "sign_in"}
	case r.By.Session != "" && r.By.Practitioner != o.SignsIn, !c.active(o.SignsIn):
		o.Code = OutcomeLinkedElsewhere
		return o, false, nil
	}
	if now, err := c.relinked(o); err != nil || now.SignsIn != o.SignsIn {
		return now, false, err
	}
	if err := c.adopt(ctx, &o, o.Pending, o.SignsIn, r.RequestID); err != nil {
		return o, false, err
	}
	o, err = c.settle(ctx, o, o.SignsIn, r)
	return o, err == nil && o.Code == OutcomeConnected, err
}

// relinked asks again whose the person at the platform is: the link may have been taken away while the page asked. Then
// there is another question, for whoever asks next.
func (c *Connector) relinked(o vault.Outcome) (vault.Outcome, error) {
	chain, waits := c.tokens.Pending(o.Pending)
	if !waits {
		return o, nil // adopt says what became of it
	}
	link, linked, err := c.tokens.Linked(o.Platform, chain.Issuer, chain.Subject)
	switch {
	case err != nil:
		return o, &Error{Code: CodeStorage, Err: err}
	case linked && link.Practitioner == o.SignsIn:
		return o, nil
	case linked:
		o.SignsIn = link.Practitioner
	default:
		o.Code, o.SignsIn = OutcomeLinkNeeded, ""
	}
	return o, stored(c.keep(o))
}

// Link agrees to a link_needed outcome: the person at the platform is the practitioner who is signed in. The link is written
// down before it is made, and the connection after it. A person who is somebody else's already is linked_elsewhere, and what
// came is given back.
func (c *Connector) Link(ctx context.Context, r Confirmation) (vault.Outcome, error) {
	o, done, err := c.open(ctx, r)
	defer done()
	if err != nil || o.Code != OutcomeLinkNeeded {
		return o, err
	}
	if r.By.Practitioner != r.Practitioner || !c.sessions.Alive(r.By.Session, r.Practitioner) || !c.active(r.Practitioner) {
		return o, &Error{Code: CodeSignedOut}
	}
	event := audit.Event{Kind: "linked", RequestID: r.RequestID, Practitioner: r.Practitioner, Session: r.By.Session,
		Remote: r.Remote, Platform: o.Platform, Clinic: o.Clinic}
	if err := c.note(ctx, event); err != nil {
		return o, err
	}
	err = c.tokens.LinkPending(o.Pending, r.Practitioner)
	switch {
	case tokens.KindOf(err) == tokens.Storage:
		return o, &Error{Code: CodeStorage, Err: err}
	case err != nil:
		c.log.Warn("not linked", "request", r.RequestID, "error", err)
		o.Code = unredeemed(err)
	default:
		if err := c.adopt(ctx, &o, o.Pending, r.Practitioner, r.RequestID); err != nil {
			return o, err
		}
	}
	return c.settle(ctx, o, r.Practitioner, r)
}

// Decline says that the person at the platform is nobody whom this browser should have anything to do with: what came is
// given back, and the outcome is denied. An outcome that asks nothing stays as it is.
func (c *Connector) Decline(ctx context.Context, r Confirmation) (vault.Outcome, error) {
	o, done, err := c.open(ctx, r)
	defer done()
	if err != nil || o.Pending == "" {
		return o, err
	}
	o.Code = OutcomeDenied
	return c.settle(ctx, o, "", r)
}

// settle keeps how a confirmation ended, for the practitioner it was for. What did not become a connection is given back.
func (c *Connector) settle(ctx context.Context, o vault.Outcome, practitioner string, r Confirmation) (vault.Outcome, error) {
	if o.Code == OutcomeConnected {
		o.Practitioner = practitioner
	} else {
		c.tokens.Abandon(o.Pending)
		failed := o
		failed.Practitioner, failed.Session = cmp.Or(practitioner, o.Practitioner, r.By.Practitioner), cmp.Or(o.Session, r.By.Session)
		c.noteFailure(ctx, failed, FinishRequest{RequestID: r.RequestID, Remote: r.Remote})
	}
	o.Pending, o.SignsIn, o.ExpiresAt = "", "", time.Now().Add(lifetime)
	if err := c.keep(o); err != nil {
		return o, stored(err)
	}
	return o, nil
}
