package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// keySet holds a server's signing keys (RFC 7517): fetched when first needed, and again when a token names a key that
// is not among them, but never more often than refetchAfter. It is small and our own, because the JWKS library at hand
// (jwkset) reads a body without a limit, keeps a goroutine per set, and makes callers wait for its rate limit instead
// of refusing them.
type keySet struct {
	client *Client // fetches, within its deadline, and counts the fetch

	mu      sync.Mutex
	keys    map[string]*publicKey // replaced as a whole, never changed
	fetched time.Time             // last success
	tried   time.Time             // end of the last attempt
	courted time.Time             // start of the last attempt for a stranger's token
	last    error                 // of the last attempt
	flight  chan struct{}         // closed when the attempt under way ends; nil when none is
	epoch   int                   // counts forget: what an attempt from before brings is not kept
}

const (
	// refetchAfter bounds what tokens with invented key ids can cause: two fetches a minute.
	refetchAfter = 30 * time.Second
	// retryAfter is the pause after a failed fetch while no key was ever read: then every token asks for one, genuine ones
	// too, and a code that is redeemed meanwhile is lost.
	retryAfter = 5 * time.Second
	// courtesyEvery bounds what anybody can cause by sending logout tokens.
	courtesyEvery = time.Minute
	// keysFresh is how long keys are used without asking again; keysStale how long when asking fails.
	keysFresh = time.Hour
	keysStale = 24 * time.Hour
	// stalePatience is how long a caller waits for the server when it has a key that is no longer fresh.
	stalePatience = 2 * time.Second

	maxKeys = 64
)

var (
	errUnknownKey = errors.New("the server has no such signing key")
	errNoKeys     = errors.New("the server's signing keys cannot be read")
	errMoved      = errors.New("the server has moved meanwhile")
)

// key is the public key named kid. Errors: errUnknownKey; errNoKeys wrapped around the reason; ctx's own.
func (s *keySet) key(ctx context.Context, kid string) (*publicKey, error) {
	return s.find(ctx, kid, false)
}

// strange is key for a token that anybody may have made. A fetch for it takes none from a token of the server's own: those
// are counted apart.
func (s *keySet) strange(ctx context.Context, kid string) (*publicKey, error) {
	return s.find(ctx, kid, true)
}

func (s *keySet) find(ctx context.Context, kid string, stranger bool) (*publicKey, error) {
	for waited := false; ; waited = true {
		s.mu.Lock()
		age := time.Since(s.fetched)
		known := s.keys[kid]
		due := s.due()
		if stranger {
			due = s.flight != nil || s.courted.IsZero() || time.Since(s.courted) >= courtesyEvery
		}
		if known != nil && age < keysFresh || waited || !due {
			defer s.mu.Unlock()
			return s.judge(known, age)
		}
		if stranger && s.flight == nil {
			s.courted = time.Now()
		}
		flight, err := s.launch(ctx, !stranger)
		s.mu.Unlock()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoKeys, err)
		}
		usable := known != nil && age < keysStale
		if err := await(ctx, flight, usable); err != nil && usable {
			return known, nil
		} else if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoKeys, err)
		}
	}
}

// await waits for a fetch to end, but not long where there is a key to go on with: a server that keeps silent is no worse
// than one that fails.
func await(ctx context.Context, flight <-chan struct{}, usable bool) error {
	if usable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stalePatience)
		defer cancel()
	}
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge turns what is known into an answer once no fetch can help. Called with the lock held.
func (s *keySet) judge(known *publicKey, age time.Duration) (*publicKey, error) {
	switch {
	case known != nil && age < keysStale:
		return known, nil
	case s.last != nil:
		return nil, fmt.Errorf("%w: %w", errNoKeys, s.last)
	}
	return nil, errUnknownKey
}

// due says whether a fetch is under way or may be begun. Called with the lock held.
func (s *keySet) due() bool {
	pause := refetchAfter
	if s.keys == nil {
		pause = retryAfter
	}
	return s.flight != nil || s.tried.IsZero() || time.Since(s.tried) >= pause
}

// launch joins the fetch under way or begins one. It does not end with the caller who began it: others wait for it
// too. The client's Close waits for it. counts says whether it is one of those that refetchAfter bounds. Called with the
// lock held.
func (s *keySet) launch(ctx context.Context, counts bool) (<-chan struct{}, error) {
	if s.flight != nil {
		return s.flight, nil
	}
	if err := s.client.enter(); err != nil {
		return nil, err
	}
	flight, epoch := make(chan struct{}), s.epoch
	s.flight = flight
	go func() {
		defer s.client.flying.Done()
		defer close(flight)
		body, err := s.client.fetchKeys(context.WithoutCancel(ctx))
		var keys map[string]*publicKey
		if err == nil {
			keys, err = parseKeys(body, s.client.algorithms())
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.flight = nil; s.epoch != epoch {
			s.last = errMoved
			return
		}
		if s.last = err; counts {
			s.tried = time.Now()
		}
		if err == nil {
			s.keys, s.fetched = keys, time.Now()
		}
	}()
	return flight, nil
}

// forget drops every key: they were another server's.
func (s *keySet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.last, s.epoch = nil, nil, s.epoch+1
	s.fetched, s.tried, s.courted = time.Time{}, time.Time{}, time.Time{}
}

// fetchKeys reads the server's key set once.
func (c *Client) fetchKeys(ctx context.Context) ([]byte, error) {
	server, err := c.known()
	if err != nil {
		return nil, err
	}
	at := server.JWKS
	if server.KeysByClient {
		at += "?client_id=" + escape(c.config.ID)
	}
	request, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	answer, _, err := c.do(ctx, request)
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, &ResponseError{Status: answer.Status}
	}
	return []byte(answer.Body.Reveal()), nil
}
