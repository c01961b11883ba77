package oauth

import (
	"net/url"
	"slices"
	"strings"
)

// PinError says that a fresh document must not replace the one that was believed before.
type PinError struct{ Changes []PinChange }

// PinChange is one thing that may not change by itself: Member is the name of it in the document.
type PinChange struct{ Member, Before, Now string }

func (e *PinError) Error() string {
	names := make([]string, len(e.Changes))
	for i, change := range e.Changes {
		names[i] = change.Member
	}
	return "the server describes itself otherwise than before: " + strings.Join(names, ", ")
}

// Pinned says whether a fresh document may replace the one before it: the issuer is the same, byte for byte; no endpoint
// has moved to another origin, and one that is new is where the token endpoint was; S256 is still offered, and so is the
// promise of iss in authorization responses where it was given. Otherwise the error is a *PinError: the old document
// stays, until the operator says that the server has moved.
func Pinned(before, now Metadata) error {
	var changes []PinChange
	note := func(member, was, is string) { changes = append(changes, PinChange{member, was, is}) }
	if before.server.Issuer != now.server.Issuer {
		note("issuer", before.server.Issuer, now.server.Issuer)
	}
	after := now.endpoints()
	for i, e := range before.endpoints() {
		was, is := *e.url, *after[i].url
		pin := origin(was)
		if was == "" {
			pin = origin(before.server.Token)
		}
		if is != "" && origin(is) != pin {
			note(e.member, was, is)
		}
	}
	if slices.Contains(before.ChallengeMethods, "S256") && !slices.Contains(now.ChallengeMethods, "S256") {
		note("code_challenge_methods_supported", "S256", strings.Join(now.ChallengeMethods, " "))
	}
	if before.server.RequireIss && !now.server.RequireIss {
		note("authorization_response_iss_parameter_supported", "true", "false")
	}
	if changes == nil {
		return nil
	}
	return &PinError{changes}
}

// origin is scheme, host and port of a URL in one spelling.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + u.Hostname() + ":" + port)
}
