package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"

	"locum/bff/secret"
)

// hashParams is OWASP's second choice for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
var hashParams = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

const (
	hashesAtOnce = 2 // of 19 MiB each
	hashQueue    = 32
	hashWait     = 5 * time.Second
)

// hasher makes and checks hashes, few at once: the memory they take is bounded, whoever asks.
type hasher struct {
	params  argon2id.Params
	nobodys secret.String // a hash that no password has, as costly to check as any
	slots   chan struct{}
	waiting *atomic.Int64
}

func newHasher(params argon2id.Params) hasher {
	return hasher{params, nobodys(params), make(chan struct{}, hashesAtOnce), new(atomic.Int64)}
}

// nobodys is random where a hash has its salt and its key.
func nobodys(p argon2id.Params) secret.String {
	b := make([]byte, p.SaltLength+p.KeyLength)
	_, _ = rand.Read(b)
	encode := base64.RawStdEncoding.EncodeToString
	return secret.New(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.Memory, p.Iterations, p.Parallelism, encode(b[:p.SaltLength]), encode(b[p.SaltLength:])))
}

// acquire waits for room: ErrBusy when too many wait already, or for too long.
func (h hasher) acquire(ctx context.Context) (release func(), err error) {
	if h.waiting.Add(1) > hashQueue {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	timeout := time.NewTimer(hashWait)
	defer timeout.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-timeout.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// make hashes a normalised password, all of it. The caller has acquired.
func (h hasher) make(password string) (secret.String, error) {
	hash, err := argon2id.CreateHash(password, &h.params)
	if err != nil {
		return secret.String{}, fmt.Errorf("hash a password: %w", err)
	}
	return secret.New(hash), nil
}

// check compares; stale says that the hash was made with other parameters. The caller has acquired.
func (h hasher) check(password string, hash secret.String) (right, stale bool, err error) {
	right, params, err := argon2id.CheckHash(password, hash.Reveal())
	if err != nil {
		return false, false, fmt.Errorf("check a password: %w", err) // the stored hash is malformed
	}
	return right, *params != h.params, nil
}
