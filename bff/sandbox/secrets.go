package sandbox

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// marker is the literal that every minted secret contains. It is base64url text whose decoding, markerText, is printable
// ASCII: a JWT whose payload opens with nine bytes and then markerText contains marker raw in its encoded form, so one
// plain search finds it in codes, client secrets and JWTs alike.
const (
	marker     = "SndbLEAkTEst"
	markerText = "Jw[,@$LK-"
	// markerClaim sorts before every other claim, so that {"_sbx":" are the first nine bytes of the payload.
	markerClaim = "_sbx"
)

const maxMinted = 100_000

// Marker is contained, as it stands, in every secret the sandbox mints: authorization codes, access, refresh and ID
// tokens, and the client secrets it generates. Passwords and secrets given to it are only in Minted.
func (s *Sandbox) Marker() string { return marker }

// Minted lists every secret so far, for exact scans: what carries the marker, and the passwords and client secrets that
// were given. The latest 100,000 are kept.
func (s *Sandbox) Minted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.minted)
}

// remember registers a secret for Minted.
func (s *Sandbox) remember(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rememberLocked(secret)
}

func (s *Sandbox) rememberLocked(secret string) {
	if secret == "" {
		return
	}
	if len(s.minted) >= maxMinted {
		s.minted = slices.Delete(s.minted, 0, maxMinted/10)
	}
	s.minted = append(s.minted, secret)
}

// mint makes a registered secret of 256 random bits behind prefix and marker, in the base64url alphabet.
func (s *Sandbox) mint(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mintLocked(prefix)
}

func (s *Sandbox) mintLocked(prefix string) string {
	secret := prefix + marker + base64.RawURLEncoding.EncodeToString(s.random(32))
	s.rememberLocked(secret)
	return secret
}

// handle makes a value of 128 random bits that is no secret to the browser it is given to: cookies and form handles of
// the sandbox's own pages. It carries no marker.
func (s *Sandbox) handle() string { return hex.EncodeToString(s.random(16)) }

// uuid makes a random UUID (RFC 9562 §5.4).
func (s *Sandbox) uuid() string {
	b := s.random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Sandbox) random(n int) []byte {
	b := make([]byte, n)
	s.randMu.Lock()
	defer s.randMu.Unlock()
	if _, err := io.ReadFull(s.rand, b); err != nil {
		panic("sandbox: random source: " + err.Error())
	}
	return b
}
