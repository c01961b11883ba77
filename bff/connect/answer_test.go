package connect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/sandbox"
)

// accessAlone is what is wrong in an access token and would not be in an id_token: T039 and T043.
func (f *forger) accessAlone() []forgery {
	const clinic, kind, party = "no grant (wrong_clinic)", "token refused: type", "token refused: authorized_party"
	aud := func(name string, value any, says string) forgery {
		return forgery{name: "T039 aud " + name, claims: object{"aud": value}, says: says, outcome: connect.OutcomeWrongClinic}
	}
	typ := func(name string, value any) forgery {
		return forgery{name: "T043 " + name, claims: object{"typ": value}, says: kind}
	}
	return []forgery{
		aud("of another clinic", []string{f.b}, clinic),
		aud("of the client", clientID, clinic),
		aud("with a slash", []string{f.a + "/"}, clinic),
		aud("in another case", []string{strings.ToUpper(f.a)}, clinic),
		aud("empty", "", clinic),
		aud("with a stranger", []string{f.a, "https://evil.test"}, clinic),
		aud("with a stranger first", []string{"https://evil.test", f.a}, clinic),
		aud("twice the clinic", []string{f.a, f.a}, clinic),
		aud("absent", nil, clinic),
		aud("null", json.RawMessage("null"), clinic),
		{name: "T039 aud with a stranger and no azp", claims: object{"aud": []string{f.a, "https://evil.test"}, "azp": nil}, says: party},
		{name: "T039 azp absent", claims: object{"azp": nil}, says: party},
		{name: "T039 azp empty", claims: object{"azp": ""}, says: party},
		typ("an id_token", "ID"), typ("a refresh token", "Refresh"), typ("an offline token", "Offline"), typ("a logout token", "Logout"),
		typ("bearer in another case", "bearer"), typ("no type", nil), typ("an empty type", ""),
		{name: "T043 an id_token with everything else of an access token", claims: object{"typ": "ID", "nonce": "x", "at_hash": "x"}, says: kind},
		{name: "T043 a logout token by its header", header: object{"typ": "logout+jwt"}, says: kind},
		{name: "T043 a DPoP proof by its header", header: object{"typ": "dpop+jwt"}, says: kind},
		{name: "T036 JSON serialization", raw: serialized, says: "access_token", outcome: connect.OutcomeExchangeFailed},
		{name: "T036 a line break in the signature", raw: broken, says: "access_token", outcome: connect.OutcomeExchangeFailed},
	}
}

// idAlone is what is wrong in an id_token: T039, T041 and T043.
func (f *forger) idAlone() []forgery {
	const audience, party, kind, nonce, hash = "token refused: audience", "token refused: authorized_party", "token refused: type",
		"token refused: nonce", "token refused: at_hash"
	claims := func(name string, changes object, says string) forgery {
		return forgery{name: name, claims: changes, says: says}
	}
	earlier := f.nonce // of a flow that has ended, or of none
	f.tab.mustBegin(nil)
	other := f.tab.mustBegin(nil).Query().Get("nonce") // of a flow that is still open
	return []forgery{
		claims("T039 aud of another client", object{"aud": "other"}, audience),
		claims("T039 aud of the clinic", object{"aud": []string{f.a}}, audience),
		claims("T039 aud in another case", object{"aud": strings.ToUpper(clientID)}, audience),
		claims("T039 aud empty", object{"aud": ""}, audience),
		claims("T039 aud absent", object{"aud": nil}, audience),
		claims("T039 aud with a stranger and no azp", object{"aud": []string{clientID, "https://evil.test"}, "azp": nil}, party),
		claims("T039 aud with a stranger and its azp", object{"aud": []string{clientID, "https://evil.test"}, "azp": "https://evil.test"}, party),
		claims("T039 aud of strangers", object{"aud": []string{"x", "y"}}, audience),
		claims("T041 nonce missing", object{"nonce": nil}, nonce),
		claims("T041 nonce empty", object{"nonce": ""}, nonce),
		claims("T041 nonce replayed", object{"nonce": earlier}, nonce),
		claims("T041 nonce of another open flow", object{"nonce": other}, nonce),
		claims("T041 nonce a number", object{"nonce": 1}, malformed),
		claims("T041 nonce a list", object{"nonce": []string{other}}, malformed),
		claims("T041 at_hash of another token", object{"at_hash": b64.EncodeToString(make([]byte, 16))}, hash),
		claims("T041 at_hash of the whole digest", object{"at_hash": b64.EncodeToString(make([]byte, 32))}, hash),
		claims("T041 at_hash empty", object{"at_hash": ""}, hash),
		claims("T041 at_hash null", object{"at_hash": json.RawMessage("null")}, hash),
		claims("T041 at_hash a number", object{"at_hash": 1}, hash),
		{name: "T042 another person than the access token's", claims: object{"sub": "somebody"}, says: "wrong_person", outcome: connect.OutcomeWrongPerson},
		claims("T043 an access token by its type", object{"typ": "Bearer"}, kind),
		claims("T043 a refresh token by its type", object{"typ": "Refresh"}, kind),
		claims("T043 a logout token", object{"typ": nil, "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}}, "nonce": nil}, kind),
		claims("T043 a logout token with a nonce", object{"typ": nil, "events": object{}}, kind),
		claims("T043 an expired one as proof", object{"exp": time.Now().Unix() - 3600, "iat": time.Now().Unix() - 7200}, "token refused: expired"),
		claims("T043 no iat", object{"iat": nil}, malformed),
		{name: "T043 an access token by its header", header: object{"typ": "at+jwt"}, says: kind},
		{name: "T043 a logout token by its header", header: object{"typ": "logout+jwt"}, says: kind},
		{name: "T043 the access token itself", raw: func(string) string { return f.token(f.accessClaims(), forgery{}) }, says: kind},
		{name: "T036 JSON serialization", raw: serialized, says: malformed},
		{name: "T036 a line break in the signature", raw: broken, says: "id_token", outcome: connect.OutcomeExchangeFailed},
		{name: "absent", raw: func(string) string { return "" }, says: "no id_token"},
	}
}

func serialized(good string) string {
	parts := strings.Split(good, ".")
	return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
}

func broken(good string) string { return good[:len(good)-9] + "\n" + good[len(good)-9:] }

// TestT043NoTokenIsASession: whatever a flow has to do with, none of it opens a session.
func TestT043NoTokenIsASession(t *testing.T) {
	b := newBench(t, options{openID: true})
	tab := b.signIn("u1")
	query := tab.callback(robin, nil)
	flow, state, code := tab.flow, query.Get("state"), query.Get("code")
	tab.wantResult(tab.finish(query.Encode()), connect.OutcomeConnected)
	o, err := tab.outcome()
	must(t, err)
	lease, err := b.keeper.Fresh(context.Background(), "u1", o.Connection)
	must(t, err)
	all := map[string]string{
		"access token": lease.Access.Reveal(), "flow cookie (CVE-2023-48309)": flow, "state": state, "its first half": state[:43], "its second half": state[44:],
		"code": code, "browser's value": tab.value, "connection": o.Connection, "session's own id": tab.session, "nothing": "",
	}
	for i, minted := range b.sandbox.Minted() { // id_token, refresh token, client secret, passwords, ids
		all[fmt.Sprint("minted ", i)] = minted
	}
	if len(all) < 14 {
		t.Errorf("only %d values", len(all))
	}
	for name, value := range all {
		if s, err := b.sessions.Lookup(value); err == nil {
			t.Errorf("%s opens the session of %s", name, s.Practitioner)
		}
	}
	if _, err := b.sessions.Lookup(tab.cookie.Reveal()); err != nil {
		t.Errorf("the cookie: %v", err)
	}
}

// TestT043NoIDTokenUpstream: what a clinic gets is the access token.
func TestT043NoIDTokenUpstream(t *testing.T) {
	f := newForger(t)
	r, logged := f.flow(f.tab, func() string { return f.answer("", forgery{}) })
	if r.Code != connect.OutcomeConnected {
		t.Fatalf("%+v: %s", r, logged)
	}
	o, err := f.tab.outcome()
	must(t, err)
	lease, err := f.keeper.Fresh(context.Background(), "u1", o.Connection)
	must(t, err)
	claims, err := b64.DecodeString(strings.Split(lease.Access.Reveal(), ".")[1])
	must(t, err)
	if !strings.Contains(string(claims), `"typ":"Bearer"`) || strings.Contains(string(claims), f.nonce) {
		t.Errorf("the lease holds %s", claims)
	}
}

// TestT031Answers: which forms of a token answer make a connection, and how the others end. A is a good access token.
func TestT031Answers(t *testing.T) {
	f := newForger(t)
	revoked := 0
	for _, c := range []struct{ name, body, says string }{
		{"expires_in zero", `{"access_token":"A","id_token":"I","expires_in":0,"refresh_token":"r"}`, "expires_in"},
		{"expires_in negative", `{"access_token":"A","id_token":"I","expires_in":-1,"refresh_token":"r"}`, "expires_in"},
		{"expires_in NaN", `{"access_token":"A","id_token":"I","expires_in":NaN}`, "not JSON"},
		{"expires_in a text NaN", `{"access_token":"A","id_token":"I","expires_in":"NaN","refresh_token":"r"}`, "expires_in"},
		{"expires_in null", `{"access_token":"A","id_token":"I","expires_in":null,"refresh_token":"r"}`, "expires_in"},
		{"expires_in a list", `{"access_token":"A","id_token":"I","expires_in":[300],"refresh_token":"r"}`, "expires_in"},
		{"token_type mac", `{"access_token":"A","id_token":"I","expires_in":300,"token_type":"mac","refresh_token":"r"}`, "token_type"},
		{"access_token empty", `{"access_token":"","id_token":"I","expires_in":300,"refresh_token":"r"}`, "access_token"},
		{"access_token null", `{"access_token":null,"id_token":"I","expires_in":300,"refresh_token":"r"}`, "access_token"},
		{"access_token absent", `{"id_token":"I","expires_in":300,"refresh_token":"r"}`, "access_token"},
		{"access_token twice", `{"access_token":"A","access_token":"A","id_token":"I","expires_in":300}`, "stands twice"},
		{"access_token twice, once escaped", `{"access_token":"A","acces\u0073_token":"A","id_token":"I","expires_in":300}`, "stands twice"},
		{"access_token in another case", `{"Access_Token":"A","id_token":"I","expires_in":300,"refresh_token":"r"}`, "access_token"},
		{"access_token a list", `{"access_token":["A"],"id_token":"I","expires_in":300,"refresh_token":"r"}`, "access_token"},
		{"everything nested", `{"data":{"access_token":"A","id_token":"I","expires_in":300}}`, "access_token"},
		{"a list of answers", `[{"access_token":"A","id_token":"I","expires_in":300}]`, "not an object"},
		{"BOM", "\ufeff{\"access_token\":\"A\",\"id_token\":\"I\",\"expires_in\":300}", "not JSON"},
		{"UTF-16", "\xff\xfe{\x00\"\x00", "not JSON"},
		{"bytes behind", `{"access_token":"A","id_token":"I","expires_in":300}x`, "not JSON"},
		{"two answers", `{"access_token":"A","id_token":"I","expires_in":300}{}`, "not JSON"},
		{"cut", `{"access_token":"A","id_token":"I","expires_in":300`, "not JSON"},
		{"too deep", `{"access_token":"A","id_token":"I","expires_in":300,"x":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, "not JSON"},
		{"scope with a control", `{"access_token":"A","id_token":"I","expires_in":300,"scope":"\u0007","refresh_token":"r"}`, "scope"},
		{"text/html", `<!doctype html>`, "not JSON"},
		{"nothing", ``, "not JSON"},
	} {
		t.Run("T031 "+c.name, func(t *testing.T) {
			f.refuse(t, connect.OutcomeExchangeFailed, c.says, func() string { return f.fill(c.body) })
		})
		if strings.Contains(c.body, `"refresh_token":"r"`) {
			revoked++
		}
	}
	f.settled(t, revoked)
	for _, c := range []struct {
		name, body string
		fresh      time.Duration
	}{
		{"expires_in an integer", `{"access_token":"A","id_token":"I","expires_in":300,"token_type":"Bearer"}`, 300 * time.Second},
		{"expires_in a text", `{"access_token":"A","id_token":"I","expires_in":"300"}`, 300 * time.Second},
		{"expires_in a fraction", `{"access_token":"A","id_token":"I","expires_in":300.9}`, 300 * time.Second},
		{"expires_in huge", `{"access_token":"A","id_token":"I","expires_in":1e20}`, 24 * time.Hour},
		{"expires_in absent", `{"access_token":"A","id_token":"I"}`, time.Minute},
		{"token_type bearer", `{"access_token":"A","id_token":"I","expires_in":300,"token_type":"bearer"}`, 300 * time.Second},
		{"more members", `{"access_token":"A","id_token":"I","expires_in":300,"x":{"y":[{}]},"not-before-policy":0}`, 300 * time.Second},
	} {
		t.Run("T031 "+c.name, func(t *testing.T) {
			r, logged := f.flow(f.tab, func() string { return f.fill(c.body) })
			if r.Code != connect.OutcomeConnected {
				t.Fatalf("%+v: %s", r, logged)
			}
			o, err := f.tab.outcome()
			must(t, err)
			if view, err := f.keeper.Get("u1", o.Connection); err != nil || view.FreshFor > c.fresh || view.FreshFor < c.fresh-30*time.Second {
				t.Errorf("fresh for %v (%v), want %v", view.FreshFor, err, c.fresh)
			}
		})
	}
}

// fill puts good tokens into an answer.
func (f *forger) fill(body string) string {
	access := f.token(f.accessClaims(), forgery{})
	return strings.NewReplacer(`"A"`, `"`+access+`"`, `"I"`, `"`+f.token(f.idClaims(access), forgery{})+`"`).Replace(body)
}

// TestT033LostReply: the platform has committed, and its reply is lost on the way. The code is sent once, whatever the browser
// does; the practitioner is told to start again, and that works.
func TestT033LostReply(t *testing.T) {
	b := newBench(t, options{openID: true, sockets: true})
	tab := b.signIn("u1")
	query := tab.callback(robin, nil).Encode()
	b.sandbox.LoseNextResponse(sandbox.EndpointExchange)
	tab.wantResult(tab.finish(query), connect.OutcomeExchangeFailed)
	for range 3 {
		if r := tab.finish(query); r.Code != connect.OutcomeUnknownAttempt {
			t.Errorf("the same callback again: %+v", r)
		}
	}
	b.wantNothing(1)
	b.wantEvents("connect_failed", connect.OutcomeExchangeFailed)
	if !strings.Contains(b.logs.String(), "outcome unknown") {
		t.Errorf("the log says %s", b.logs)
	}
	tab.connected(robin, nil)
	if n := b.sandbox.Count(sandbox.EndpointExchange); n != 2 {
		t.Errorf("%d token requests", n)
	}
}

// TestT038Rotation: the platform's keys change, go and fail, and flows go on as long as they can.
func TestT038Rotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{openID: true})
		fetched := func(when string, want int) {
			t.Helper()
			if n := b.sandbox.Count(sandbox.EndpointCerts); n != want {
				t.Errorf("%s: %d fetches of the keys, want %d", when, n, want)
			}
		}
		flow := func(want string) {
			t.Helper()
			tab := b.signIn("u1")
			tab.wantResult(tab.finish(tab.callback(robin, nil).Encode()), want)
		}
		flow(connect.OutcomeConnected)
		fetched("the first", 1)
		pass(time.Minute)
		must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox))
		flow(connect.OutcomeConnected)
		fetched("rotated", 2)
		pass(10 * time.Second)
		must(t, b.sandbox.RotateKeys(sandbox.RealmSandbox)) // so soon that the keys may not be asked for again
		flow(connect.OutcomeBadToken)
		fetched("rotated again at once", 2)
		pass(time.Minute)
		flow(connect.OutcomeConnected)
		fetched("a minute later", 3)
		b.sandbox.RetireKeys(sandbox.RealmSandbox)
		b.sandbox.Fail(sandbox.EndpointCerts, 503, 1<<20)
		pass(23 * time.Hour)
		flow(connect.OutcomeConnected)
		pass(2 * time.Hour)
		flow(connect.OutcomeUnavailable)
		b.sandbox.Calm()
		pass(time.Minute)
		flow(connect.OutcomeConnected)
		b.wantEvents("connect_failed", connect.OutcomeBadToken, connect.OutcomeUnavailable)
	})
}
