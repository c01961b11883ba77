package connect_test

import (
	"net/url"
	"strings"
	"testing"

	"locum/bff/connect"
	"locum/bff/sandbox"
)

// TestTheLogNamesTheSetting: whom a platform refuses for what Locum is registered as reads in the log what to change, and
// no word of the platform's.
func TestTheLogNamesTheSetting(t *testing.T) {
	wrongSecret := sandbox.Canned{Status: 401, Body: `{"error":"invalid_client","error_description":"moonlight"}`}
	for _, c := range []struct {
		name  string
		query func(b *bench, tab *tab) url.Values
		code  string
		want  string
	}{
		{"wrong secret", func(b *bench, tab *tab) url.Values {
			query := tab.callback(robin, nil)
			b.sandbox.Answer(sandbox.EndpointExchange, wrongSecret, 1)
			return query
		}, connect.OutcomeMisconfigured, "seal the secret with `locum secret set jane`"},
		{"unregistered scope", func(b *bench, tab *tab) url.Values {
			b.sandbox.AuthorizeError("invalid_scope", "moonlight")
			return tab.callback(robin, nil)
		}, connect.OutcomePlatformRefused, "scopes of jane names one that the client is not registered for"},
		{"another refusal", func(b *bench, tab *tab) url.Values {
			b.sandbox.AuthorizeError("moonlight", "moonlight")
			return tab.callback(robin, nil)
		}, connect.OutcomePlatformRefused, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, options{})
			tab := b.signIn("u1")
			query := c.query(b, tab)
			tab.wantResult(tab.finish(query.Encode()), c.code)
			log := b.logs.String()
			if !strings.Contains(log, c.want) || strings.Contains(log, "fix=") != (c.want != "") || strings.Contains(log, "moonlight") {
				t.Errorf("the log says:\n%s", log)
			}
		})
	}
}
