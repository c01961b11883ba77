// Package secret holds one type: a string that must not be seen. It prints as "[redacted]" in every way that Go prints,
// refuses to be marshalled, and is compared in constant time; only Reveal gives the value, and a test counts its callers.
// It never logs, stores or sends anything. Every package may import it; it imports nothing of ours.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// ErrMarshal is the answer of every attempt to encode a secret.
var ErrMarshal = errors.New("secret: a secret cannot be marshalled")

const redacted = "[redacted]"

// String is a secret value. The zero value is empty and ready to use.
//
// The value stands behind a pointer because fmt prints the unexported fields of a struct by reflection, without asking
// their methods: of a String in such a field it can then show an address and nothing more. The zero-sized func makes ==
// a compile error, which would compare addresses; use Equal.
type String struct {
	_ [0]func()
	v *string
}

// New wraps v.
func New(v string) String {
	if v == "" {
		return String{}
	}
	return String{v: &v}
}

// Random makes 256 bits from crypto/rand, written as 43 base64url characters without padding.
func Random() String {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Reveal gives the value. Its callers are few and counted: whatever they do with it is theirs to answer for.
func (s String) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// Empty says whether there is no value.
func (s String) Empty() bool { return s.v == nil }

// Clone is the same value in memory of its own: a value cut out of a larger text keeps all of that text alive.
func (s String) Clone() String {
	if s.v == nil {
		return String{}
	}
	return New(strings.Clone(*s.v))
}

// Equal compares in constant time; digests are compared, so that the lengths do not show either.
func (s String) Equal(other String) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String never shows the value.
func (String) String() string { return redacted }

// GoString never shows the value.
func (String) GoString() string { return redacted }

// Format never shows the value, whatever the verb, the flags, the width and the precision.
func (String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue never shows the value.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails with ErrMarshal.
func (String) MarshalJSON() ([]byte, error) { return nil, ErrMarshal }

// MarshalText always fails with ErrMarshal; encoding/xml and map keys of encoding/json go this way.
func (String) MarshalText() ([]byte, error) { return nil, ErrMarshal }

// MarshalBinary always fails with ErrMarshal.
func (String) MarshalBinary() ([]byte, error) { return nil, ErrMarshal }

// MarshalYAML always fails with ErrMarshal.
func (String) MarshalYAML() (any, error) { return nil, ErrMarshal }

// GobEncode always fails with ErrMarshal.
func (String) GobEncode() ([]byte, error) { return nil, ErrMarshal }
