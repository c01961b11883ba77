package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/rsa"

	"github.com/golang-jwt/jwt/v5"
)

// clinic is one clinic's API. It takes a token as Jane's guide says that clinics do: signed by a key of the realm, for
// this clinic alone, and not over.
type clinic struct {
	url    string
	certs  string // where the realm's keys are
	issuer string

	mu      sync.Mutex
	tokens  []string // ids of the tokens it has seen, each once
	keys    []string // ids of the keys that signed them, each once
	refused []error
}

func newClinic(t testing.TB) *clinic {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &clinic{url: "http://" + ln.Addr().String()}
	server := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return c
}

func (c *clinic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := c.admits(r); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"unauthorized"}`)
		return
	}
	fmt.Fprint(w, `{"items":[],"cursor":null,"limit":25,"hasNextPage":false,"links":{}}`)
}

func (c *clinic) admits(r *http.Request) error {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := jwt.Parse(raw, c.key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(c.issuer),
		jwt.WithAudience(c.url), jwt.WithExpirationRequired())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.refused = append(c.refused, err)
		return err
	}
	claims, _ := token.Claims.(jwt.MapClaims)
	if audience, _ := claims.GetAudience(); len(audience) != 1 {
		c.refused = append(c.refused, errors.New("for several clinics"))
		return errors.New("for several clinics")
	}
	note(&c.tokens, fmt.Sprint(claims["jti"]))
	note(&c.keys, fmt.Sprint(token.Header["kid"]))
	return nil
}

func note(list *[]string, id string) {
	if !slices.Contains(*list, id) {
		*list = append(*list, id)
	}
}

// key fetches the realm's keys anew each time, so that nothing here remembers an old one.
func (c *clinic) key(token *jwt.Token) (any, error) {
	response, err := http.Get(c.certs)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var set struct {
		Keys []struct{ Kid, Use, N, E string }
	}
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, err
	}
	for _, key := range set.Keys {
		if key.Kid == token.Header["kid"] && key.Use == "sig" {
			n, err1 := base64.RawURLEncoding.DecodeString(key.N)
			e, err2 := base64.RawURLEncoding.DecodeString(key.E)
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, errors.Join(err1, err2)
		}
	}
	return nil, errors.New("unknown key")
}

// seen says how many different tokens and keys it has seen, and what it refused.
func (c *clinic) seen() (tokens, keys int, refused []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tokens), len(c.keys), slices.Clone(c.refused)
}
