package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// Redemption is a callback that passed every check of package connect. RequestID and Remote are for the audit trail.
type Redemption struct {
	Attempt           vault.Attempt
	Code              secret.String
	RequestID, Remote string
}

// Redeem exchanges the code, once, and makes a connection of the answer. With Attempt.Connection set it renews that
// connection in place: the id stays, the scopes are the newly granted ones, and another subject or clinic is refused.
// Without it, a connection of the same practitioner to the same clinic as the same subject is renewed in place too; a
// practitioner who is two people at a clinic has two connections. What is refused is revoked and leaves everything that
// was there untouched. A caller who leaves does not stop it.
//
// The old chain of a connection renewed in place is not revoked where that would end the new one with it, as Keycloak does.
//
// Errors are of kind NotFound (Attempt.Connection), WrongClinic, WrongPerson, BadToken, Refused (the code was refused),
// ReconnectNeeded (the login was ended at the platform meanwhile, and with it what came of it), Misconfigured, Unavailable (not sent, or the keys to check the answer with cannot be had), Unknown, Storage.
func (k *Keeper) Redeem(ctx context.Context, r Redemption) (vault.Connection, error) {
	if !k.enter() {
		return vault.Connection{}, closing(r.Attempt.Connection)
	}
	defer k.working.Done()
	ctx = context.WithoutCancel(ctx)
	live, err := k.platforms.Get(r.Attempt.Platform)
	if err != nil {
		return vault.Connection{}, &Error{Kind: Misconfigured, Code: CauseUnknownSystem, Err: err}
	}
	if err := k.renewable(r.Attempt); err != nil {
		return vault.Connection{}, err
	}
	s := k.signIns.begin(live.ID, r.Attempt.Practitioner)
	c, pending, err := k.redeem(ctx, live, r)
	logouts := k.signIns.end(s)
	if err == nil {
		err = k.survives(c, logouts)
	} else if pending.ID != "" {
		k.discard(pending)
	}
	if err != nil {
		return vault.Connection{}, err
	}
	return c, nil
}

// redeem makes the connection. pending is what is to be forgotten after an error; it has no ID where there is nothing.
func (k *Keeper) redeem(ctx context.Context, live *platform.Live, r Redemption) (c, pending vault.Connection, err error) {
	pending, answer, err := k.exchange(ctx, live, r)
	if err != nil {
		return pending, vault.Connection{}, err
	}
	c, err = k.examine(ctx, live, pending, answer, r.Attempt.Nonce)
	if err == nil {
		err = k.announce(ctx, c, r)
	}
	if err == nil {
		c, err = k.settle(c, r.Attempt.Connection)
	}
	return c, pending, err
}

// renewable says whether the connection that the attempt wants to renew is there, and is the practitioner's connection
// to that clinic. It is asked before the code is spent; settle asks again.
func (k *Keeper) renewable(a vault.Attempt) error {
	if a.Connection == "" {
		return nil
	}
	h, ok := k.find(a.Practitioner, a.Connection)
	if !ok {
		return notFound(a.Connection)
	}
	if h.platform != a.Platform || h.clinic != a.Clinic {
		return &Error{Kind: WrongClinic, Connection: a.Connection, Code: CauseWrongClinic}
	}
	return nil
}

// exchange redeems the code with one wire attempt and stores the raw answer as a pending record before anybody reads
// it: tokens that a crash leaves behind are found at the next start, and revoked.
func (k *Keeper) exchange(ctx context.Context, live *platform.Live, r Redemption) (vault.Connection, oauth.Answer, error) {
	a := r.Attempt
	pending := vault.Connection{
		ID: strings.ToLower(rand.Text()), Practitioner: a.Practitioner, Platform: a.Platform, Clinic: a.Clinic,
		State: statePending, Phase: phaseAnswered, Requested: a.Scopes, Launch: vault.LaunchContext{Kind: a.Kind},
		Attempt: vault.RefreshAttempt{ID: rand.Text(), SentAt: time.Now(), Node: k.node},
	}
	if err := k.reach(live); err != nil {
		return pending, oauth.Answer{}, err
	}
	heard, err := k.admitCode(live)
	if err != nil {
		return pending, oauth.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, wireDeadline)
	defer cancel()
	answer, err := live.OAuth.Exchange(ctx, r.Code, a.Verifier)
	heard(answer, err)
	if err != nil {
		return pending, answer, refusal(live, err)
	}
	if answer.Status >= 300 { // no tokens in it
		return pending, answer, nil
	}
	pending.Raw, pending.RawStatus = answer.Body, answer.Status
	if err := k.put(&pending); err != nil {
		token, received := newest(pending)
		k.surrender(pending, token, received)
		return pending, answer, &Error{Kind: Storage, Code: CauseStorage, Err: err}
	}
	return pending, answer, nil
}

// examine parses and checks the answer and gives the record that is ready to be stored.
func (k *Keeper) examine(ctx context.Context, live *platform.Live, c vault.Connection, answer oauth.Answer, nonce secret.String) (vault.Connection, error) {
	token, err := oauth.ParseToken(answer)
	if err != nil {
		return c, refusal(live, err)
	}
	if live.OpenID && token.ID.Empty() { // asked for, so it must come (OpenID Connect Core §3.1.3.3)
		return c, &Error{Kind: BadToken, Code: CauseBadToken, Err: errors.New("no id_token in the answer")}
	}
	ctx, cancel := context.WithTimeout(ctx, wireDeadline)
	defer cancel()
	grant, err := check(ctx, live, c, token, &nonce)
	if err != nil {
		return c, err
	}
	c = granted(c, live, token, grant, answer.ReceivedAt)
	c.Subject, c.ConnectedAt, c.Attempt = grant.Subject, answer.ReceivedAt, vault.RefreshAttempt{}
	kind := c.Launch.Kind
	c.Issuer, c.Launch = grant.issuer, grant.launch
	c.Launch.Kind = kind
	if live.SendScope {
		c.RefreshScopes = refreshScopes(c.Scopes, c.Requested)
	}
	if c.Clinic == "" { // a launch names a server; whose practice it is the answer says
		clinic, err := live.ClinicOf(c.Launch.Patient, c.Launch.Encounter, c.FHIRUser)
		if err != nil {
			return c, &Error{Kind: WrongClinic, Code: CauseWrongClinic, Err: err}
		}
		c.Clinic = clinic.Address
	}
	c.ClinicName = c.Clinic
	if clinic, err := live.Clinic(c.Clinic); err == nil && clinic.Name != "" {
		c.ClinicName = clinic.Name
	}
	return c, nil
}

// announce writes down who connects what before it is so: no audit, no connection. What the connection named cannot be
// is refused here already.
func (k *Keeper) announce(ctx context.Context, c vault.Connection, r Redemption) error {
	event := audit.Event{
		Kind: "connect", RequestID: r.RequestID, Practitioner: c.Practitioner, Session: r.Attempt.Session, Remote: r.Remote,
		Platform: c.Platform, Clinic: c.Clinic, Connection: c.ID,
	}
	if err := k.unlinked(c); err != nil {
		return err
	}
	h, found := k.twin(c)
	if named := r.Attempt.Connection; named != "" {
		if h, found = k.find(c.Practitioner, named); !found {
			return notFound(named)
		}
		if err := h.admits(c); err != nil {
			return err
		}
	}
	if found {
		event.Connection, event.Code = h.id, "reconnect"
	}
	ctx, cancel := context.WithTimeout(ctx, noteDeadline)
	defer cancel()
	if err := k.audit.Event(ctx, event); err != nil {
		return &Error{Kind: Storage, Connection: c.ID, Code: CauseStorage, Err: err}
	}
	if more := excess(c); len(more) > 0 {
		event.Kind, event.Code = "excess_scope", strings.Join(more, " ")
		if err := k.audit.Event(ctx, event); err != nil {
			return &Error{Kind: Storage, Connection: c.ID, Code: CauseStorage, Err: err}
		}
	}
	return nil
}

// admits says whether a new chain may take the place of the connection's own.
func (h *held) admits(c vault.Connection) error {
	if h.clinic != c.Clinic || h.platform != c.Platform {
		return &Error{Kind: WrongClinic, Connection: h.id, Code: CauseWrongClinic}
	}
	if h.subject != c.Subject || h.issuer != c.Issuer {
		return &Error{Kind: WrongPerson, Connection: h.id, Code: CauseWrongPerson}
	}
	if h.patient != c.Launch.Patient {
		return &Error{Kind: WrongPerson, Connection: h.id, Code: CauseWrongPatient}
	}
	return nil
}

// settle stores the checked record: in place of the connection named or found, otherwise as a new one.
func (k *Keeper) settle(c vault.Connection, named string) (vault.Connection, error) {
	if named != "" {
		h, ok := k.find(c.Practitioner, named)
		if !ok {
			return c, notFound(named)
		}
		return k.replace(h, c)
	}
	for {
		if h, ok := k.twin(c); ok {
			renewed, err := k.replace(h, c)
			if KindOf(err) != NotFound {
				return renewed, err
			}
		}
		if made, ok, err := k.create(c); ok || err != nil {
			return made, err
		}
	}
}

// create makes the pending record a connection, unless a twin came to be meanwhile.
func (k *Keeper) create(c vault.Connection) (made vault.Connection, ok bool, err error) {
	k.births.Lock()
	defer k.births.Unlock()
	if _, found := k.twin(c); found {
		return c, false, nil
	}
	received := c.ReceivedAt
	if err := k.put(&c, begun(StepConnected, c, "", k.fingerprint(c.Refresh))...); err != nil {
		return c, false, &Error{Kind: Storage, Code: CauseStorage, Err: err}
	}
	c.ReceivedAt = received // with its monotonic reading
	k.index(hold(c))
	return c, true, nil
}

// begun are the steps of a new chain.
func begun(what string, c vault.Connection, parent, child string) []vault.Step {
	steps := []vault.Step{{What: what, Trigger: triggerPractitioner, Parent: parent, Child: child}}
	if !c.EndsAt.IsZero() {
		steps = append(steps, vault.Step{What: StepForecast, Trigger: triggerPlatform, Until: c.EndsAt})
	}
	return steps
}

// replace puts the new chain into the connection that is there, in one transaction with the end of the pending record.
// It waits for the connection's turn: a refresh under way is finished first.
func (k *Keeper) replace(h *held, c vault.Connection) (vault.Connection, error) {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	if h.gone.Load() {
		return c, notFound(h.id)
	}
	if err := h.admits(c); err != nil {
		return c, err
	}
	live, err := k.platforms.Get(c.Platform)
	if err != nil {
		return c, &Error{Kind: Misconfigured, Connection: h.id, Code: CauseUnknownSystem, Err: err}
	}
	var next vault.Connection
	var r vault.Revocation
	err = k.vault.Update(func(tx *vault.Tx) error {
		old, err := vault.Connections.Get(tx, h.id)
		if errors.Is(err, vault.ErrIntegrity) { // Put sets it aside
			old, err = h.remembered(), nil
		}
		if err != nil {
			return err
		}
		next = c
		next.ID, next.Kind, next.ConnectedAt, next.Generation = old.ID, old.Kind, old.ConnectedAt, old.Generation
		next.Launch.Kind = old.Launch.Kind
		next.Attempt.Fence, next.WindowMax = old.Attempt.Fence, max(old.WindowMax, c.WindowMax)
		next = foreseen(next, live, time.Time{})
		if err := vault.Connections.Delete(tx, c.ID); err != nil {
			return err
		}
		if err := vault.Connections.Put(tx, next.ID, &next); err != nil {
			return err
		}
		if r, err = leftBehind(tx, live, old, c); err != nil {
			return err
		}
		return k.step(tx, next, begun(StepReconnected, next, k.fingerprint(old.Refresh), k.fingerprint(next.Refresh))...)
	})
	if errors.Is(err, vault.ErrNotFound) { // disconnected meanwhile: what has no record is no connection
		h.gone.Store(true)
		k.unindex(h)
		return c, notFound(h.id)
	}
	if err != nil {
		return c, &Error{Kind: Storage, Connection: h.id, Code: CauseStorage, Err: err}
	}
	if r.ID != "" {
		k.enqueue(errand{r.ID, r.Platform, r.NotBefore})
	}
	next.ReceivedAt = c.ReceivedAt // with its monotonic reading
	h.reopen()
	k.show(h, currentOf(next))
	h.unsaved, h.doubt, h.doubts = nil, false, doubts{}
	h.mu.Lock()
	h.calm()
	h.mu.Unlock()
	h.used.Store(int64(time.Since(k.born)))
	k.plan(h)
	return next, nil
}

// leftBehind puts the tokens of a chain that another one has replaced into the outbox, where it is independent of that one;
// otherwise its ID is "". They are those of the redemption c, so that nothing is told of a connection that lives.
func leftBehind(tx *vault.Tx, live *platform.Live, old, c vault.Connection) (vault.Revocation, error) {
	token, received := newest(old)
	if !independent(live) || live.Ending == platform.EndingForget || token.Refresh.Empty() || token.Refresh.Equal(c.Refresh) {
		return vault.Revocation{}, nil
	}
	r := revocation(live.Ending, c, token, received)
	next := r
	return r, vault.Revocations.Put(tx, next.ID, &next)
}

// refusal reads an error of the code's exchange. The code is spent or was never accepted: it is not sent again.
func refusal(live *platform.Live, err error) *Error {
	v := judge(partyOf(live), err)
	switch {
	case v.kind == ReconnectNeeded:
		v.kind = Refused
	case v.phase == phaseInflight:
		v.kind = Unknown
	}
	return &Error{Kind: v.kind, Code: v.cause, Err: err}
}

// discard forgets the pending record of a refused redemption; what it brought goes into the outbox in the same transaction.
func (k *Keeper) discard(pending vault.Connection) {
	token, received := newest(pending)
	r := revocation(platform.EndingRevoke, pending, token, received)
	err := k.vault.Update(func(tx *vault.Tx) error {
		if err := vault.Connections.Delete(tx, pending.ID); err != nil || r.ID == "" {
			return err
		}
		next := r
		return vault.Revocations.Put(tx, next.ID, &next)
	})
	switch {
	case err != nil:
		k.log.Error("pending redemption not deleted", "connection", pending.ID, "error", err)
		k.surrender(pending, token, received)
	case r.ID != "":
		k.attempt(r.ID, false)
	}
}

// forget ends a redemption that an earlier process left in the middle: nobody was told that it succeeded.
func (k *Keeper) forget(pending vault.Connection) {
	if _, err := k.platforms.Get(pending.Platform); err != nil {
		k.log.Warn("pending redemption of an unknown platform", "connection", pending.ID, "platform", pending.Platform)
		return
	}
	k.discard(pending)
}
