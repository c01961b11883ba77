package ask

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/bff/tokens"
)

// told is what the token endpoint says about a client.
type told int

const (
	unasked told = iota // there is nothing to ask with, or no clear answer
	right               // the client is known, and who it says it is
	wrong               // it is not, and a finding says so
)

// credentials presents the client's credential with a code that cannot exist: a server checks the client first (RFC 6749
// §4.1.3), so that invalid_grant means that the client is who it says it is. Nothing is redeemed by it.
func (q *question) credentials(ctx context.Context, client *oauth.Client) told {
	if !q.credible(q.ID, q.Auth) {
		return unasked
	}
	cause, err := q.attempt(ctx, client, q.Auth, tryCode)
	switch {
	case cause == tokens.CauseInvalidGrant && q.Auth.Method == oauth.AuthNone:
		return unasked // nobody was authenticated
	case cause == tokens.CauseInvalidGrant:
		q.published(ctx, q.ID, "auth", q.Auth, true)
		return right
	}
	return q.explain(ctx, caller{id: q.ID, clientID: q.ClientID, auth: q.Auth, try: tryCode}, cause, err)
}

func tryCode(ctx context.Context, client *oauth.Client) error {
	answer, err := client.Exchange(ctx, secret.New("locum-check-"+rand.Text()), oauth.NewVerifier())
	if err != nil {
		return err
	}
	_, err = oauth.ParseToken(answer)
	return err
}

// attempt makes a request and reads a refusal. A refused assertion tells the client the server's clock, by which the next one
// is good: that the clocks differ has been found by then.
func (q *question) attempt(ctx context.Context, client *oauth.Client, a oauth.Auth, try func(context.Context, *oauth.Client) error) (string, error) {
	err := try(ctx, client)
	if q.cause(client, a, err) == tokens.CauseClock {
		err = try(ctx, client)
	}
	return q.cause(client, a, err), err
}

// cause is the code of tokens for a refusal of the token endpoint.
func (q *question) cause(client *oauth.Client, a oauth.Auth, err error) string {
	if err == nil {
		return ""
	}
	_, cause := tokens.Judge(q.Kind, a, client.ClockOffset(), err)
	return cause
}

// credible says whether there is a credential to ask with.
func (q *question) credible(id string, a oauth.Auth) bool {
	switch a.Method {
	case oauth.AuthNone:
		return true
	case oauth.AuthKey:
		_, err := q.Key(id)
		return err == nil
	}
	value, err := q.Secret(id)
	return err == nil && !value.Empty()
}

// caller is a client that was refused. key is where it stands below the platform's entry, "" for the platform's own.
type caller struct {
	id, clientID, key string
	auth              oauth.Auth
	try               func(context.Context, *oauth.Client) error // the request that was refused, once more
}

func (c caller) at(key string) string { return strings.TrimSuffix(c.key+key, ".") }

// words are those of the caller on a command line.
func (c caller) words() string { return strings.Replace(c.id, "/service", " --service", 1) }

// explain finds why a client was refused, by the setting that has to change.
func (q *question) explain(ctx context.Context, c caller, cause string, err error) told {
	switch cause {
	case tokens.CauseInvalidClient:
		q.secret(ctx, c)
	case tokens.CausePosted:
		q.find(Error, "live.secret-posted", c.at("auth.method"), "athenahealth does not take a posted secret of this application, or it is the wrong one",
			"write method: client_secret_basic, which is its default (athenahealth guide, Token Endpoint, Troubleshooting); then seal the secret with "+q.Command("secret set "+c.words()))
	case tokens.CauseClock:
		q.find(Error, "live.clock-assertion", c.at("auth"), "the platform refuses the signed assertion, and the two clocks are minutes apart: it looks expired, or not valid yet",
			"let a time service set this machine's clock (chrony, systemd-timesyncd)")
	case tokens.CauseAssertion:
		q.assertion(ctx, c)
	case tokens.CausePolicy:
		q.policy(c)
	case tokens.CauseInvalidScope:
		q.find(Error, "live.scope", c.at("scopes"), "the application is not registered for one of these scopes, and a request that names it fails whole", "leave out what "+q.Name+
			" has not registered, wildcards first; or ask for it")
	case tokens.CauseUnauthorized, tokens.CauseGrantType:
		q.find(Error, "live.client-flow", c.at("client_id"), "this client may not use this grant: a 2-legged and a 3-legged application are two",
			"write the client id of the application that was registered for "+map[bool]string{true: "client_credentials", false: "the authorization code flow"}[c.key != ""])
	case tokens.CauseUnreachable, tokens.CauseNoAnswer:
		q.unreachable("the token endpoint", err)
		return unasked
	default:
		q.find(Error, "live.token", c.at(""), "the token endpoint gives an answer that cannot be explained ("+cause+status(err)+")", "try again later; then ask "+q.Name)
		return unasked
	}
	return wrong
}

func status(err error) string {
	var refused *oauth.ResponseError
	if errors.As(err, &refused) {
		return fmt.Sprintf(", status %d", refused.Status)
	}
	return ""
}

// policy explains athenahealth's word for several mistakes.
func (q *question) policy(c caller) {
	kind := "3-legged"
	if c.key != "" {
		kind = "2-legged"
	}
	q.find(Error, "live.policy", c.at("client_id"), `athenahealth answers "Policy evaluation failed": this client may not do this here. It is another environment's, or not `+kind+
		", or a scope is missing in the request or in the registration", "compare with the developer portal: the client id of the "+kind+" application of this environment, its scopes, and its way to authenticate (auth.method)")
}

// secret tells a wrong secret from one that is written in another way (RFC 6749 §2.3.1).
func (q *question) secret(ctx context.Context, c caller) {
	value, _ := q.Secret(c.id)
	coded := func(text string) bool { return url.QueryEscape(text) != text }
	if c.auth.Method == oauth.AuthBasic && (coded(value.Reveal()) || coded(c.clientID)) {
		other := c
		other.auth.RawBasic = !c.auth.RawBasic
		if q.works(ctx, other) {
			word := map[bool]string{true: "raw", false: "form"}[other.auth.RawBasic]
			q.find(Error, "live.encoding", c.at("auth.encoding"), "the server takes the secret only in the other encoding", "write encoding: "+word)
			return
		}
	}
	q.find(Error, "live.secret", c.at("auth.method"), "the server refuses client id and secret", "seal the secret that belongs to this client id with "+q.Command("secret set "+c.words())+
		"; and see that client_id and auth.method are those of the registration")
}

// works says whether the request is not refused for the client's sake when it authenticates in this way.
func (q *question) works(ctx context.Context, c caller) bool {
	client, ok := q.open(c.id, c.clientID, c.auth)
	if !ok {
		return false
	}
	defer client.Close()
	switch err := c.try(ctx, client); q.cause(client, c.auth, err) {
	case "", tokens.CauseInvalidGrant, tokens.CauseInvalidScope, tokens.CausePolicy:
		return true
	}
	return false
}

// assertion tells a wrong audience, and keys that the platform cannot read, from a key that it does not know.
func (q *question) assertion(ctx context.Context, c caller) {
	other := c
	other.auth.Audience = oauth.AudienceIssuer
	if c.auth.Audience == oauth.AudienceIssuer {
		other.auth.Audience = oauth.AudienceToken
	}
	if q.works(ctx, other) {
		q.find(Error, "live.audience", c.at("auth.audience"), "the platform takes assertions only with the other audience", "write audience: "+other.auth.Audience)
		return
	}
	if !q.published(ctx, c.id, c.at("auth"), c.auth, false) {
		return
	}
	q.find(Error, "live.assertion", c.at("auth"), "the platform refuses the signed assertion, though the public key can be read: it knows another key set, or another client id",
		"register the JWKS URL "+q.KeysURI+" there, or the keys by hand ("+q.Command("keys export "+c.words())+"); and see that client_id is right. A new key may have to wait until the platform reads it")
}

// registration asks for an authorization as a browser without a sign-in would. A server that knows client and redirect URI
// sends an error back there; one that does not shows a page (RFC 6749 §4.1.2.1).
func (q *question) registration(ctx context.Context, client *oauth.Client, known told) {
	all := slices.Concat(q.RequestScopes(q.Standalone), q.MoreScopes, q.LaunchScopes)
	slices.Sort(all)
	all = slices.Compact(all)
	answer, state, ok := q.authorize(ctx, client, all)
	if !ok {
		return
	}
	if !answer.Back && answer.Status >= 400 {
		fix := "register exactly " + q.RedirectURI + " for client id " + q.ClientID
		if known == right {
			q.find(Error, "live.redirect-uri", "id", fmt.Sprintf("the redirect URI is not registered (the authorization endpoint shows an error page, status %d)", answer.Status), fix)
			return
		}
		q.find(Error, "live.client", "client_id", fmt.Sprintf("the server does not know this client id, or not the redirect URI (the authorization endpoint shows an error page, status %d)", answer.Status), fix)
		return
	}
	if !answer.Back {
		return // a page to sign in on: it knows the client, and says no more
	}
	switch {
	case answer.State != state:
		q.find(Error, "live.state", q.where(), "the server does not give state back as it was sent, so no connection can be finished", "ask "+q.Name)
	case !q.server.AcceptsIss(answer.Iss):
		q.find(Error, "live.iss", q.where(), "an authorization response came without iss, or with another than the server's, and Locum refuses such a one", "ask "+q.Name)
	}
	switch {
	case slices.Contains(signedOut, answer.Code):
	case answer.Code == "invalid_scope":
		q.eachScope(ctx, client, all)
	case answer.Code == "unauthorized_client":
		q.find(Error, "live.client-flow", "client_id", "the client may not use the authorization code flow", "write the client id of a 3-legged application, or ask "+q.Name)
	default:
		q.find(Error, "live.refused", q.where(), "the server refuses Locum's authorization request: "+strings.TrimSpace(answer.Code+" "+answer.Description),
			"see that "+q.where()+" is exactly the FHIR base URL of this server: it is sent as aud; then ask "+q.Name)
	}
}

// signedOut are what a server says of a good request without a sign-in (OpenID Connect Core §3.1.2.6).
var signedOut = []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}

// authorize asks once; not ok when no answer came, which is then a finding.
func (q *question) authorize(ctx context.Context, client *oauth.Client, scopes []string) (oauth.AuthorizationAnswer, string, bool) {
	state := rand.Text()
	answer, err := client.AskAuthorization(ctx, oauth.AuthorizationRequest{
		State: state, Challenge: oauth.Challenge(oauth.NewVerifier()), Nonce: rand.Text(), Scopes: scopes, Audience: q.FHIRBase, Prompt: "none",
	})
	switch {
	case err != nil:
		q.unreachable("the authorization endpoint", err)
		return answer, "", false
	case answer.Status >= 500:
		q.find(Error, "live.unreachable", q.where(), fmt.Sprintf("the authorization endpoint answers with status %d", answer.Status), "try again later; then ask "+q.Name)
		return answer, "", false
	}
	return answer, state, true
}

// eachScope asks for each scope alone, to name those that the client was not registered for.
func (q *question) eachScope(ctx context.Context, client *oauth.Client, all []string) {
	found := false
	for _, scope := range all {
		answer, _, ok := q.authorize(ctx, client, []string{scope})
		if !ok {
			return
		}
		if answer.Code != "invalid_scope" {
			continue
		}
		found = true
		key := "scopes"
		switch {
		case slices.Contains(q.MoreScopes, scope):
			key = "more_scopes"
		case slices.Contains(q.Standalone, scope):
			key = "standalone"
		case !slices.Contains(q.Scopes, scope) && slices.Contains(q.LaunchScopes, scope):
			key = "launch.scopes"
		}
		q.find(Error, "live.scope", key, "the client is not registered for "+scope+", and a request that names it fails whole", "ask "+q.Name+" to register it, or leave it out")
	}
	if !found {
		q.find(Error, "live.scope", "scopes", "the server takes each scope alone but not all of them together", "ask "+q.Name+" what the client is registered for")
	}
}
