package service_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/sandbox"
	"locum/bff/tokens"
)

// keyHost serves what Locum publishes, in process, and counts who asks.
type keyHost struct {
	conns  chan net.Conn
	done   chan struct{}
	server http.Server
	asked  int
}

// host serves both sets of a platform for as long as the test runs.
func host(t testing.TB, public func() ([]byte, error)) *keyHost {
	h := &keyHost{conns: make(chan net.Conn), done: make(chan struct{})}
	h.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		set, err := public()
		if err != nil {
			t.Error(err)
		}
		h.asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	})
	h.server.SetKeepAlivesEnabled(false)
	served := make(chan struct{})
	go func() {
		_ = h.server.Serve(h)
		close(served)
	}()
	t.Cleanup(func() {
		_ = h.server.Close()
		<-served
	})
	return h
}

// Accept, Close and Addr implement net.Listener.
func (h *keyHost) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *keyHost) Close() error   { close(h.done); return nil }
func (h *keyHost) Addr() net.Addr { return &net.UnixAddr{Name: "keys", Net: "pipe"} }

func (h *keyHost) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	h.conns <- theirs
	return ours, nil
}

// byKeys is a bench whose services authenticate by keys, which the servers fetch and keep for the whole cache time.
func byKeys(t testing.TB, cache time.Duration) (*bench, *keyHost) {
	t.Helper()
	var b *bench
	h := host(t, func() ([]byte, error) { return b.keys.Public("athena/service", "smart/service") })
	b = newBench(t, options{auth: oauth.Auth{Method: oauth.AuthKey, Algorithm: keys.ES384}, cache: cache, dial: h.dial, perMinute: 1000})
	for _, id := range []string{"athena", "smart"} {
		if _, err := b.keys.Create(keys.Target{Platform: id, Service: true}, 0); err != nil {
			t.Fatal(err)
		}
		b.register(id, sandbox.App{Auth: oauth.AuthKey, JWKSURL: "http://127.0.0.1:7999/jwks.json"})
		b.faces[id].SetKeyCache(cache)
	}
	return b, h
}

// TestT029RotationNeverFailsARequest: a thousand token requests over most of a day, in which the key is rotated every hour and a
// half. The server keeps its copy of the set as long as it may and asks for no unknown key before. None is refused; each old key
// is gone after its overlap.
func TestT029RotationNeverFailsARequest(t *testing.T) {
	const cache, every, requests = 15 * time.Minute, 90 * time.Minute, 1000
	synctest.Test(t, func(t *testing.T) {
		b, h := byKeys(t, cache)
		target := keys.Target{Platform: "athena", Service: true}
		b.faces["athena"].SetLifetimes(0, time.Minute, 0)
		begin, rotations, most := time.Now(), 0, 0
		for range requests {
			b.fresh("athena")
			time.Sleep(61 * time.Second)
			list, err := b.keys.List(target)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, len(list))
			if time.Since(begin) > time.Duration(rotations+1)*every {
				if _, err := b.keys.Rotate(target, 0, nil); err != nil {
					t.Fatal(err)
				}
				rotations++
			}
		}
		if n := b.requests("athena"); n != requests || rotations < 10 {
			t.Errorf("%d requests and %d rotations", n, rotations)
		}
		signers := map[string]bool{}
		for _, assertion := range b.faces["athena"].Assertions() {
			signers[header(t, assertion)["kid"].(string)] = true
		}
		if len(signers) < rotations || most != 2 {
			t.Errorf("%d keys have signed over %d rotations, and %d were published at once", len(signers), rotations, most)
		}
		t.Logf("%d requests, %d rotations, %d keys signed; the set was fetched %d times", requests, rotations, len(signers), h.asked)
		time.Sleep(cache + 20*time.Minute)
		if list, err := b.keys.List(target); err != nil || len(list) != 1 {
			t.Errorf("after the overlap %d keys are published: %v", len(list), err)
		}
	})
}

// TestT029HurryIsRefused is why a key waits: one that signs at once is refused by a server that has not fetched it yet, which
// heals when the server's copy has expired.
func TestT029HurryIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := byKeys(t, 15*time.Minute)
		b.faces["smart"].SetLifetimes(0, 5*time.Minute, 0)
		b.fresh("smart")
		now := time.Duration(0)
		if _, err := b.keys.Rotate(keys.Target{Platform: "smart", Service: true}, 0, &now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		if err := b.failing("smart"); err.Code != tokens.CauseAssertion { // its copy has the first key alone
			t.Errorf("%v", err)
		}
		b.wantState("smart", tokens.StateMisconfigured, tokens.CauseAssertion, "tell_operator:auth.audience")
		time.Sleep(15 * time.Minute)
		b.fresh("smart")
	})
}

// TestT028AssertionsOfTwoPlatforms: what is signed to one platform is signed with a key that the other's set has not under its
// name, for that platform's client and token endpoint alone, and never twice.
func TestT028AssertionsOfTwoPlatforms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := byKeys(t, time.Hour)
		seen := map[string]bool{}
		for range 20 {
			b.fresh("athena")
			b.fresh("smart")
			time.Sleep(6 * time.Minute)
		}
		for id, other := range map[string]string{"athena": "smart", "smart": "athena"} {
			own, foreign := b.kids(id), b.kids(other)
			for _, assertion := range b.faces[id].Assertions() {
				claims, kid := payload(t, assertion), header(t, assertion)["kid"].(string)
				if !slices.Contains(own, kid) || slices.Contains(foreign, kid) {
					t.Errorf("%s was sent a signature of %s; its keys are %v", id, kid, own)
				}
				if claims["iss"] != "service-"+id || claims["sub"] != "service-"+id || claims["aud"] != b.faces[id].Endpoints().Token {
					t.Errorf("%s was sent %v", id, claims)
				}
				if jti, _ := claims["jti"].(string); jti == "" || seen[jti] {
					t.Errorf("%s was sent the jti %q again", id, jti)
				} else {
					seen[jti] = true
				}
			}
		}
		if len(seen) != 40 {
			t.Errorf("%d assertions", len(seen))
		}
	})
}

// kids are the ids of a service's published keys.
func (b *bench) kids(id string) []string {
	b.t.Helper()
	list, err := b.keys.List(keys.Target{Platform: id, Service: true})
	if err != nil {
		b.t.Fatal(err)
	}
	var kids []string
	for _, key := range list {
		kids = append(kids, key.ID)
	}
	return kids
}

func header(t testing.TB, jwt string) map[string]any  { t.Helper(); return part(t, jwt, 0) }
func payload(t testing.TB, jwt string) map[string]any { t.Helper(); return part(t, jwt, 1) }

func part(t testing.TB, jwt string, i int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
