package oauth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// TestIntrospect: RFC 7662 §2.1: one form to the endpoint, with the hint that Keycloak needs, and what the answer says.
func TestIntrospect(t *testing.T) {
	const live = `{"exp":1800000000,"iat":1799998200,"jti":"x","iss":"https://iam.test/realms/jane","aud":["a","b"],
		"sub":"7f7ac94b","typ":"Refresh","azp":"locum","sid":"L8sVqA","scope":"patients:read basic","client_id":"locum",
		"username":"ana","token_type":"Refresh","active":true}`
	requests := make(chan recorded, 1)
	body, status := live, http.StatusOK
	base := newServer(t, requests, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	client := newClient(t, base, func(c *oauth.ClientConfig) { c.Server.Introspection = base + "/introspect" })
	got, err := client.Introspect(t.Context(), secret.New("r&1"), "refresh_token")
	sent := <-requests
	want := oauth.Introspection{Active: true, ExpiresAt: time.Unix(1800000000, 0), IssuedAt: time.Unix(1799998200, 0),
		Scope: "patients:read basic", Subject: "7f7ac94b", SID: "L8sVqA", ClientID: "locum", TokenType: "Refresh"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if sent.path != "/introspect" || sent.query != "" || sent.method != "POST" ||
		sent.form.Encode() != "client_id=locum&client_secret=a%3Ab%2Bc%25d+%C3%A9%2F%26&token=r%261&token_type_hint=refresh_token" {
		t.Errorf("%s %s?%s %s", sent.method, sent.path, sent.query, sent.form.Encode())
	}
	for _, c := range []struct {
		name, body string
		status     int
		active     bool
		err        error // ErrMalformed; nil with a status other than 200 is a *ResponseError
	}{
		{name: "inactive", body: `{"active":false}`},
		{name: "inactive and talkative", body: `{"active":false,"exp":"never","sub":7}`},
		{name: "active, and nothing else", body: `{"active":true}`, active: true},
		{name: "active with nulls", body: `{"active":true,"exp":null,"sub":null}`, active: true},
		{name: "active without an end", body: `{"active":true,"exp":0}`, active: true},
		{name: "active as a text", body: `{"active":"true"}`, err: oauth.ErrMalformed},
		{name: "active as a number", body: `{"active":1}`, err: oauth.ErrMalformed},
		{name: "active null", body: `{"active":null}`, err: oauth.ErrMalformed},
		{name: "no active", body: `{"exp":1800000000}`, err: oauth.ErrMalformed},
		{name: "Active", body: `{"Active":true}`, err: oauth.ErrMalformed},
		{name: "active twice", body: `{"active":false,"active":true}`, err: oauth.ErrMalformed},
		{name: "a member twice", body: `{"active":true,"sid":"a","sid":"b"}`, err: oauth.ErrMalformed},
		{name: "exp a text of digits", body: `{"active":true,"exp":"1800000000"}`, active: true},
		{name: "exp a word", body: `{"active":true,"exp":"never"}`, err: oauth.ErrMalformed},
		{name: "exp a text with a sign", body: `{"active":true,"exp":"-1800000000"}`, err: oauth.ErrMalformed},
		{name: "exp an empty text", body: `{"active":true,"exp":""}`, err: oauth.ErrMalformed},
		{name: "athenahealth's", body: `{"active":true,"exp":1800000000,"scope":"openid fhirUser patient/Patient.r"}`, active: true},
		{name: "scope a list", body: `{"active":true,"scope":["openid","fhirUser"]}`, active: true},
		{name: "scope a list of numbers", body: `{"active":true,"scope":[1]}`, err: oauth.ErrMalformed},
		{name: "scope a list with a line break", body: `{"active":true,"scope":["a\nb"]}`, err: oauth.ErrMalformed},
		{name: "scope an object", body: `{"active":true,"scope":{"a":1}}`, err: oauth.ErrMalformed},
		{name: "exp beyond all dates", body: `{"active":true,"exp":1e19}`, err: oauth.ErrMalformed},
		{name: "sub a number", body: `{"active":true,"sub":7}`, err: oauth.ErrMalformed},
		{name: "sub with a line break", body: `{"active":true,"sub":"a\nb"}`, err: oauth.ErrMalformed},
		{name: "sid with a line break", body: `{"active":true,"sid":"a\nb"}`, err: oauth.ErrMalformed},
		{name: "sid without end", body: `{"active":true,"sid":"` + strings.Repeat("a", 300) + `"}`, err: oauth.ErrMalformed},
		{name: "a page", body: `<html>active</html>`, err: oauth.ErrMalformed},
		{name: "a list", body: `[{"active":true}]`, err: oauth.ErrMalformed},
		{name: "something behind", body: `{"active":true}{"active":false}`, err: oauth.ErrMalformed},
		{name: "nothing", body: ``, err: oauth.ErrMalformed},
		{name: "not allowed", body: `{"error":"invalid_client"}`, status: 401},
		{name: "a gateway's page", body: `{"active":false}`, status: 503},
		{name: "created", body: `{"active":false}`, status: 201},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, status = c.body, http.StatusOK
			if c.status != 0 {
				status = c.status
			}
			got, err := client.Introspect(t.Context(), secret.New("r"), "refresh_token")
			<-requests
			var refused *oauth.ResponseError
			switch {
			case c.status != 0 && (!errors.As(err, &refused) || refused.Status != c.status),
				c.err != nil && !errors.Is(err, c.err), c.err == nil && c.status == 0 && err != nil, got.Active != c.active,
				err != nil && got != oauth.Introspection{}:
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	if _, err := newClient(t, base, nil).Introspect(t.Context(), secret.New("r"), ""); !errors.Is(err, oauth.ErrNoEndpoint) {
		t.Errorf("without an endpoint: %v", err)
	}
}

// FuzzIntrospection: whatever a server answers, what is read as active is active for a second reader, stands once, and has
// nothing in it that would break a line of a log.
func FuzzIntrospection(f *testing.F) {
	for _, body := range []string{`{"active":true,"exp":1800000000,"sub":"a","sid":"b","scope":"x y"}`, `{"active":false}`, `{"ACTIVE":true}`,
		`{"active":true,"active":false}`, `{"active":"true"}`, `{"active":true,"exp":1e308}`, `{"active":true,"sub":"\ud800"}`, `[true]`,
		`{"\u0061ctive":true}`, ` {"active" : true } `, `{"active":true,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`} {
		f.Add(body, 200)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		got, err := oauth.ParseIntrospection(oauth.Answer{Status: status, Body: secret.New(body)})
		if err != nil && strings.Contains(err.Error(), body) && len(body) > 8 {
			t.Fatalf("the error repeats the answer: %v", err)
		}
		if !got.Active {
			if got != (oauth.Introspection{}) {
				t.Fatalf("not active, and %+v", got)
			}
			return
		}
		var second map[string]any
		if err != nil || status != 200 || json.Unmarshal([]byte(body), &second) != nil || second["active"] != true {
			t.Fatalf("active for one reader alone: %v", err)
		}
		for _, text := range []string{got.Scope, got.Subject, got.SID, got.ClientID, got.TokenType} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
				t.Fatalf("%+v", got)
			}
		}
		if got.ExpiresAt.Year() > 9999 || got.IssuedAt.Year() > 9999 {
			t.Fatalf("%+v", got)
		}
	})
}
