// Package ask puts to a platform with SMART scopes the questions that only it can answer before somebody connects: is it
// where the configuration says, does it know this client, its credential and its scopes, can it read our public keys, does
// its API answer. It changes nothing there: no code is redeemed, nobody signs in, and the one token that it may get, the
// service's own, is given back. A check of a stopped Locum imports it, and the running one, which holds the vault.
package ask

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/secret"
)

// Severities of a Finding: something does not work; it is for the operator to decide; it is for information.
const (
	Error   = "error"
	Warning = "warning"
	Note    = "note"
)

// Finding is one thing that is wrong. Key is the place below the platform's entry of the configuration, "" for the entry
// itself. Neither Cause nor Fix holds a secret.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Key      string `json:"key"`
	Cause    string `json:"cause"`
	Fix      string `json:"fix"`
}

// Answers are what came of asking one platform. Unseen says what could not be asked, and why.
type Answers struct {
	Findings []Finding `json:"findings"`
	Unseen   []Unseen  `json:"unseen"`
}

// Unseen is something that could not be asked.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Command is the name under which a running Locum asks, on its control socket, for an Order; its output is Answers.
const Command = "ask"

// Order names a platform, and the Settings that are being checked: a running Locum asks by its own.
type Order struct {
	Platform string `json:"platform"`
	Settings string `json:"settings"`
}

// Meant says whether an order means a platform as it is known here. Where it does not, the answers say so.
func (o Order) Meant(p *platform.Platform) (Answers, bool) {
	if o.Settings != Settings(p) {
		return stale(), false
	}
	return Answers{}, true
}

// Means are what is needed to ask: the credentials by client (a platform's id, or that + "/service"), the metadata that is
// believed of it, and how a command of the operator's is written. A missing credential is no finding here.
type Means struct {
	Secret  func(id string) (secret.String, error)
	Key     func(id string) (oauth.SigningKey, error)
	Pin     platform.Pin
	Dial    oauth.DialFunc // nil: the platform's own
	Command func(words string) string
}

// longest bounds all questions to one platform: it is less than what a command on the control socket is waited for.
const longest = 25 * time.Second

// question is one platform being asked.
type question struct {
	*platform.Platform
	Means
	answers *Answers
	dial    oauth.DialFunc
	server  oauth.Server
	methods []string // ways to authenticate that the server names
}

// Platform asks one.
func Platform(ctx context.Context, p *platform.Platform, m Means) Answers {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	q := &question{Platform: p, Means: m, answers: &Answers{}, server: p.Server, dial: m.Dial}
	if m.Dial == nil {
		q.dial = p.Dial
	}
	if !q.metadata(ctx) {
		q.answers.Unseen = append(q.answers.Unseen, Unseen{"the rest of " + p.ID, "its metadata has to be right first"})
		return *q.answers
	}
	client, ok := q.open(p.ID, p.ClientID, p.Auth)
	if !ok {
		return *q.answers
	}
	defer client.Close()
	q.keySet(ctx, client)
	q.registration(ctx, client, q.credentials(ctx, client))
	q.service(ctx)
	return *q.answers
}

// open makes a client that speaks to the server as it describes itself.
func (q *question) open(id, clientID string, auth oauth.Auth) (*oauth.Client, bool) {
	client, err := oauth.NewClient(oauth.ClientConfig{
		Server: q.server, ID: clientID, RedirectURI: q.RedirectURI, Auth: auth, IDAlgorithms: q.IDAlgorithms, Dial: q.dial,
		Secret: func() (secret.String, error) { return q.Secret(id) }, Key: func() (oauth.SigningKey, error) { return q.Key(id) },
	})
	if err != nil {
		q.find(Error, "live.unusable", "", err.Error(), "correct the platform's entry")
		return nil, false
	}
	return client, true
}

func (q *question) find(severity, code, key, cause, fix string) {
	q.answers.Findings = append(q.answers.Findings, Finding{severity, code, key, cause, fix})
}

// where is the key that says where the platform is.
func (q *question) where() string {
	switch {
	case q.Kind == platform.KindSMART:
		return "fhir_base"
	case strings.HasSuffix(platform.OriginOf(q.FHIRBase), ".platform.athenahealth.com"):
		return "environment"
	}
	return "base"
}

// unreachable explains why no answer came from an endpoint.
func (q *question) unreachable(what string, err error) {
	switch {
	case errors.Is(err, oauth.ErrCertificate):
		q.find(Error, "live.tls", q.where(), what+": "+oauth.ErrCertificate.Error()+why(err), "see that nothing intercepts TLS on the way, and that this machine's clock and certificates are right")
	case errors.Is(err, platform.ErrAddress):
		q.find(Error, "live.address", q.where(), what+": its name leads to an address that is not public", "correct "+q.where()+", or this machine's DNS")
	default:
		q.find(Error, "live.unreachable", q.where(), what+": no answer"+why(err), "see that this machine may connect there: DNS, firewall, proxy; and that "+q.where()+" is right")
	}
}

// why is the system's word for a failure, which holds nothing that the other side said.
func why(err error) string {
	var transport *oauth.TransportError
	if errors.As(err, &transport) {
		return " (" + strings.TrimPrefix(transport.Err.Error(), oauth.ErrCertificate.Error()+": ") + ")"
	}
	return ""
}

// keySet: without a key of the server's no id_token can be verified, and nobody can be told who they are.
func (q *question) keySet(ctx context.Context, client *oauth.Client) {
	n, err := client.CountKeys(ctx)
	var transport *oauth.TransportError
	var refused *oauth.ResponseError
	names := strings.Join(q.IDAlgorithms, ", ")
	if names == "" {
		names = "RS256"
	}
	switch {
	case err == nil && n > 0:
	case errors.As(err, &transport):
		q.unreachable("the key set", err)
	case errors.As(err, &refused):
		q.find(Error, "live.keys", q.where(), fmt.Sprintf("the key set answers with status %d, so no id_token can be verified", refused.Status), "try again later; then ask "+q.Name)
	default:
		q.find(Error, "live.keys", "id_token_algorithms", "the server publishes no signing key for "+names+", so no id_token can be verified",
			"write the algorithms of its id_tokens, as "+q.Name+" tells them")
	}
}
