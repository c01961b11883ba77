package sandbox_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"locum/bff/sandbox"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// receiver takes logout tokens without a socket.
type receiver struct {
	mu     sync.Mutex
	got    []*http.Request
	forms  []url.Values
	status int
	delay  time.Duration
}

// RoundTrip implements http.RoundTripper.
func (x *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.got, x.forms = append(x.got, r), append(x.forms, r.PostForm)
	status, delay := max(x.status, http.StatusOK), x.delay
	x.mu.Unlock()
	select {
	case <-time.After(delay):
		w := httptest.NewRecorder()
		w.WriteHeader(status)
		return w.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (g *rig) receiving() *receiver {
	x := &receiver{}
	g.SetBackchannel("locum", "http://locum.test/connect/jane/backchannel-logout")
	g.SetBackchannelTransport(x)
	return x
}

// header reads a token's header without checking it.
func header(g *rig, token string) map[string]any {
	g.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	must(g, err)
	found := map[string]any{}
	must(g, json.Unmarshal(raw, &found))
	return found
}

// TestConformanceBackchannel: OpenID Connect Back-Channel Logout 1.0, the sender.
func TestConformanceBackchannel(t *testing.T) {
	rows := []struct {
		clause string
		check  func(g *rig, x *receiver)
	}{
		{"§2.4 the logout token's claims and typ", func(g *rig, x *receiver) {
			answer := g.tokens()
			equal(g, "logins", g.LogOut(robin), 1)
			token := x.forms[0].Get("logout_token")
			got := g.verify(token)
			equal(g, "typ", header(g, token)["typ"], any("logout+jwt"))
			want := map[string]any{"aud": "locum", "sub": g.People()[0].Subject, "sid": answer["session_state"], "typ": "Logout", "nonce": nil, "azp": nil}
			for name, value := range want {
				equal(g, name, got[name], value)
			}
			events, _ := got["events"].(map[string]any)
			member, _ := events[logoutEvent].(map[string]any)
			equal(g, "events", len(events) == 1 && member != nil && len(member) == 0, true)
			issued, err1 := got.GetIssuedAt()
			expires, err2 := got.GetExpirationTime()
			must(g, errors.Join(err1, err2))
			equal(g, "iat", issued.Unix(), time.Now().Unix())
			equal(g, "exp - iat", expires.Sub(issued.Time), 2*time.Minute)
			if id, _ := got["jti"].(string); len(id) != 36 {
				g.Errorf("jti is %q", id)
			}
		}},
		{"§2.5 a form by POST, one parameter, no secret in the URL", func(g *rig, x *receiver) {
			g.tokens()
			g.LogOut(robin)
			r := x.got[0]
			equal(g, "method and URL", r.Method+" "+r.URL.String(), "POST http://locum.test/connect/jane/backchannel-logout")
			equal(g, "Content-Type", r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
			equal(g, "parameters", len(x.forms[0]), 1)
		}},
		{"§2.3 one for each login, another jti in each", func(g *rig, x *receiver) {
			one, two := g.tokens(), g.tokens()
			equal(g, "logins", g.LogOut(robin), 2)
			a, b := claims(g, x.forms[0].Get("logout_token")), claims(g, x.forms[1].Get("logout_token"))
			equal(g, "jti differ", a["jti"] != b["jti"], true)
			sids := map[any]bool{a["sid"]: true, b["sid"]: true}
			equal(g, "sids", sids[one["session_state"]] && sids[two["session_state"]], true)
		}},
		{"§2.3 one for two clinics of one login", func(g *rig, x *receiver) {
			g.siblings()
			g.LogOut(robin)
			equal(g, "tokens", len(x.got), 1)
		}},
		{"§2.2 only clients that want it, each at its own address", func(g *rig, x *receiver) {
			other := g.registered("other")
			back := g.approve(robin, "client_id", "other", "scope", "patients:read")
			g.redeem(back.Get("code"), "client_id", other.ID, "client_secret", other.Secret)
			g.LogOut(robin)
			equal(g, "tokens without an address", len(x.got), 0)
			g.SetBackchannel("", "http://anybody.test/")
			back = g.approve(robin, "client_id", "other", "scope", "patients:read")
			g.redeem(back.Get("code"), "client_id", other.ID, "client_secret", other.Secret)
			g.tokens()
			g.LogOut(robin)
			got := map[string]any{}
			for i, r := range x.got {
				got[r.URL.Host] = claims(g, x.forms[i].Get("logout_token"))["aud"]
			}
			equal(g, "own", got["locum.test"], any("locum"))
			equal(g, "default", got["anybody.test"], any("other"))
			g.SetBackchannel("locum", "")
			g.tokens()
			g.LogOut(robin)
			equal(g, "tokens after it was taken back", len(x.got), 2)
		}},
		{"§2.8 what came back is told; one try, whatever the answer", func(g *rig, x *receiver) {
			for _, status := range []int{200, 204, 400, 500, 302} {
				x.status = status
				answer := g.tokens()
				g.LogOut(robin)
				all := g.Deliveries()
				got := all[len(all)-1]
				equal(g, "status", got.Status, status)
				equal(g, "done", got.Done(), status < 300)
				equal(g, "whose", got.Client+" "+got.Login+" "+got.SID, "locum "+robin+" "+answer["session_state"].(string))
				g.denied(answer["refresh_token"], "Session not active")
			}
			equal(g, "tokens", len(x.got), 5)
		}},
		{"§2.5 who does not answer is waited for five seconds, all at once", func(g *rig, x *receiver) {
			x.delay = time.Hour
			g.tokens()
			g.tokens()
			before := time.Now()
			g.LogOut(robin)
			equal(g, "waited", time.Since(before), 5*time.Second)
			got := g.Deliveries()[0]
			equal(g, "no answer", got.Status == 0 && errors.Is(got.Err, context.DeadlineExceeded), true)
		}},
		{"every way out of a login tells", func(g *rig, x *receiver) {
			ways := map[string]func(s *signed){
				"an administrator": func(*signed) { g.LogOut(robin) },
				"by its sid":       func(s *signed) { g.LogOutSession(s.answer["session_state"].(string)) },
				"the hint":         func(s *signed) { g.get(g.leaving("id_token_hint", s.id())) },
				"the browser":      func(s *signed) { _, err := s.browser.LogOut(g.leaving()); must(g, err) },
				"a refresh token":  func(s *signed) { g.leave(s.answer["refresh_token"]) },
				"the consent":      func(*signed) { g.WithdrawConsent(robin, "locum") },
			}
			for name, out := range ways {
				before := len(x.got)
				s := newSigned(g)
				out(s)
				equal(g, name, len(x.got)-before, 1)
				equal(g, name+", refreshed", g.refresh(s.answer["refresh_token"]).StatusCode, 400)
				out(s)
				equal(g, name+", again", len(x.got)-before, 1)
				g.LogOut(robin)
			}
		}},
		{"what ends no login tells nobody", func(g *rig, x *receiver) {
			first := g.tokens()["refresh_token"]
			g.renew(first)
			g.denied(first, tooOften)
			g.SetDisabled(robin, true)
			g.PushNotBefore("")
			equal(g, "detached", g.Detach(robin, "locum"), 0)
			equal(g, "tokens", len(x.got), 0)
		}},
		{"a login ends before its clients are told", func(g *rig, x *receiver) {
			token := g.tokens()["refresh_token"]
			x.delay = time.Second
			done := make(chan bool)
			go func() { g.LogOut(robin); close(done) }()
			synctest.Wait()
			g.active(token, false)
			<-done
		}},
		{"a withdrawn consent tells its own client alone", func(g *rig, x *receiver) {
			g.SetBackchannel("other", "http://other.test/")
			s, other := newSigned(g), g.registered("other")
			back, err := s.browser.Approve(g.ask("client_id", "other", "scope", "patients:read"), robin, false)
			must(g, err)
			at, err := url.Parse(back)
			must(g, err)
			g.redeem(at.Query().Get("code"), "client_id", other.ID, "client_secret", other.Secret)
			equal(g, "logins", g.WithdrawConsent(robin, "other"), 1)
			equal(g, "tokens", len(x.got), 1)
			equal(g, "to", x.got[0].URL.Host, "other.test")
			g.renew(s.answer["refresh_token"])
		}},
		{"Close does not wait for who does not answer", func(g *rig, x *receiver) {
			x.delay = time.Hour
			g.tokens()
			before := time.Now()
			done := make(chan bool)
			go func() { g.LogOut(robin); close(done) }()
			synctest.Wait()
			must(g, g.Close())
			<-done
			equal(g, "waited", time.Since(before), 0)
		}},
		{"a logout token contains the marker and is listed", func(g *rig, x *receiver) {
			g.tokens()
			g.LogOut(robin)
			token := x.forms[0].Get("logout_token")
			equal(g, "marker", strings.Contains(token, g.Marker()), true)
			equal(g, "listed", strings.Contains(strings.Join(g.Minted(), " "), token), true)
		}},
		{"discovery §2.1 and RP-Initiated Logout §2.1 name it", func(g *rig, _ *receiver) {
			got := g.get(g.Issuer(g.realm) + "/.well-known/openid-configuration").json
			for name, want := range map[string]any{
				"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
				"end_session_endpoint": g.endpoint("logout"), "introspection_endpoint": g.endpoint("token/introspect"), "userinfo_endpoint": g.endpoint("userinfo"),
			} {
				equal(g, name, got[name], want)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.clause, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				row.check(g, g.receiving())
			})
		})
	}
}

// TestForgeLogout: a draft that nobody spoils passes what §2.6 asks for, and every forgery fails it.
func TestForgeLogout(t *testing.T) {
	g := newRig(t)
	answer := g.tokens()
	good, err := g.ForgeLogout("locum", robin, nil)
	must(t, err)
	equal(t, "a good one", g.admit(good), "")
	equal(t, "its sid", claims(g, good)["sid"], answer["session_state"])
	equal(t, "nobody is logged out", g.refresh(answer["refresh_token"]).StatusCode, 200)
	for _, drop := range []string{"sid", "sub"} {
		one, err := g.ForgeLogout("locum", robin, func(d *sandbox.LogoutDraft) { delete(d.Claims, drop) })
		must(t, err)
		equal(t, "one without "+drop, g.admit(one), "")
	}
	names := map[string]bool{}
	for _, f := range sandbox.LogoutForgeries() {
		t.Run(f.Name, func(t *testing.T) {
			g := g.in(t)
			token, err := g.ForgeLogout("locum", robin, f.Spoil)
			must(t, err)
			if why := g.admit(token); why == "" {
				t.Error("it passes")
			}
			equal(t, "the name is used twice", names[f.Name], false)
			names[f.Name] = true
		})
	}
	for _, who := range []string{alex, "nobody"} {
		if _, err := g.ForgeLogout("locum", who, nil); err == nil {
			t.Errorf("%s has a logout token", who)
		}
	}
}

// admit is OpenID Connect Back-Channel Logout §2.6 as a client would write it: "" or what is wrong.
func (g *rig) admit(token string) string {
	found := jwt.MapClaims{}
	key := func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != "logout+jwt" {
			return nil, errors.New("typ")
		}
		if found := g.published(t.Header["kid"]); found != nil {
			return found, nil
		}
		return nil, errors.New("kid")
	}
	_, err := jwt.ParseWithClaims(token, found, key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(g.Issuer(g.realm)),
		jwt.WithAudience("locum"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return err.Error()
	}
	events, _ := found["events"].(map[string]any)
	_, isEvent := events[logoutEvent].(map[string]any)
	sid, _ := found["sid"].(string)
	sub, _ := found["sub"].(string)
	issued, _ := found.GetIssuedAt()
	_, nonce := found["nonce"]
	switch {
	case !isEvent:
		return "events"
	case sid == "" && sub == "":
		return "neither sid nor sub"
	case nonce:
		return "nonce"
	case found["jti"] == nil:
		return "jti"
	case issued == nil || time.Since(issued.Time) > 5*time.Minute:
		return "iat"
	}
	return ""
}

// TestBackchannelSockets: the default way is a socket of this machine; elsewhere nothing is sent, and Close ends a delivery
// that hangs.
func TestBackchannelSockets(t *testing.T) {
	got := make(chan string, 1)
	hung := make(chan bool)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /taken", func(_ http.ResponseWriter, r *http.Request) { got <- r.PostFormValue("logout_token") })
	mux.HandleFunc("POST /hangs", func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // a server sees the caller leave once the body is read
		close(hung)
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/taken", http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	g := newRig(t)
	deliver := func(to string) sandbox.Delivery {
		g.SetBackchannel("locum", to)
		g.tokens()
		equal(t, "logins", g.LogOut(robin), 1)
		all := g.Deliveries()
		return all[len(all)-1]
	}
	one := deliver(server.URL + "/taken")
	equal(t, "delivered", one.Done(), true)
	equal(t, "the token", <-got, one.Token)
	equal(t, "by name", deliver(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/taken").Done(), true)
	<-got
	equal(t, "a redirect is not followed", deliver(server.URL+"/moved").Status, 307)
	for _, to := range []string{"http://example.test/", "http://192.0.2.1/", "://"} {
		one = deliver(to)
		equal(t, "nothing goes to "+to, one.Status == 0 && one.Err != nil, true)
	}
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, refused.Close())
	equal(t, "nobody listens", deliver("http://"+refused.Addr().String()).Err != nil, true)
	g.SetBackchannel("locum", server.URL+"/hangs")
	g.tokens()
	done := make(chan bool)
	go func() { g.LogOut(robin); close(done) }()
	<-hung
	must(t, g.Close())
	<-done
	equal(t, "logins after Close", g.LogOut(robin), 0)
}
