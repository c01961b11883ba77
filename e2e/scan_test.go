package e2e_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
)

// needles is what a scan looks for: each secret in the forms it might travel in.
type needles []needle

type needle struct {
	form string
	text []byte
}

// hide writes every secret in all its disguises: raw, base64 at three alignments (standard and URL alphabet), hex,
// percent-encoded, UTF-16LE. Secrets shorter than eight bytes would match by chance and are refused.
func hide(t *testing.T, secrets ...string) needles {
	t.Helper()
	var all needles
	for _, s := range secrets {
		if len(s) < 8 {
			t.Fatalf("a marker of %d bytes would match by chance", len(s))
		}
		all = append(all, needle{"raw", []byte(s)}, needle{"hex", []byte(hex.EncodeToString([]byte(s)))}, needle{"utf-16", utf16LE(s)})
		if escaped := url.QueryEscape(s); escaped != s {
			all = append(all, needle{"percent-encoded", []byte(escaped)})
		}
		for shift := range 3 {
			core := alignedBase64(s, shift)
			all = append(all, needle{"base64", []byte(core)},
				needle{"base64url", []byte(strings.NewReplacer("+", "-", "/", "_").Replace(core))})
		}
	}
	return all
}

// alignedBase64 is the part of s's base64 form that does not depend on the bytes around s, when s starts shift bytes
// into a group of three.
func alignedBase64(s string, shift int) string {
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + s))
	encoded = strings.TrimRight(encoded, "=")
	skip := []int{0, 2, 3}[shift]
	end := len(encoded)
	if (shift+len(s))%3 != 0 {
		end--
	}
	return encoded[skip:end]
}

func utf16LE(s string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

// in answers the form in which the first needle occurs in data or in a gzip or deflate stream that data is; "" if none.
func (n needles) in(data []byte) string {
	for _, one := range n {
		if bytes.Contains(data, one.text) {
			return one.form
		}
	}
	if unpacked := unpack(data); unpacked != nil {
		if form := n.in(unpacked); form != "" {
			return form + " inside a compressed stream"
		}
	}
	return ""
}

func unpack(data []byte) []byte {
	if r, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		out, _ := io.ReadAll(io.LimitReader(r, 64<<20))
		return out
	}
	if len(data) > 2 && data[0] == 0x78 {
		out, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data[2:])), 64<<20))
		return out
	}
	return nil
}

// TestTheScanFinds keeps the leak test honest: a scan that cannot find a planted secret proves nothing.
func TestTheScanFinds(t *testing.T) {
	const secret = "marker-0123456789-abcdef"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("x " + secret + " y")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := hide(t, secret)
	for _, c := range []struct {
		name string
		data []byte
		want bool
	}{
		{"raw", []byte("a " + secret + " b"), true},
		{"base64 aligned", []byte(base64.StdEncoding.EncodeToString([]byte(secret + " and more"))), true},
		{"base64 one byte in", []byte(base64.StdEncoding.EncodeToString([]byte("a" + secret + "b"))), true},
		{"base64url two bytes in", []byte(base64.RawURLEncoding.EncodeToString([]byte("ab" + secret + "\xff\xfe"))), true},
		{"hex", []byte(hex.EncodeToString([]byte("q" + secret))), true},
		{"utf-16", utf16LE("." + secret + "."), true},
		{"gzip", packed.Bytes(), true},
		{"nothing", []byte("marker-0123456789-abcdeX"), false},
	} {
		if found := n.in(c.data) != ""; found != c.want {
			t.Errorf("%s: found %v, want %v", c.name, found, c.want)
		}
	}
}
