package bff_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/shared"
)

// TestT116LogsAreCleanAtEveryLevel: a day on which everything fails that the platform can make fail, and everybody writes what
// cannot be read, logged at a level below debug, and at the highest. No token, code, state, verifier, cookie, password or
// client secret, no query, no id of a record and no word about a patient is in the log, in any form; nor in a printed
// configuration.
func TestT116LogsAreCleanAtEveryLevel(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug - 8, slog.LevelError} {
		t.Run("T116 "+level.String(), func(t *testing.T) {
			log := &syncBuffer{}
			b := open(t, func(_ *config.Config, o *bff.Options) {
				o.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level, AddSource: true}))
			})
			one := b.typePassword(loginOne)
			texts := []string{password, marked, counted, b.sandbox.Marker(), one.session}
			id := one.connect("jane", 0, "robin@example.test")
			texts = append(texts, b.patients(one, id)...)
			texts = append(texts, b.records(one, id)...)
			b.typeHostile()
			b.callHostile(one, id)
			b.unreadable(one, id)
			b.platformFails(one, id)
			b.answerHostile(one, id) // ends with a 429, after which this clinic is left alone
			for n := range 9 {       // what fails between the platform's servers and ours, each time on a connection of its own
				b.tokensFail(&one, n)
				texts = append(texts, one.flow)
			}
			b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil)
			b.stop()
			must(t, b.server.Close())
			texts = append(texts, b.exchanged()...)
			texts = append(texts, b.sandbox.Minted()...)
			for _, text := range texts {
				if len(text) < 6 {
					t.Fatalf("%q would be found by chance", text)
				}
			}
			scanFor(t, "the log", []byte(log.String()), texts...)
			printed := fmt.Sprintf("%v %+v %#v", *b.cfg, *b.cfg, *b.cfg)
			for _, p := range b.cfg.Platforms {
				printed += fmt.Sprintf("%v %+v %#v", *p, *p, *p)
			}
			scanFor(t, "the configuration", []byte(printed), texts...)
			lines := strings.Count(log.String(), "\n")
			if want := map[bool]int{true: 300, false: 0}[level <= slog.LevelInfo]; lines < want {
				t.Errorf("the log has %d lines: it is not as talkative as it can be", lines)
			}
			t.Logf("%d lines, %d texts", lines, len(texts))
		})
	}
}

// records are the ids of a clinic's patients, as they stand in paths.
func (b *bench) records(one browser, id string) (ids []string) {
	b.t.Helper()
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	must(b.t, json.Unmarshal(one.read("/proxy/v1/"+id+patientsPath).body, &list))
	for _, item := range list.Items {
		ids = append(ids, item.ID)
		one.read("/proxy/v1/" + id + patientsPath + "/" + item.ID + "?sort=" + marked)
	}
	return ids
}

// unreadable sends bodies that no reader of JSON takes, on every route that has one.
func (b *bench) unreadable(one browser, id string) {
	b.t.Helper()
	for _, path := range []string{shared.PathConnect, shared.PathOutcome, "/proxy/v1/" + id + patientsPath + "/search", "/csp-reports"} {
		for _, body := range []string{`{"` + marked, `{"` + marked + `":` + counted + `}`, `{"platform":` + counted + `}`, `{"clinic":{"` + marked + `":1}}`, `"` + marked + `"`,
			`[` + counted + `]`, `{"client_state":"` + marked + `"} ` + marked, marked, `{"platform":"\u` + marked + `"}`, strings.Repeat(`[`, 20_000) + marked} {
			b.do(request{"POST", path, [][2]string{one.cookies(), {"Origin", b.origin}, {"Sec-Fetch-Site", "same-origin"},
				{shared.HeaderClient, shared.ClientApp}, {"Content-Type", "application/json"}}, body})
		}
	}
}

// platformFails walks the faults of the API.
func (b *bench) platformFails(one browser, id string) {
	b.t.Helper()
	call := func() {
		one.read("/proxy/v1/" + id + "/api/2026-01-01/locations?sort=" + marked)
		one.change("POST", "/proxy/v1/"+id+patientsPath+"/search", map[string]any{"query": marked})
	}
	for _, status := range []int{400, 403, 404, 408, 409, 421, 422, 500, 501, 502, 503, 504, 599} {
		b.sandbox.Fail(sandbox.EndpointAPI, status, 2)
		call()
	}
	b.sandbox.Cut(sandbox.EndpointAPI, 2)
	call()
	b.sandbox.LoseNextResponse(sandbox.EndpointAPI)
	call()
	b.sandbox.Slow(sandbox.EndpointAPI, time.Millisecond, 2)
	call()
	for _, body := range []string{`{"` + marked, strings.Repeat(marked, 300_000)} {
		b.sandbox.Answer(sandbox.EndpointAPI, sandbox.Canned{Status: http.StatusOK, Header: map[string]string{"Content-Type": "application/json", marked: marked}, Body: body}, 2)
		call()
	}
	b.sandbox.Calm()
	if n := b.sandbox.Count(sandbox.EndpointAPI); n < 50 {
		b.t.Errorf("only %d calls reached the clinic", n)
	}
}

// tokensFail makes the nth way of failing happen where tokens are given out: to an exchange, to a refresh, to a revocation, to
// the keys, and to a callback that says it has failed.
func (b *bench) tokensFail(one *browser, n int) {
	b.t.Helper()
	json := map[string]string{"Content-Type": "application/json", "X-" + marked: marked}
	fault := func(where sandbox.Endpoint) {
		switch n {
		case 0:
			b.sandbox.Fail(where, http.StatusInternalServerError, 3)
		case 8: // the last: after it the platform is left alone
			b.sandbox.Fail(where, http.StatusTooManyRequests, 3)
		case 2:
			b.sandbox.Fail(where, http.StatusUnauthorized, 3)
		case 3:
			b.sandbox.Cut(where, 3)
		case 4:
			b.sandbox.LoseNextResponse(where)
		case 5:
			b.sandbox.Answer(where, sandbox.Canned{Status: http.StatusBadRequest, Header: json,
				Body: `{"error":"` + marked + `","error_description":"` + marked + `","error_uri":"https://` + marked + `"}`}, 3)
		case 6:
			b.sandbox.Answer(where, sandbox.Canned{Status: http.StatusOK, Header: json, Body: `{"access_token":"` + marked + `","expires_in":"` + marked}, 3)
		case 7:
			b.sandbox.Answer(where, sandbox.Canned{Status: http.StatusOK, Header: json,
				Body: `{"access_token":"eyJ` + marked + `.` + marked + `.` + marked + `","token_type":"` + marked + `","expires_in":` + counted + `,"keys":[{"kid":"` + marked + `"}]}`}, 3)
		case 1:
			b.sandbox.Answer(where, sandbox.Canned{Status: http.StatusFound, Header: map[string]string{"Location": "https://evil.test/?" + marked}, Body: marked}, 3)
		}
	}
	attempt := func() {
		state := clientState()
		back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, state), "robin@example.test", false)
		must(b.t, err)
		fault(sandbox.EndpointExchange)
		one.callback(back)
		one.callback(back) // once more
		one.outcome(state)
		b.sandbox.Calm()
	}
	attempt()
	b.sandbox.AuthorizeError(marked, marked)
	back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, clientState()), "robin@example.test", false)
	if err == nil {
		one.callback(back)
	}
	id := one.connect("jane-two", n%2, "robin@example.test")
	b.sandbox.RevokeAccess("robin@example.test", b.sandbox.Clinics()[n%2].URL)
	fault(sandbox.EndpointRefresh)
	one.read("/proxy/v1/" + id + patientsPath)
	b.sandbox.Calm()
	fault(sandbox.EndpointRevoke)
	one.change("DELETE", shared.PathConnections+"/"+id, nil)
	b.sandbox.Calm()
}

// exchanged are the secrets that were only ever on their way: codes, verifiers, states and the client's secret.
func (b *bench) exchanged() (texts []string) {
	b.t.Helper()
	for _, r := range b.sandbox.Requests(sandbox.EndpointExchange, sandbox.EndpointRefresh, sandbox.EndpointAuth, sandbox.EndpointRevoke) {
		query, err := url.ParseQuery(r.Query)
		must(b.t, err)
		for name, values := range r.Form() {
			query[name] = append(query[name], values...)
		}
		for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token", "token", "state", "nonce", "code_challenge"} {
			for _, value := range query[name] {
				if value != "" {
					texts = append(texts, value)
				}
			}
		}
	}
	if len(texts) < 50 {
		b.t.Errorf("only %d texts were exchanged", len(texts))
	}
	return texts
}
