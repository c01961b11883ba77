package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The meta bucket:
//
//	"keyset"  "locum vault\n" | format: 1 byte | master id: 16 bytes | wrapped keyset | SHA-256 of all before
//	"root"    a sealed value: the derivation root, 32 bytes
//	"uses"    a sealed value: nothing, and for its generation how many values the primary key may have sealed (uses.go)
//
// The master id is derived from the master key and tells a wrong key from a damaged keyset. The keyset is Tink's,
// AES-256-GCM, in binary, wrapped by AES-256-GCM under a key derived from the master key; the bytes before it are its
// associated data.
const (
	metaBucket = "meta"
	metaKeyset = "keyset"
	metaRoot   = "root"
	metaUses   = "uses"

	metaMagic  = "locum vault\n"
	metaFormat = 1
	masterID   = 16
)

// A sealed value:
//
//	schema: 1 byte | generation: 8 bytes, big endian | Tink's AES-256-GCM: 0x01, key id (4), IV (12), ciphertext, tag (16)
//
// Associated data: length of bucket (8) | bucket | key | schema | generation. A value therefore opens only in its place,
// in its form and in its turn.
const (
	headerSize   = 1 + 8
	keyIDSize    = 5
	sealOverhead = headerSize + keyIDSize + 12 + 16
)

// sealer seals under the primary key of a keyset and opens what any of its keys sealed.
type sealer struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary [keyIDSize]byte // how ciphertexts of the primary key begin
	uses    *keyUses        // of the primary key
}

func newSealer() (*sealer, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("vault: new keyset: %w", err)
	}
	return sealerOf(handle)
}

func sealerOf(handle *keyset.Handle) (*sealer, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("vault: keyset: %w", err)
	}
	entry, err := handle.Primary()
	if err != nil {
		return nil, fmt.Errorf("vault: keyset: %w", err)
	}
	s := &sealer{handle: handle, aead: primitive, primary: [keyIDSize]byte{0: 1}, uses: new(keyUses)}
	binary.BigEndian.PutUint32(s.primary[1:], entry.KeyID())
	return s, nil
}

// rotated is this keyset with a new primary key; the old one stays live. A keyset that has several keys is in the middle
// of that already and stays as it is.
func (s *sealer) rotated() (*sealer, error) {
	if s.handle.Len() > 1 {
		return s, nil
	}
	m := keyset.NewManagerFromHandle(s.handle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: rotate the keyset: %w", err)
	}
	return sealerFrom(m)
}

// primaryOnly is this keyset without any key but the primary one.
func (s *sealer) primaryOnly() (*sealer, error) {
	m := keyset.NewManagerFromHandle(s.handle)
	for i := range s.handle.Len() {
		entry, err := s.handle.Entry(i)
		if err == nil && !entry.IsPrimary() {
			err = m.Delete(entry.KeyID())
		}
		if err != nil {
			return nil, fmt.Errorf("vault: drop old keys: %w", err)
		}
	}
	next, err := sealerFrom(m)
	if err != nil {
		return nil, err
	}
	next.uses = s.uses
	return next, nil
}

func sealerFrom(m *keyset.Manager) (*sealer, error) {
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("vault: keyset: %w", err)
	}
	return sealerOf(handle)
}

func (s *sealer) seal(bucket string, key []byte, schema byte, generation uint64, plain []byte) ([]byte, error) {
	if err := s.uses.count(); err != nil {
		return nil, err
	}
	ciphertext, err := s.aead.Encrypt(plain, associated(bucket, key, schema, generation))
	if err != nil {
		return nil, fmt.Errorf("vault: seal: %w", err)
	}
	value := make([]byte, 0, headerSize+len(ciphertext))
	value = append(value, schema)
	value = binary.BigEndian.AppendUint64(value, generation)
	return append(value, ciphertext...), nil
}

func (s *sealer) open(bucket string, key, value []byte) (schema byte, generation uint64, plain []byte, err error) {
	if len(value) < sealOverhead {
		return 0, 0, nil, fmt.Errorf("%w (in %s)", ErrIntegrity, bucket)
	}
	schema, generation = value[0], binary.BigEndian.Uint64(value[1:])
	plain, err = s.aead.Decrypt(value[headerSize:], associated(bucket, key, schema, generation))
	if err != nil {
		return 0, 0, nil, fmt.Errorf("%w (in %s)", ErrIntegrity, bucket)
	}
	return schema, generation, plain, nil
}

// current says whether value is sealed under the primary key.
func (s *sealer) current(value []byte) bool {
	return len(value) >= sealOverhead && bytes.Equal(value[headerSize:headerSize+keyIDSize], s.primary[:])
}

func associated(bucket string, key []byte, schema byte, generation uint64) []byte {
	out := make([]byte, 0, 8+len(bucket)+len(key)+headerSize)
	out = binary.BigEndian.AppendUint64(out, uint64(len(bucket)))
	out = append(out, bucket...)
	out = append(out, key...)
	out = append(out, schema)
	return binary.BigEndian.AppendUint64(out, generation)
}

// writeMeta stores the keyset, wrapped, and the root and the count of uses, sealed under it.
func writeMeta(tx storeTx, master MasterKey, seal *sealer, root []byte) error {
	wrapped, err := wrapKeyset(master, seal)
	if err != nil {
		return err
	}
	sealed, err := seal.seal(metaBucket, []byte(metaRoot), 1, 1, root)
	if err != nil {
		return err
	}
	uses, err := seal.seal(metaBucket, []byte(metaUses), 1, seal.uses.done.Load()+usesAhead, nil)
	if err != nil {
		return err
	}
	return errors.Join(
		tx.put(metaBucket, []byte(metaKeyset), wrapped),
		tx.put(metaBucket, []byte(metaRoot), sealed),
		tx.put(metaBucket, []byte(metaUses), uses))
}

func wrapKeyset(master MasterKey, seal *sealer) ([]byte, error) {
	wrap, err := master.aead()
	if err != nil {
		return nil, err
	}
	head := append([]byte(metaMagic), metaFormat)
	head = append(head, master.id()...)
	var keys bytes.Buffer
	if err := seal.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&keys), wrap, head); err != nil {
		return nil, fmt.Errorf("vault: wrap the keyset: %w", err)
	}
	out := append(head, keys.Bytes()...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// readKeyset is the other way of wrapKeyset: ErrWrongKey, or ErrCorrupt.
func readKeyset(master MasterKey, data []byte) (*sealer, error) {
	const head = len(metaMagic) + 1 + masterID
	if len(data) < head+sha256.Size || !bytes.HasPrefix(data, []byte(metaMagic)) {
		return nil, fmt.Errorf("%w: it holds no keyset", ErrCorrupt)
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, fmt.Errorf("%w: its keyset is damaged", ErrCorrupt)
	}
	if format := body[len(metaMagic)]; format != metaFormat {
		return nil, fmt.Errorf("%w: the database has format %d and this one knows %d", ErrVersion, format, metaFormat)
	}
	if !bytes.Equal(body[len(metaMagic)+1:head], master.id()) {
		return nil, ErrWrongKey
	}
	wrap, err := master.aead()
	if err != nil {
		return nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(body[head:])), wrap, body[:head])
	if err != nil {
		return nil, fmt.Errorf("%w: its keyset does not authenticate", ErrCorrupt)
	}
	return sealerOf(handle)
}

func openRoot(seal *sealer, value []byte) ([]byte, error) {
	_, _, root, err := seal.open(metaBucket, []byte(metaRoot), value)
	if err == nil && len(root) != 32 {
		err = errors.New("wrong length")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its derivation root: %w", ErrCorrupt, err)
	}
	return root, nil
}

func (m MasterKey) aead() (tink.AEAD, error) {
	wrap, err := subtle.NewAESGCM(derive([]byte(m.key.Reveal()), "locum vault wrap"))
	if err != nil {
		return nil, fmt.Errorf("vault: master key: %w", err)
	}
	return wrap, nil
}

// id names the key without telling anything about it.
func (m MasterKey) id() []byte {
	return derive([]byte(m.key.Reveal()), "locum vault master id")[:masterID]
}
