package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// service asks for a token of the application's own, calls what answers without touching a record, and gives it back.
func (q *question) service(ctx context.Context) {
	s := q.Service
	id := q.ID + "/service"
	if s == nil || !q.credible(id, s.Auth) {
		return
	}
	client, ok := q.open(id, s.ClientID, s.Auth)
	if !ok {
		return
	}
	defer client.Close()
	token, err := q.serviceToken(ctx, client)
	if err != nil {
		try := func(ctx context.Context, client *oauth.Client) error {
			_, err := q.serviceToken(ctx, client)
			return err
		}
		q.explain(ctx, caller{id: id, clientID: s.ClientID, key: "service.", auth: s.Auth, try: try}, q.cause(client, s.Auth, err), err)
		return
	}
	if q.Auth.Method != oauth.AuthKey {
		q.published(ctx, id, "service.auth", s.Auth, true)
	}
	if q.Kind == platform.KindAthena {
		for i, link := range q.Clinics {
			q.ping(ctx, fmt.Sprintf("practices[%d]", i), link.URL+"/ping", token)
		}
	}
	_ = client.Revoke(ctx, token, "access_token") // it ends by itself in minutes where the server has no such endpoint
}

func (q *question) serviceToken(ctx context.Context, client *oauth.Client) (secret.String, error) {
	answer, err := client.ClientCredentials(ctx, q.Service.Scopes)
	if err != nil {
		return secret.String{}, err
	}
	token, err := oauth.ParseToken(answer)
	return token.Access, err
}

const reachTimeout = 10 * time.Second

// ping calls the one address of athenaOne that is about nobody (athenahealth guide, Token Endpoint).
func (q *question) ping(ctx context.Context, key, address string, token secret.String) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+token.Reveal())
	client := http.Client{
		Timeout: reachTimeout, Transport: &http.Transport{DialContext: q.dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		q.find(Error, "live.unreachable", q.where(), "the API gives no answer at "+address, "see that this machine may connect there: DNS, firewall, proxy")
		return
	}
	defer answer.Body.Close()
	switch status := answer.StatusCode; {
	case status == http.StatusOK:
	case status >= 500:
		q.find(Warning, "live.ping", key, fmt.Sprintf("%s answers with status %d", address, status), "try again later; then ask "+q.Name)
	default:
		q.find(Error, "live.ping", key, fmt.Sprintf("%s answers with status %d: the application has no access to this practice", address, status),
			"see that the practice's number is right, and that it has allowed the application")
	}
}

// published looks at our own public keys as the platform does, by their address. trusted says that the platform took an
// assertion all the same: then it has the keys from elsewhere, or keeps them for a while.
func (q *question) published(ctx context.Context, id, key string, a oauth.Auth, trusted bool) bool {
	if a.Method != oauth.AuthKey {
		return true
	}
	own, err := q.Key(id)
	if err != nil {
		return false
	}
	severity := Error
	if trusted {
		severity = Note
	}
	shown, status, err := keyIDs(ctx, q.KeysURI)
	switch {
	case err != nil:
		q.find(severity, "live.jwks", key, "our public keys cannot be read at "+q.KeysURI+": no answer", "see that public_url leads to Locum from everywhere, and that Locum runs; or register the keys by hand: "+
			q.Command("keys export "+q.words(id)))
	case status != http.StatusOK:
		q.find(severity, "live.jwks", key, fmt.Sprintf("our public keys cannot be read at %s: status %d", q.KeysURI, status), "see that the proxy in front passes this address on to Locum, without a sign-in")
	case !slices.Contains(shown, own.ID):
		q.find(severity, "live.jwks", key, "the key that signs is not among those at "+q.KeysURI, "see that public_url leads to this Locum, and not to another one or to a cache")
	default:
		return true
	}
	return false
}

func (q *question) words(id string) string { return caller{id: id}.words() }

// keyIDs reads the ids of a key set, from wherever the address leads: it is our own.
func keyIDs(ctx context.Context, address string) (ids []string, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	client := http.Client{
		Timeout: reachTimeout, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	_ = json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&set)
	for _, key := range set.Keys {
		ids = append(ids, key.ID)
	}
	return ids, answer.StatusCode, nil
}
