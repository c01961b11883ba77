package vault

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// keyedHash is HMAC-SHA256 under one key, over parts that are each preceded by their length (8 bytes, big endian): no two
// lists of parts are mistaken for one another. The states are kept, because preparing one costs more than a short hash.
type keyedHash struct{ states sync.Pool }

func newKeyedHash(key []byte) *keyedHash {
	return &keyedHash{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

func (k *keyedHash) sum(first string, rest ...string) []byte {
	h := k.states.Get().(hash.Hash)
	defer k.states.Put(h)
	h.Reset()
	var buf [128]byte
	writePart(h, buf[:0], first)
	for _, part := range rest {
		writePart(h, buf[:0], part)
	}
	return h.Sum(nil)
}

func writePart(h hash.Hash, buf []byte, part string) {
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(part)))
	h.Write(append(buf, part...))
}

// derive is HKDF-SHA256 (RFC 5869) with the label as info: 32 bytes.
func derive(key []byte, label string) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, label, 32)
	if err != nil {
		panic(fmt.Sprintf("vault: derive 32 bytes: %v", err)) // only a length beyond 255 hashes fails
	}
	return out
}
