package vault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// TestSoundFilesPass works a bbolt file hard and checks after every closing that checkPages finds no fault in it: a false
// alarm would keep Locum from starting.
func TestSoundFilesPass(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "worked.db")
	for round := range 40 {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			mustDo(t, db.Update(func(tx *bbolt.Tx) error { return work(tx, random) }))
		}
		mustDo(t, db.Close())
		mustPass(t, fmt.Sprint("round ", round), path)
	}
}

// work puts and deletes in several buckets: values from nothing to several pages, buckets from inline to deep, nested ones.
func work(tx *bbolt.Tx, random *rand.Rand) error {
	for range 60 {
		b, err := tx.CreateBucketIfNotExists(fmt.Append(nil, "bucket", random.IntN(6)))
		if err != nil {
			return err
		}
		if random.IntN(10) == 0 {
			if b, err = b.CreateBucketIfNotExists([]byte("nested")); err != nil {
				return err
			}
		}
		key := binary.BigEndian.AppendUint64(nil, random.Uint64N(400)+1)
		if random.IntN(3) == 0 {
			err = b.Delete(key)
		} else {
			err = b.Put(key, make([]byte, random.IntN(1<<random.IntN(15))))
		}
		if err != nil {
			return err
		}
	}
	if random.IntN(8) == 0 {
		return tx.DeleteBucket(fmt.Append(nil, "bucket", random.IntN(6)))
	}
	return nil
}

// TestSoundDeepFilesPass does the same with trees of several levels, where whole ranges go and come.
func TestSoundDeepFilesPass(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "deep.db")
	for round := range 12 {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024, FreelistType: bbolt.FreelistMapType})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			mustDo(t, db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte("deep"))
				from := random.Uint64N(3000)
				for i := from; i < from+400 && err == nil; i++ {
					key := binary.BigEndian.AppendUint64(nil, i)
					if round%3 == 2 {
						err = b.Delete(key)
					} else if random.IntN(3) > 0 {
						err = b.Put(key, make([]byte, random.IntN(300)))
					}
				}
				return err
			}))
		}
		mustDo(t, db.Close())
		mustPass(t, fmt.Sprint("round ", round), path)
	}
}

// TestALongFreeListPasses makes more free pages than 16 bits count, where the form of the list changes.
func TestALongFreeListPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 70 MB")
	}
	path := filepath.Join(t.TempDir(), "long.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, PageSize: 1024, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("long"))
		for i := uint64(0); i < 70 && err == nil; i++ {
			err = b.Put(binary.BigEndian.AppendUint64(nil, i), make([]byte, 1_000_000))
		}
		return err
	}))
	mustPass(t, "long values", path)
	mustDo(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("long")) }))
	mustDo(t, db.Close())
	mustPass(t, "long free list", path)
}

func mustPass(t *testing.T, when, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := checkPages(f); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRootHoldsBucketsAlone turns a bucket into a value, by one bit: bbolt would call it a bucket all the same.
func TestRootHoldsBucketsAlone(t *testing.T) {
	content := smallBolt(t, filepath.Join(t.TempDir(), "small.db"), 3)
	meta, err := findMeta(bytes.NewReader(content), uint64(len(content)))
	mustDo(t, err)
	if _, err := checkPages(bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	content[meta.root*meta.pageSize+pageHeader] ^= bucketLeaf
	if _, err := checkPages(bytes.NewReader(content)); err == nil {
		t.Error("a value among the buckets passes")
	}
}

// TestElementsDoNotOverlap lets the first record of an inline bucket lie in the table of its page: overlapping elements could
// be made to nest without end.
func TestElementsDoNotOverlap(t *testing.T) {
	content := smallBolt(t, filepath.Join(t.TempDir(), "small.db"), 3)
	meta, err := findMeta(bytes.NewReader(content), uint64(len(content)))
	mustDo(t, err)
	_, _, value, err := element(content[meta.root*meta.pageSize:][:meta.pageSize], 0, leafPage)
	mustDo(t, err)
	order.PutUint32(value[16+pageHeader+4:], elementSize)
	if _, err := checkPages(bytes.NewReader(content)); err == nil {
		t.Error("an element in the table of the elements passes")
	}
}
