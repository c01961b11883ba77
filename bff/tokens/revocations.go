package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/throttle"
	"locum/bff/vault"
)

// revokeDeadline bounds one request of a revocation.
const revokeDeadline = 5 * time.Second

// revocationLife is how long a revocation is tried at most. Where the platform has said when the token ends, it is tried
// until then and revocationSlack more: after that nobody can use it, and nobody here ever had it again.
const (
	revocationLife  = 24 * time.Hour
	revocationSlack = time.Minute
)

// wayAccess is the Way of a revocation of which the access token alone is left.
const wayAccess = "access"

// Codes of a StepNotRevoked, beside the causes.
const (
	NotRevokedSpared      = "spared"      // other connections of the same login live on, and would have ended with it
	NotRevokedUnsupported = "unsupported" // the platform does not do it
	NotRevokedExpired     = "expired"     // it could not be asked before the token had ended by itself
)

// revocation makes a record of the outbox for tokens that are to be given back; c says whose they are. Its ID is "" where
// there is nothing to give.
func revocation(way string, c vault.Connection, token oauth.Token, received time.Time) vault.Revocation {
	if token.Access.Empty() && token.Refresh.Empty() {
		return vault.Revocation{}
	}
	now := time.Now()
	r := vault.Revocation{
		ID: strings.ToLower(rand.Text()), Way: way, CreatedAt: now, NotBefore: now,
		Platform: c.Platform, Connection: c.ID, Practitioner: c.Practitioner, Clinic: c.Clinic, Subject: c.Subject, SID: c.SID,
	}
	carry(&r, token, received)
	return r
}

// carry puts tokens into the record, in place of those that it has.
func carry(r *vault.Revocation, token oauth.Token, received time.Time) {
	r.Access, r.Refresh, r.IDToken = token.Access, token.Refresh, token.ID
	if token.SessionState != "" {
		r.SID = token.SessionState
	}
	life := token.RefreshExpiresIn
	if token.Refresh.Empty() {
		life = token.ExpiresIn
	}
	r.GiveUpAt = r.CreatedAt.Add(revocationLife)
	if ends := received.Add(life + revocationSlack); life > 0 && ends.Before(r.GiveUpAt) {
		r.GiveUpAt = ends
	}
	if r.GiveUpAt.Before(r.CreatedAt) { // it has ended; or the clock was set back
		r.GiveUpAt = r.CreatedAt
	}
}

// verdicts on an answer to a revocation (RFC 7009 §2.2).
type revoked int

const (
	revokedDone   revoked = iota // the token is of no use any more, whoever saw to it
	revokedLater                 // it may still be good: ask again
	revokedUnable                // it cannot be revoked in this way
)

// judgeRevocation reads the error of a revocation, or of the end of a session. A token that the platform does not know, or
// knows to be invalid, is gone (RFC 7009 §2.2; Keycloak says so with 200, other servers with 400). What is not certain, and
// what is Locum's own fault, is asked again: only then has a revocation been made. after is how long the platform asked to
// wait; code is a cause.
func judgeRevocation(live *platform.Live, err error) (what revoked, code string, after time.Duration) {
	var response *oauth.ResponseError
	switch {
	case err == nil:
		return revokedDone, "", 0
	case errors.Is(err, oauth.ErrNoEndpoint):
		return revokedUnable, NotRevokedUnsupported, 0
	case !errors.As(err, &response):
		return revokedLater, judge(partyOf(live), err).cause, 0
	case response.Status < 300:
		return revokedDone, "", 0
	}
	after, _ = throttle.ParseRetryAfter(response.RetryAfter, time.Now())
	if response.Status < 400 || response.Status > 499 {
		return revokedLater, CauseUnavailable, after
	}
	switch response.Code {
	case "invalid_token", CauseInvalidGrant:
		return revokedDone, "", 0
	case "unsupported_token_type", CauseInvalidRequest: // RFC 7009 §2.2.1; Keycloak's word for another client's token
		return revokedUnable, NotRevokedUnsupported, 0
	}
	switch response.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return revokedUnable, NotRevokedUnsupported, 0
	case http.StatusTooManyRequests:
		return revokedLater, CauseUnavailable, after
	}
	return revokedLater, judge(partyOf(live), err).cause, after
}

// progress is what one attempt at a revocation came to.
type progress struct {
	steps  []vault.Step
	left   bool          // something is still to be revoked
	after  time.Duration // then: how long the platform asked to wait
	code   string        // then: why it is left
	ending string        // one of the Ended constants, as far as it is known
	reason string        // of a Parting
}

// giveBack makes one attempt and takes out of r what needs no further one: the refresh token first, which ends the chain,
// then the access token (RFC 7009 §2.1). Nothing is done that would end another connection which is alive: of such a login
// the access token alone is taken back, and the refresh token, which nobody holds any more, ends by itself. But where the
// platform's way is to end the login, and the practitioner has just been told what ends with it, that is done.
func (k *Keeper) giveBack(live *platform.Live, r *vault.Revocation, told bool) progress {
	p := progress{ending: EndedExpires}
	if (!told || r.Way != platform.EndingEndSession) && !r.Refresh.Empty() && k.inUse(*r) {
		p.reason = ReasonSpared
		r.Refresh, r.IDToken, r.Way = secret.String{}, secret.String{}, wayAccess
		p.steps = append(p.steps, notRevoked(NotRevokedSpared))
	}
	if r.Way == platform.EndingEndSession && !r.Refresh.Empty() && k.signOut(live, r, &p) {
		return p
	}
	if k.takeBack(live, r, &r.Refresh, "refresh_token", &p) {
		k.takeBack(live, r, &r.Access, "access_token", &p)
	}
	return p
}

// signOut ends the login that r's tokens belong to; false where the platform does not do it: then the tokens are revoked.
func (k *Keeper) signOut(live *platform.Live, r *vault.Revocation, p *progress) bool {
	what, code, after := judgeRevocation(live, k.endSession(live, *r))
	if what == revokedDone && k.survived(live, r.Refresh) {
		what, code = revokedLater, CauseUnavailable
	}
	switch what {
	case revokedDone:
		p.steps = append(p.steps, vault.Step{What: StepSignedOut, Trigger: triggerKeeper})
		p.ending, r.Access, r.Refresh = EndedSignedOut, secret.String{}, secret.String{}
		return true
	case revokedLater:
		p.left, p.code, p.after, p.ending = true, code, after, EndedPending
		return true
	}
	r.Way = platform.EndingRevoke
	return false
}

// takeBack revokes one of r's tokens and takes it out of r; false when it has to be tried again. What it comes to is told of the
// first one: the other then goes along (wayAccess).
func (k *Keeper) takeBack(live *platform.Live, r *vault.Revocation, token *secret.String, hint string, p *progress) bool {
	if token.Empty() {
		return true
	}
	whole := r.Way != wayAccess
	what, code, after := judgeRevocation(live, k.revoke(live, *token, hint))
	for again := 0; what == revokedDone && token == &r.Refresh && k.survived(live, r.Refresh); again++ {
		if again == revokedAgain {
			what, code = revokedLater, CauseUnavailable
			break
		}
		what, code, after = judgeRevocation(live, k.revoke(live, *token, hint))
	}
	switch {
	case what == revokedLater:
		p.left, p.code, p.after = true, code, after
		if whole {
			p.ending = EndedPending
		}
		return false
	case what == revokedUnable && whole:
		p.steps = append(p.steps, notRevoked(code))
	case what == revokedDone && whole:
		p.steps = append(p.steps, vault.Step{What: StepRevoked, Trigger: triggerKeeper})
		p.ending = EndedRevoked
	}
	*token, r.Way = secret.String{}, wayAccess
	return true
}

func notRevoked(code string) vault.Step {
	return vault.Step{What: StepNotRevoked, Trigger: triggerKeeper, Code: code}
}

func (k *Keeper) revoke(live *platform.Live, token secret.String, hint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), revokeDeadline)
	defer cancel()
	return live.OAuth.Revoke(ctx, token, hint)
}

// revokedAgain is how often a revocation that was confirmed and not made is made again at once.
const revokedAgain = 2

// survived says whether the platform still calls a refresh token active that it has said to be revoked: Keycloak does, now
// and then, when something else touches the login meanwhile. Whatever else it says leaves the confirmation as it is.
func (k *Keeper) survived(live *platform.Live, refresh secret.String) bool {
	ctx, cancel := context.WithTimeout(context.Background(), probeDeadline)
	defer cancel()
	found, err := live.OAuth.Introspect(ctx, refresh, "refresh_token")
	return err == nil && found.Active
}

func (k *Keeper) endSession(live *platform.Live, r vault.Revocation) error {
	ctx, cancel := context.WithTimeout(context.Background(), revokeDeadline)
	defer cancel()
	return live.OAuth.EndSession(ctx, r.Refresh, r.IDToken)
}

// inUse says whether a connection that is alive, whoever has it, hangs on the login that r's tokens belong to. Where the
// login is not known, it may be any of the person's.
func (k *Keeper) inUse(r vault.Revocation) bool {
	if live, err := k.platforms.Get(r.Platform); err == nil && independent(live) {
		return false
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.conns {
		cur := h.now.Load()
		if h.platform != r.Platform || h.id == r.Connection || h.gone.Load() || !cur.renewable {
			continue
		}
		if r.SID != "" && cur.sid != "" {
			if r.SID == cur.sid {
				return true
			}
			continue
		}
		if r.Subject == h.subject || r.Subject == "" && r.Practitioner == h.practitioner {
			return true
		}
	}
	return false
}

// independent says whether each authorization is a grant of its own there, so that revoking one leaves the others alone (RFC
// 7009 §2.1). athenahealth's server is Okta's, of which that is known; of any other it is not.
func independent(live *platform.Live) bool { return live.Kind == platform.KindAthena }

// surrender gives back tokens that became nobody's connection: of an answer for somebody else, or of a redemption that was
// refused. c says on whose behalf they were asked for. It is durable before anything is sent; where nothing can be stored,
// one attempt is made.
func (k *Keeper) surrender(c vault.Connection, token oauth.Token, received time.Time) {
	r := revocation(platform.EndingRevoke, c, token, received)
	if r.ID == "" {
		return
	}
	err := k.vault.Update(func(tx *vault.Tx) error {
		next := r
		return vault.Revocations.Put(tx, next.ID, &next)
	})
	if err == nil {
		k.attempt(r.ID, false)
		return
	}
	k.log.Warn("revocation not stored", "connection", c.ID, "platform", c.Platform, "error", err)
	if live, err := k.platforms.Get(c.Platform); err == nil {
		k.giveBack(live, &r, false)
	}
}

// noteRevocation writes into the audit trail what became of a revocation.
func (k *Keeper) noteRevocation(kind, code string, r vault.Revocation) {
	k.note(audit.Event{Kind: kind, Code: code}, vault.Connection{
		ID: r.Connection, Practitioner: r.Practitioner, Platform: r.Platform, Clinic: r.Clinic,
	})
}
