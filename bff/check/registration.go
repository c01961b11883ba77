package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// known is what the token endpoint says about client and secret.
type known int

const (
	unasked        known = iota // there is no secret to ask with, or no clear answer
	secretRight                 // so the client is known as well
	secretWrong                 // of a client that is known
	clientOrSecret              // one of them is not known, and the server does not say which
)

// credentials presents the client secret with a code that cannot exist: a server checks the client first (RFC 6749 §4.1.3),
// so that invalid_grant means that the secret is right. Nothing is redeemed by it.
func (q question) credentials(ctx context.Context) known {
	if q.secrets[q.ID].Empty() {
		return unasked
	}
	answer, err := q.client.Exchange(ctx, secret.New("locum-check-"+rand.Text()), oauth.NewVerifier())
	if err != nil {
		q.unreachable("the token endpoint", err)
		return unasked
	}
	_, err = oauth.ParseToken(answer)
	var refused *oauth.ResponseError
	switch {
	case !errors.As(err, &refused):
	case refused.Code == "invalid_grant":
		return secretRight
	case refused.Code == "unauthorized_client":
		return secretWrong
	case refused.Code == "invalid_client":
		return clientOrSecret
	}
	q.find(Error, "live.token", "", fmt.Sprintf("the token endpoint gives an answer that cannot be explained (status %d)", answer.Status),
		"try again later; then ask "+q.Name)
	return unasked
}

// registration asks for an authorization as a browser without a sign-in would. A server that knows client and redirect
// URI sends an error back there; one that does not shows a page (RFC 6749 §4.1.2.1).
func (q question) registration(ctx context.Context, told known) {
	all := q.RequestScopes(q.MoreScopes)
	answer, state, ok := q.authorize(ctx, all, q.resource)
	if !ok {
		return
	}
	if !answer.Back && answer.Status >= 400 {
		q.unregistered(told, answer.Status)
		return
	}
	if told == secretWrong || told == clientOrSecret {
		q.find(Error, "live.secret", "", "the server refuses the client secret", "seal the one that belongs to this client id with "+
			q.command("secret set "+q.ID)+"; if it was replaced at "+q.Name+", use the new one")
	}
	if !answer.Back {
		return // a page to sign in on: it knows the client, and says no more
	}
	q.manners(answer, state)
	q.verdict(ctx, answer, all)
}

// authorize asks once; not ok when no answer came, which is then a finding.
func (q question) authorize(ctx context.Context, scopes []string, resource string) (oauth.AuthorizationAnswer, string, bool) {
	state := rand.Text()
	answer, err := q.client.AskAuthorization(ctx, oauth.AuthorizationRequest{
		State: state, Challenge: oauth.Challenge(oauth.NewVerifier()), Scopes: scopes, Resource: resource, Prompt: "none",
	})
	switch {
	case err != nil:
		q.unreachable("the authorization endpoint", err)
		return answer, "", false
	case answer.Status >= 500:
		q.find(Error, "live.unreachable", "issuer", fmt.Sprintf("the authorization endpoint answers with status %d", answer.Status), "try again later; then ask "+q.Name)
		return answer, "", false
	}
	return answer, state, true
}

// unregistered: a page instead of an answer means that the client or its redirect URI is not known; which of them, the
// token endpoint has told, or nobody.
func (q question) unregistered(told known, status int) {
	register := "register exactly " + q.RedirectURI + " for client id " + q.ClientID
	page := fmt.Sprintf(" (the authorization endpoint shows an error page, status %d)", status)
	switch told {
	case secretRight:
		q.find(Error, "live.redirect-uri", "id", "the redirect URI is not registered"+page, register)
	case secretWrong:
		q.find(Error, "live.redirect-uri", "id", "the redirect URI is not registered"+page, register)
		q.find(Error, "live.secret", "", "the server refuses the client secret", "seal the right one with "+q.command("secret set "+q.ID))
	case clientOrSecret:
		q.find(Error, "live.client", "client_id", "the server does not know this client id"+page, "write the client id of this environment's registration")
	default:
		q.find(Error, "live.client", "client_id", "the server does not know this client id, or not the redirect URI"+page, register+
			"; with the client secret set this check can tell which it is")
	}
}

// manners: the state comes back as it was sent (RFC 6749 §4.1.2.1) and iss is the issuer (RFC 9207 §2).
func (q question) manners(answer oauth.AuthorizationAnswer, state string) {
	switch {
	case answer.State != state:
		q.find(Error, "live.state", "issuer", "the server does not give state back as it was sent, so no connection can be finished", "ask "+q.Name)
	case !q.Server.AcceptsIss(answer.Iss):
		q.find(Error, "live.iss", "issuer", "an authorization response came without iss, or with another, and Locum refuses such a one", "ask "+q.Name)
	}
}

// signedOut are what a server says of a good request without a sign-in (OpenID Connect Core §3.1.2.6).
var signedOut = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

func (q question) verdict(ctx context.Context, answer oauth.AuthorizationAnswer, all []string) {
	switch {
	case slices.Contains(signedOut, answer.Code):
		q.resources(ctx)
	case answer.Code == "invalid_scope":
		q.eachScope(ctx, all)
	case answer.Code == "invalid_target" && q.resource == "":
		q.unseen("scopes of "+q.ID, "its server wants to know a clinic for it; name one under clinics")
	case answer.Code == "invalid_target":
		q.resources(ctx)
	case answer.Code == "unauthorized_client":
		q.find(Error, "live.client-flow", "client_id", "the client may not use the authorization code flow", "ask "+q.Name+" to allow it for this client")
	default:
		q.find(Error, "live.refused", "", "the server refuses Locum's authorization request: "+strings.TrimSpace(answer.Code+" "+answer.Description), "ask "+q.Name)
	}
}

// eachScope asks for each scope alone, to name those that the client was not registered for.
func (q question) eachScope(ctx context.Context, all []string) {
	found := false
	for _, scope := range all {
		answer, _, ok := q.authorize(ctx, []string{scope}, q.resource)
		if !ok {
			return
		}
		if answer.Code != "invalid_scope" {
			continue
		}
		found = true
		key := "scopes"
		switch {
		case scope == "openid":
			key = "openid"
		case slices.Contains(q.MoreScopes, scope):
			key = "more_scopes"
		}
		q.find(Error, "live.scope", key, "the client is not registered for "+scope+", and a request that names it fails whole",
			"ask "+q.Name+" to register it, or leave it out")
	}
	if !found {
		q.find(Error, "live.scope", "scopes", "the server takes each scope alone but not all of them together", "ask "+q.Name+" what the client is registered for")
	}
}

// maxClinics bounds what is asked about named clinics.
const maxClinics = 50

// resources asks whether the server knows each named clinic (RFC 8707 §2).
func (q question) resources(ctx context.Context) {
	for j, link := range q.Clinics[:min(len(q.Clinics), maxClinics)] {
		answer, _, ok := q.authorize(ctx, q.RequestScopes(nil), link.URL)
		if !ok {
			return
		}
		if answer.Code == "invalid_target" {
			q.find(Error, "live.clinic", fmt.Sprintf("clinics[%d].url", j), "the server knows no clinic by this address", "write the clinic's exact address")
		}
	}
}
