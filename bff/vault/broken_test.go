package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// brokenFiles is how many damaged files TestT062BrokenFiles makes; LOCUM_BROKEN_FILES=10000 is the row's own number.
const brokenFiles = 400

// original is a database before it is damaged, and what it holds.
type original struct {
	name    string
	content []byte
	mark    []byte
	records int
	values  int // bytes of a record's token: short ones fill leaves, long ones overflow pages
	key     vault.MasterKey
}

// make writes the records one transaction each, half of them twice, deletes some that are not counted, and closes.
func (o *original) make(t testing.TB, compact bool) {
	t.Helper()
	dir := memoryDir(t)
	o.key = newKey(t)
	v := mustOpen(t, dir, o.key)
	for i := range o.records {
		c := o.record(i)
		mustPut(t, v, vault.Connections, c.ID, c)
		mustPut(t, v, vault.Sessions, c.ID, &vault.Session{ID: c.ID, Practitioner: c.ID})
		if i%2 == 0 {
			mustPut(t, v, vault.Connections, c.ID, c)
		}
		mustPut(t, v, vault.Outcomes, "gone", &vault.Outcome{Key: "gone"})
		if err := v.Update(func(tx *vault.Tx) error { return vault.Outcomes.Delete(tx, "gone") }); err != nil {
			t.Fatal(err)
		}
	}
	if compact {
		if err := v.Compact(); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, v, vault.Accounts, "last", &vault.Account{ID: "last"})
	mustClose(t, v)
	o.content, o.mark = readFile(t, filepath.Join(dir, vault.FileName)), readFile(t, filepath.Join(dir, vault.FileName+".mark"))
}

func (o *original) record(i int) *vault.Connection {
	id := fmt.Sprint("connection", i)
	return &vault.Connection{ID: id, Practitioner: id, Access: secret.New(id + string(bytes.Repeat([]byte("x"), o.values)))}
}

// forged is the one damage that no accident makes: it fits the checksum. The claim of the mark cannot help against it.
const forged = "forged meta page"

// memoryDir is a directory in memory where the machine has one: the campaigns are about bytes, not about the disk.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "locum-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// damage is one way to break a file; it changes content or answers another one.
type damage struct {
	name string
	do   func(content []byte, r *rand.Rand) []byte
}

func damages(t testing.TB, others [][]byte) []damage {
	t.Helper()
	page := func(content []byte, r *rand.Rand) []byte { // a random page, the meta pages often
		at := r.IntN(len(content) / 4096)
		if r.IntN(4) == 0 {
			at = r.IntN(2)
		}
		return content[at*4096 : (at+1)*4096]
	}
	flips := func(where []byte, n int, r *rand.Rand) {
		for range n {
			where[r.IntN(len(where))] ^= 1 << r.IntN(8)
		}
	}
	return []damage{
		{"1 to 64 flipped bits", func(c []byte, r *rand.Rand) []byte { flips(c, 1+r.IntN(64), r); return c }},
		{"1 flipped bit", func(c []byte, r *rand.Rand) []byte { flips(c, 1, r); return c }},
		{"flipped bits in one page", func(c []byte, r *rand.Rand) []byte { flips(page(c, r), 1+r.IntN(8), r); return c }},
		{"flipped bits in the head of a page", func(c []byte, r *rand.Rand) []byte { flips(page(c, r)[:128], 1+r.IntN(4), r); return c }},
		{"truncated", func(c []byte, r *rand.Rand) []byte { return c[:r.IntN(len(c))] }},
		{"truncated at a page", func(c []byte, r *rand.Rand) []byte { return c[:r.IntN(len(c)/4096)*4096] }},
		{"zero page", func(c []byte, r *rand.Rand) []byte { clear(page(c, r)); return c }},
		{"garbage page", func(c []byte, r *rand.Rand) []byte { garbage(page(c, r), r); return c }},
		{"garbage sector", func(c []byte, r *rand.Rand) []byte { garbage(page(c, r)[512*r.IntN(8):][:512], r); return c }},
		{"one page over another", func(c []byte, r *rand.Rand) []byte { copy(page(c, r), bytes.Clone(page(c, r))); return c }},
		{"two pages exchanged", func(c []byte, r *rand.Rand) []byte {
			a, b := page(c, r), page(c, r)
			old := bytes.Clone(a)
			copy(a, b)
			copy(b, old)
			return c
		}},
		{"longer", func(c []byte, r *rand.Rand) []byte { return append(c, make([]byte, 1+r.IntN(9000))...) }},
		{forged, func(c []byte, r *rand.Rand) []byte { forgeMeta(c, r); return c }},
		{"old magic", func(c []byte, r *rand.Rand) []byte { oldMagic(c); return c }},
		{"empty file", func([]byte, *rand.Rand) []byte { return nil }},
		{"garbage file", func(c []byte, r *rand.Rand) []byte { garbage(c, r); return c }},
		{"another file", func(_ []byte, r *rand.Rand) []byte { return others[r.IntN(len(others))] }},
	}
}

func garbage(b []byte, r *rand.Rand) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}

// forgeMeta writes a wild number into a field of a meta page and makes its checksum right again.
func forgeMeta(content []byte, r *rand.Rand) {
	wild := []uint64{0, 1, 2, 3, 1 << 16, 1 << 31, 1 << 40, 1<<63 + 7, ^uint64(0), uint64(r.IntN(64)), r.Uint64()}
	at := 4096*r.IntN(2) + 16
	meta := content[at : at+64]
	for range 1 + r.IntN(3) {
		n := wild[r.IntN(len(wild))]
		switch field := r.IntN(7); field {
		case 0:
			putUint32(meta[8:], uint32(n)) // page size
		case 1:
			putUint32(meta[12:], uint32(n)) // flags
		default:
			putUint64(meta[16+8*(field-2):], n) // root, sequence, free list, high-water mark, transaction
		}
	}
	putUint64(meta[56:], sum64(meta[:56]))
}

func oldMagic(content []byte) {
	for _, at := range []int{16, 4096 + 16} {
		putUint32(content[at+4:], 1) // version 1 of the format
		putUint64(content[at+56:], sum64(content[at:at+56]))
	}
}

// TestT062BrokenFiles damages files in all ways and opens each: either a typed error that leaves the file as it was, or an
// open vault that gives what was written and refuses, and counts, what it cannot give. It never makes an empty database,
// never takes memory out of proportion, and what was sound is still there after more writing and a compaction.
func TestT062BrokenFiles(t *testing.T) {
	n := brokenFiles
	if s := os.Getenv("LOCUM_BROKEN_FILES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	small := &original{name: "small", records: 3, values: 100}
	wide := &original{name: "wide", records: 60, values: 10}
	long := &original{name: "long", records: 8, values: 9000}
	packed := &original{name: "compacted", records: 20, values: 1200}
	foreign := &original{name: "another installation's", records: 2, values: 10}
	originals := []*original{small, wide, long, packed}
	for _, o := range append(originals, foreign) {
		o.make(t, o == packed)
	}
	ways := damages(t, [][]byte{foreign.content, foreignBolt(t), []byte("public_url: https://example.org\n")})
	tally := map[string]int{}
	for i := range n {
		b := &brokenCase{t: t, seed: uint64(i), original: originals[i%len(originals)], way: ways[i/len(originals)%len(ways)],
			dir: filepath.Join(memoryDir(t), "data")}
		tally[b.way.name+": "+b.run()]++
		_ = os.RemoveAll(b.dir)
	}
	for _, what := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%5d  %s", tally[what], what)
	}
}

// brokenCase is one damaged file.
type brokenCase struct {
	t        *testing.T
	seed     uint64
	original *original
	way      damage
	dir      string
	broken   []byte
	crashed  bool // the mark is of a running Locum: the newest meta page may be lost without a word
}

func (b *brokenCase) run() string {
	b.t.Helper()
	r := rand.New(rand.NewPCG(62, b.seed))
	hang := time.AfterFunc(2*time.Minute, func() { panic(b.String() + " hangs") })
	defer hang.Stop()
	b.broken = b.way.do(bytes.Clone(b.original.content), r)
	b.crashed = r.IntN(3) == 0 || b.way.name == forged
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		b.t.Fatal(err)
	}
	writeFile(b.t, b.path(), b.broken)
	if !b.crashed {
		writeFile(b.t, b.path()+".mark", b.original.mark)
	}
	v, err := b.open()
	if err != nil {
		return b.refused(err)
	}
	defer v.Close()
	return b.opened(v)
}

func (b *brokenCase) String() string {
	return fmt.Sprintf("case %d (%s, %s, crashed %t)", b.seed, b.original.name, b.way.name, b.crashed)
}

func (b *brokenCase) path() string { return filepath.Join(b.dir, vault.FileName) }

// open bounds the memory that opening takes.
func (b *brokenCase) open() (*vault.Vault, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v, err := vault.Open(b.dir, b.original.key)
	runtime.ReadMemStats(&after)
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(4*len(b.broken)+4<<20); took > most {
		b.t.Errorf("%v: took %d bytes of memory, more than %d", b, took, most)
	}
	return v, err
}

func (b *brokenCase) refused(err error) string {
	b.t.Helper()
	for _, typed := range []error{vault.ErrCorrupt, vault.ErrWrongKey, vault.ErrVersion} {
		if !errors.Is(err, typed) {
			continue
		}
		if !bytes.Equal(readFile(b.t, b.path()), b.broken) {
			b.t.Errorf("%v: the file has changed", b)
		}
		onlyTheDatabase(b.t, b.dir)
		return "refused"
	}
	b.t.Errorf("%v: %v", b, err)
	return "wrong error"
}

func (b *brokenCase) opened(v *vault.Vault) string {
	b.t.Helper()
	refused := b.look(v, vault.ErrIntegrity, nil)
	damaged, err := v.Damaged()
	if err != nil {
		b.t.Errorf("%v: %v", b, err)
	}
	if len(refused) > 0 && len(damaged) == 0 {
		b.t.Errorf("%v: %v refused and not counted", b, refused)
	}
	mustPut(b.t, v, vault.Sessions, "new", &vault.Session{ID: "new"})
	if err := v.Compact(); err != nil {
		b.t.Fatalf("%v: compact: %v", b, err)
	}
	again := b.look(v, vault.ErrNotFound, refused)
	if !slices.Equal(again, refused) {
		b.t.Errorf("%v: %v refused, then %v", b, refused, again)
	}
	if len(refused)+len(damaged) > 0 {
		return "opened, a record refused"
	}
	return "opened whole"
}

// look reads every record; those that are not as they were written must give the refusal. One that is not found at all must
// be among the damaged (its key was hit), or be what the last commit wrote and a crash may have cost.
func (b *brokenCase) look(v *vault.Vault, refusal error, known []string) (refused []string) {
	b.t.Helper()
	for i := range b.original.records {
		want := b.original.record(i)
		c, err := get(v, vault.Connections, want.ID)
		if err == nil && (c.ID != want.ID || c.Access.Reveal() != want.Access.Reveal()) {
			b.t.Errorf("%v: %s gives %q", b, want.ID, c.ID)
		}
		refused = b.judge(refused, want.ID, err, refusal, known)
		s, err := get(v, vault.Sessions, want.ID)
		if err == nil && s.ID != want.ID {
			b.t.Errorf("%v: session %s gives %q", b, want.ID, s.ID)
		}
		refused = b.judge(refused, "session "+want.ID, err, refusal, known)
	}
	a, err := get(v, vault.Accounts, "last")
	if err == nil && a.ID != "last" {
		b.t.Errorf("%v: gives account %q", b, a.ID)
	}
	if b.crashed && errors.Is(err, vault.ErrNotFound) && !slices.Contains(known, "last") {
		err = nil
	}
	return b.judge(refused, "last", err, refusal, known)
}

func (b *brokenCase) judge(refused []string, record string, err, refusal error, known []string) []string {
	b.t.Helper()
	switch {
	case err == nil:
		return refused
	case !errors.Is(err, refusal) && !errors.Is(err, vault.ErrNotFound):
		b.t.Errorf("%v: %s: %v", b, record, err)
	}
	return append(refused, record)
}
