package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"locum/bff/vault"
)

// marker makes a value that is found again wherever it lies in the open.
func marker(field string) string { return "MARKER-" + field + "-f81d4fae" }

// TestT059NothingInTheOpenAtRest writes a record of each type with a marker in every field and in its key, deletes some,
// and looks for the markers in every file of the data directory, in every form of T059's scan that a file can hold.
func TestT059NothingInTheOpenAtRest(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	v := mustOpen(t, dir, key)
	var markers []string
	text := func(field string) string {
		markers = append(markers, marker(field))
		return marker(field)
	}
	mark(t, v, vault.Accounts, text)
	mark(t, v, vault.Sessions, text)
	mark(t, v, vault.Attempts, text)
	mark(t, v, vault.Outcomes, text)
	mark(t, v, vault.Connections, text)
	mark(t, v, vault.ClientSecrets, text)
	if len(markers) < 70 {
		t.Fatalf("only %d markers", len(markers))
	}
	nowhere(t, dir, markers, "while open")
	err := v.Update(func(tx *vault.Tx) error {
		_, err := vault.Connections.Take(tx, marker("key-Connection"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	nowhere(t, dir, markers, "after a deletion")
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	nowhere(t, dir, markers, "after a compaction")
	mustClose(t, v)
	nowhere(t, dir, markers, "after closing")
}

func mark[T any](t *testing.T, v *vault.Vault, c vault.Collection[T], text func(string) string) {
	t.Helper()
	record := new(T)
	fill(t, record, text)
	name := strings.TrimPrefix(fmt.Sprintf("%T", *record), "vault.")
	mustPut(t, v, c, text("key-"+name), record)
	mustPut(t, v, c, text("key-"+name), record) // twice, for the pages that are replaced
}

func nowhere(t *testing.T, dir string, markers []string, when string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal("nothing to scan", err)
	}
	for _, e := range entries {
		content := readFile(t, filepath.Join(dir, e.Name()))
		for _, m := range markers {
			for form, b := range forms(m) {
				if bytes.Contains(content, b) {
					t.Errorf("%s: %s holds %s as %s", when, e.Name(), m, form)
				}
			}
		}
	}
}

// forms are raw, base64 in its three alignments (the part that does not depend on the neighbours), hex and UTF-16.
func forms(m string) map[string][]byte {
	f := map[string][]byte{"raw": []byte(m), "hex": []byte(hex.EncodeToString([]byte(m)))}
	f["HEX"] = bytes.ToUpper(f["hex"])
	for _, u := range utf16.Encode([]rune(m)) {
		f["UTF-16LE"] = append(f["UTF-16LE"], byte(u), byte(u>>8))
	}
	for shift := range 3 {
		padded := append(make([]byte, shift), m...)
		padded = padded[:len(padded)/3*3]
		f[fmt.Sprint("base64 ", shift)] = []byte(base64.StdEncoding.EncodeToString(padded)[4:])
	}
	return f
}

func TestTheScanFindsWhatItLooksFor(t *testing.T) {
	m := marker("Scan")
	for form, haystack := range map[string]string{
		"raw":      "x" + m + "y",
		"hex":      hex.EncodeToString([]byte("x" + m + "y")),
		"base64 0": base64.StdEncoding.EncodeToString([]byte("xyz" + m + "yy")),
		"base64 1": base64.StdEncoding.EncodeToString([]byte("x" + m + "yy")),
		"base64 2": base64.StdEncoding.EncodeToString([]byte("xy" + m + "yy")),
	} {
		if !strings.Contains(haystack, string(forms(m)[form])) {
			t.Errorf("%s: %q not found in %q", form, forms(m)[form], haystack)
		}
	}
}

// TestT060DeleteMeansGone takes pieces of a record's ciphertext from the file and misses them after Compact.
func TestT060DeleteMeansGone(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	path := filepath.Join(dir, vault.FileName)
	v := mustOpen(t, dir, key)
	mustPut(t, v, vault.Connections, "stays", filled[vault.Connection](t))
	without := readFile(t, path)
	mustPut(t, v, vault.Connections, "goes", filled[vault.Connection](t))
	pieces := newPieces(without, readFile(t, path))
	if len(pieces) < 20 {
		t.Fatalf("only %d pieces of ciphertext to look for", len(pieces))
	}
	if err := v.Update(func(tx *vault.Tx) error { return vault.Connections.Delete(tx, "goes") }); err != nil {
		t.Fatal(err)
	}
	if left := occurring(pieces, readFile(t, path)); left == 0 {
		t.Error("a deletion alone has removed the ciphertext: the test looks for the wrong thing")
	}
	for range 2 { // a second time from a compacted file
		if err := v.Compact(); err != nil {
			t.Fatal(err)
		}
		if left := occurring(pieces, readFile(t, path)); left != 0 {
			t.Errorf("%d of %d pieces are still there", left, len(pieces))
		}
	}
	mustClose(t, v)
	v = mustOpen(t, dir, key)
	if _, err := get(v, vault.Connections, "goes"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("the deleted record: %v", err)
	}
	if c, err := get(v, vault.Connections, "stays"); err != nil || c.Access.Reveal() != "value of ConnectionAccess" || c.Generation != 1 {
		t.Errorf("the other record: %+v, %v", c, err)
	}
	onlyTheDatabase(t, dir)
}

// newPieces are 16-byte pieces of after that before does not hold.
func newPieces(before, after []byte) [][]byte {
	var pieces [][]byte
	for at := 0; at+16 <= len(after); at += 16 {
		piece := after[at : at+16]
		if bytes.Count(piece, []byte{0}) < 4 && !bytes.Contains(before, piece) {
			pieces = append(pieces, piece)
		}
	}
	return pieces
}

func occurring(pieces [][]byte, content []byte) int {
	n := 0
	for _, p := range pieces {
		if bytes.Contains(content, p) {
			n++
		}
	}
	return n
}
