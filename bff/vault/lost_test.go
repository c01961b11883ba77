package vault_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"locum/bff/vault"
)

// TestT062NothingIsLostWithoutAWord flips each bit where a single one could hide records and damage none: in the names of
// the buckets, and in the counts of elements.
func TestT062NothingIsLostWithoutAWord(t *testing.T) {
	for _, records := range []int{1, 2, 60} { // inline buckets, and such with pages of their own
		o := &original{name: "flipped", records: records, values: 300}
		o.make(t, false)
		flip := func(at int, bit byte) {
			content := bytes.Clone(o.content)
			content[at] ^= bit
			dir := memoryDir(t)
			writeFile(t, filepath.Join(dir, vault.FileName), content)
			v, err := vault.Open(dir, o.key)
			if err != nil {
				if !errors.Is(err, vault.ErrCorrupt) {
					t.Errorf("byte %d: %v", at, err)
				}
				return
			}
			defer v.Close()
			damaged, err := v.Damaged()
			mustDo(t, err)
			for i := range records {
				_, err1 := get(v, vault.Connections, o.record(i).ID)
				_, err2 := get(v, vault.Sessions, o.record(i).ID)
				if (err1 != nil || err2 != nil) && len(damaged) == 0 {
					t.Errorf("%d records, byte %d, bit %#x: record %d is lost without a word: %v, %v", records, at, bit, i, err1, err2)
					return
				}
			}
		}
		for _, name := range []string{"connections", "sessions", "accounts"} {
			for at := range o.content {
				if !bytes.HasPrefix(o.content[at:], []byte(name)) {
					continue
				}
				flip(at+3, 1)
				for bit := byte(1); bit != 0; bit <<= 1 { // the count of an inline page, behind the name and the bucket's head
					flip(at+len(name)+16+10, bit)
				}
			}
		}
		for at := 10; at < len(o.content); at += 4096 { // the heads of the pages
			for bit := byte(1); bit != 0; bit <<= 1 {
				flip(at, bit)
			}
		}
	}
}

// TestT062NoTransactionBehindTheLast: a number near the end of what can be counted is forged, and would lead bbolt astray at
// the next write.
func TestT062NoTransactionBehindTheLast(t *testing.T) {
	o := &original{name: "forged", records: 3, values: 100}
	o.make(t, false)
	for _, meta := range []int{16, 4096 + 16} {
		content, dir := bytes.Clone(o.content), memoryDir(t)
		putUint64(content[meta+48:], ^uint64(0))
		putUint64(content[meta+56:], sum64(content[meta:meta+56]))
		writeFile(t, filepath.Join(dir, vault.FileName), content)
		if v, err := vault.Open(dir, o.key); !errors.Is(err, vault.ErrCorrupt) {
			t.Errorf("meta page at %d: %v", meta, err)
			if err == nil {
				mustClose(t, v)
			}
		}
	}
}
