package service

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/throttle"
	"locum/bff/tokens"
)

// fly joins the request under way or begins one; while backing off it begins none and says why. The caller holds the entry's
// mu.
func (k *Keeper) fly(e *entry, now time.Time) (*flight, error) {
	if e.flight != nil {
		return e.flight, nil
	}
	if wait := e.next.Sub(now); wait > 0 && e.failure != nil {
		again := *e.failure
		again.RetryAfter = wait
		return nil, &again
	}
	if !k.enter() {
		return nil, &tokens.Error{Kind: tokens.Unavailable, Connection: e.account.id, Code: tokens.CauseClosing}
	}
	f := &flight{done: make(chan struct{})}
	e.flight = f
	go func() {
		defer k.work.Done()
		answer, got, failed := k.ask(e)
		k.land(e, f, answer, got, failed)
		close(f.done)
	}()
	return f, nil
}

// enter counts one flight that Close waits for.
func (k *Keeper) enter() bool {
	k.gate.Lock()
	defer k.gate.Unlock()
	if !k.closed {
		k.work.Add(1)
	}
	return !k.closed
}

// land keeps what a flight has brought, and records what is new about it.
func (k *Keeper) land(e *entry, f *flight, answer oauth.Answer, got oauth.Token, failed *tokens.Error) {
	e.mu.Lock()
	e.flight = nil
	code := "issued"
	if failed != nil {
		e.fail(failed, time.Now())
		f.err, code = failed, failed.Code
	} else {
		e.receive(answer, got)
	}
	news := code != e.told
	e.told = code
	e.mu.Unlock()
	if !news {
		return
	}
	if failed != nil && failed.Code != tokens.CauseClosing {
		k.config.Log.Warn("the platform gives no token to its service", "platform", e.account.live.ID, "cause", code,
			"fix", fix(e.account, code), "error", failed.Err)
	}
	if err := k.config.Audit.Note(audit.Event{Kind: "service_token", Platform: e.account.live.ID, Connection: e.account.id, Code: code}); err != nil {
		k.config.Log.Error("audit record lost", "kind", "service_token", "error", err)
	}
}

// ask makes one request. It takes its turn among those of the practitioners' connections, whose budget it shares.
func (k *Keeper) ask(e *entry) (oauth.Answer, oauth.Token, *tokens.Error) {
	a := e.account
	none := func(err *tokens.Error) (oauth.Answer, oauth.Token, *tokens.Error) {
		err.Connection = a.id
		return oauth.Answer{}, oauth.Token{}, err
	}
	if err := k.discover(a); err != nil {
		return none(undiscovered(err))
	}
	heard, err := k.config.Admit(a.live.ID)
	if err != nil {
		return none(admission(err))
	}
	answer, err := a.client.ClientCredentials(k.life, strings.Fields(e.scopes))
	heard(answer, err)
	if errors.Is(err, oauth.ErrClosed) {
		return none(&tokens.Error{Kind: tokens.Unavailable, Code: tokens.CauseClosing})
	}
	var got oauth.Token
	if err == nil {
		got, err = oauth.ParseToken(answer)
	}
	if err != nil {
		return none(a.judge(answer, err))
	}
	return answer, got, nil
}

// discover makes sure that the client knows the platform's endpoints, where they are to be found out.
func (k *Keeper) discover(a *account) error {
	if !a.live.Discover {
		return nil
	}
	if err := k.config.Platforms.Discover(k.life, a.live.ID); err != nil {
		return err
	}
	if server := a.live.OAuth.Server(); server != a.client.Server() {
		return a.client.Use(server)
	}
	return nil
}

// undiscovered is why the endpoints are not known: the platform does not answer, or says of itself what cannot be.
func undiscovered(err error) *tokens.Error {
	var refused *platform.DiscoveryError
	if errors.As(err, &refused) && refused.Code != platform.DiscoveryUnreachable {
		return &tokens.Error{Kind: tokens.Misconfigured, Code: tokens.CauseMetadata, Err: err}
	}
	return &tokens.Error{Kind: tokens.Unavailable, Code: tokens.CauseUnreachable, Err: err}
}

// admission is why the request got no turn. What stands in the way of the connections' own client is not said of this one.
func admission(err error) *tokens.Error {
	var refused *tokens.Error
	if !errors.As(err, &refused) {
		return &tokens.Error{Kind: tokens.Unavailable, Code: tokens.CauseUnavailable, Err: err}
	}
	copied := *refused
	if copied.Kind == tokens.Misconfigured {
		copied.Kind, copied.Code = tokens.Unavailable, tokens.CauseUnavailable
	}
	return &copied
}

// judge says what a refusal means for the service.
func (a *account) judge(answer oauth.Answer, err error) *tokens.Error {
	kind, cause := tokens.Judge(a.live.Kind, a.service.Auth, a.client.ClockOffset(), err)
	if kind == tokens.ReconnectNeeded { // there is nobody to reconnect: the platform does not know such a grant
		kind, cause = tokens.Misconfigured, tokens.CauseUnauthorized
	}
	failed := &tokens.Error{Kind: kind, Code: cause, Err: err}
	if answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable {
		failed.RetryAfter, _ = throttle.ParseRetryAfter(answer.RetryAfter, answer.ReceivedAt)
	}
	return failed
}

// fix names to the operator the setting that a cause speaks about.
func fix(a *account, cause string) string {
	id := a.live.ID
	switch cause {
	case tokens.CausePolicy:
		return "compare service.scopes, service.client_id and service.auth.method of " + id + " with the 2-legged app as it is registered: " +
			"athenahealth's policy refuses a scope, a credential of another environment, or a 3-legged app here"
	case tokens.CauseInvalidScope:
		return "service.scopes of " + id + " names a scope that the app is not registered for, or a wildcard: one of them fails the whole request"
	case tokens.CauseInvalidClient:
		return "set the secret of this app with `locum secret set " + id + " --service`, and compare service.client_id"
	case tokens.CausePosted:
		return "write service.auth.method: client_secret_basic for " + id
	case tokens.CauseAssertion:
		return "compare service.auth.audience of " + id + " and the public keys that the platform has with `locum keys list " + id + " --service`"
	case tokens.CauseNoKey:
		return "make a key with `locum keys create " + id + " --service`"
	case tokens.CauseMetadata:
		return "compare issuer and fhir_base of " + id + " with the server's metadata document: see locum check --live"
	case tokens.CauseClock:
		return "set this machine's clock"
	case tokens.CauseUnauthorized, tokens.CauseGrantType, tokens.CauseInvalidRequest:
		return "the app behind service.client_id of " + id + " must be registered for client_credentials, alone"
	}
	return "see locum check --live"
}
