package platform

import (
	"errors"
	"strings"
)

// ErrUnsafePath says that a path was refused. A path is never repaired.
var ErrUnsafePath = errors.New("unsafe path")

const maxPath = 2048

// Path is a canonical path: "/" or segments of [A-Za-z0-9._~$:-], none empty, "." or "..", each after one slash. All
// readers agree on what it means, because there is nothing in it to decode, clean or fold. The zero Path is "".
type Path struct{ raw string }

// ParsePath accepts a canonical path of at most 2048 bytes and refuses everything else with ErrUnsafePath. It is the
// one path parser of the house: router, allow-list, throttle and audit trail all read its result.
func ParsePath(raw string) (Path, error) {
	if raw == "/" {
		return Path{raw}, nil
	}
	if len(raw) > maxPath || !strings.HasPrefix(raw, "/") {
		return Path{}, ErrUnsafePath
	}
	start := 1
	for i := 1; i <= len(raw); i++ {
		switch {
		case i == len(raw) || raw[i] == '/':
			if segment := raw[start:i]; segment == "" || segment == "." || segment == ".." {
				return Path{}, ErrUnsafePath
			}
			start = i + 1
		case !segmentByte[raw[i]]:
			return Path{}, ErrUnsafePath
		}
	}
	return Path{raw}, nil
}

// String is the path as it was parsed, byte for byte.
func (p Path) String() string { return p.raw }

// Segments are the parts between the slashes; "/" has none.
func (p Path) Segments() []string {
	if len(p.raw) < 2 {
		return nil
	}
	return strings.Split(p.raw[1:], "/")
}

// After is the path without its first n segments: "/" when it has exactly n, and the zero Path when it has fewer.
func (p Path) After(n int) Path {
	rest := p.raw
	if rest == "/" && n > 0 {
		return Path{}
	}
	for ; n > 0; n-- {
		if rest == "" || rest == "/" {
			return Path{}
		}
		if i := strings.IndexByte(rest[1:], '/'); i >= 0 {
			rest = rest[1+i:]
		} else {
			rest = "/"
		}
	}
	return Path{rest}
}

// segmentByte says which bytes a segment may hold.
var segmentByte = byteSet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~$:-")

// idByte says which bytes an id may hold.
var idByte = byteSet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-")

func byteSet(chars string) *[256]bool {
	var set [256]bool
	for i := 0; i < len(chars); i++ {
		set[chars[i]] = true
	}
	return &set
}

// ValidID says whether s is an opaque identifier as a path may hold it and as Locum sends it to a platform: 1 to 64 bytes of
// [A-Za-z0-9._~-], not "." or "..". It is the same rule as shared.ValidID, which this room may not import; a test of bff
// compares the two.
func ValidID(s string) bool {
	if s == "" || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !idByte[s[i]] {
			return false
		}
	}
	return true
}
