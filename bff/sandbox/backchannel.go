package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// logoutEvent is the member of events that makes a token a logout token (OpenID Connect Back-Channel Logout §2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

const (
	lifeLogout    = 2 * time.Minute // exp of a logout token
	logoutTimeout = 5 * time.Second // for one delivery
	maxDeliveries = 10_000
)

// backchannel is where logout tokens go; Sandbox.mu guards it.
type backchannel struct {
	urls      map[string]string // by client; "" stands for every other
	transport http.RoundTripper // nil: sockets, loopback alone
	log       []Delivery
}

// Delivery is a logout token that was sent, with what came back. Its token is a secret like any other.
type Delivery struct {
	Client, Login, SID string
	URL, Token         string
	Time               time.Time // the sandbox's own clock
	Status             int       // 0 when no answer came
	Err                error     // why none came
}

// Done says whether the client took it (OpenID Connect Back-Channel Logout §2.8).
func (d Delivery) Done() bool { return d.Status == http.StatusOK || d.Status == http.StatusNoContent }

// SetBackchannel registers where the client wants its logout tokens (backchannel_logout_uri); client "" stands for every
// client without one of its own, url "" takes it back. Without SetBackchannelTransport only this machine is reached.
func (s *Sandbox) SetBackchannel(client, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backchannel.urls == nil {
		s.backchannel.urls = map[string]string{}
	}
	s.backchannel.urls[client] = url
}

// SetBackchannelTransport sends logout tokens through t instead of a socket, so that they can be sent inside a
// testing/synctest bubble; nil is a socket again.
func (s *Sandbox) SetBackchannelTransport(t http.RoundTripper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backchannel.transport = t
}

// Deliveries lists the logout tokens sent so far, oldest first; the latest 10,000 are kept.
func (s *Sandbox) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.backchannel.log)
}

// logOut ends logins and then tells their clients, all at once and each once, as Keycloak does: it returns when each has
// answered or five seconds are over for it. The caller holds no lock.
func (s *Sandbox) logOut(r *realm, logins ...*session) error {
	if err := s.ensureKey(r); err != nil {
		return err
	}
	s.mu.Lock()
	var letters []Delivery
	for _, l := range logins {
		if !l.over {
			letters = append(letters, s.letters(r, l, "")...)
		}
		l.over = true
	}
	s.mu.Unlock()
	s.send(letters)
	return nil
}

// send sends logout tokens and returns when each was answered, or not at all once the sandbox is closed.
func (s *Sandbox) send(letters []Delivery) {
	s.mu.Lock()
	transport, closed := s.backchannel.transport, s.closed
	if !closed {
		s.sending.Add(1) // Close, which takes the lock first, waits for it
	}
	s.mu.Unlock()
	if closed {
		return
	}
	defer s.sending.Done()
	var all sync.WaitGroup
	for _, letter := range letters {
		all.Go(func() {
			letter.Status, letter.Err = s.deliver(transport, letter)
			s.delivered(letter)
		})
	}
	all.Wait()
}

func (s *Sandbox) delivered(letter Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backchannel.log) >= maxDeliveries {
		s.backchannel.log = slices.Delete(s.backchannel.log, 0, maxDeliveries/10)
	}
	s.backchannel.log = append(s.backchannel.log, letter)
}

// letters makes the logout tokens of a login: for one of its clients, or with only "" for each that wants them. The caller
// holds Sandbox.mu.
func (s *Sandbox) letters(r *realm, l *session, only string) []Delivery {
	var all []Delivery
	for client := range l.clients {
		to, own := s.backchannel.urls[client]
		if !own {
			to = s.backchannel.urls[""]
		}
		if to == "" || only != "" && only != client {
			continue
		}
		now := s.nowLocked()
		token, err := s.signDraft(r, s.logoutDraft(r, l, client, now))
		all = append(all, Delivery{Client: client, Login: l.person.Login, SID: l.sid, URL: to, Token: token, Time: now, Err: err})
	}
	return all
}

// logoutDraft is the logout token of a login for a client (OpenID Connect Back-Channel Logout §2.4), with Keycloak's typ.
// The caller holds Sandbox.mu.
func (s *Sandbox) logoutDraft(r *realm, l *session, client string, now time.Time) *LogoutDraft {
	now = now.Add(s.skew)
	return &LogoutDraft{
		Header: map[string]any{"typ": "logout+jwt", "alg": "RS256", "kid": r.keys[len(r.keys)-1].id},
		Claims: jwt.MapClaims{
			markerClaim: markerText, "iss": r.issuer, "aud": client, "iat": now.Unix(), "exp": now.Add(lifeLogout).Unix(),
			"jti": s.uuid(), "typ": "Logout", "sub": l.person.Subject, "sid": l.sid,
			"events": map[string]any{logoutEvent: map[string]any{}},
		},
		client: client, realm: r,
	}
}

// deliver posts a logout token (OpenID Connect Back-Channel Logout §2.5) and follows no redirect.
func (s *Sandbox) deliver(transport http.RoundTripper, letter Delivery) (int, error) {
	if letter.Err != nil {
		return 0, letter.Err
	}
	if transport == nil {
		own := &http.Transport{DialContext: dialHere, DisableKeepAlives: true}
		defer own.CloseIdleConnections()
		transport = own
	}
	ctx, cancel := context.WithTimeout(s.live, logoutTimeout)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {letter.Token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, letter.URL, body)
	if err != nil {
		return 0, fmt.Errorf("logout token: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, fmt.Errorf("logout token: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxForm))
	return answer.StatusCode, nil
}

// dialHere connects to this machine and nowhere else.
func dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if at, err := netip.ParseAddr(host); err != nil || !at.IsLoopback() {
		return nil, fmt.Errorf("%s is not this machine", address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(host, port))
}
