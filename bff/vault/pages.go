package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads the page structure of a bbolt file (format version 2) with plain reads and checks all of it before bbolt
// maps the file: bbolt has no checksums beyond its two meta pages, and follows a damaged page number out of the mapping,
// which ends the process. What the pages carry is the business of the seal.
//
//	page:     id u64 | flags u16 | count u16 | overflow u32 | elements …                  (native byte order)
//	meta:     magic u32 | version u32 | page size u32 | flags u32 | root u64 | sequence u64 | freelist u64 |
//	          high-water mark u64 | transaction u64 | FNV-1a of all before u64
//	branch:   count × {position u32, key size u32, page u64}            position counts from the element itself
//	leaf:     count × {flags u32, position u32, key size u32, value size u32}
//	freelist: count × page u64; a count of 65535 means: the first u64 is the count
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01

	maxDepth = 64       // of a tree of pages; a real one has fewer than ten
	maxNode  = 64 << 20 // bytes of a page with its overflow

	// maxTransaction leaves bbolt room to count: behind the last number comes 0, and it would go on from the older page.
	maxTransaction = 1 << 62
)

var order = binary.NativeEndian

type pageMeta struct {
	pageSize, root, freelist, highWater, transaction uint64
}

// pageChecker walks every page once.
type pageChecker struct {
	file io.ReaderAt
	meta pageMeta
	used []bool // pages met so far
}

// checkPages says what is wrong with a bbolt file, or its last transaction.
func checkPages(file interface {
	io.ReaderAt
	io.Seeker
}) (transaction uint64, err error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("measure: %w", err)
	}
	meta, err := findMeta(file, uint64(size))
	if err != nil {
		return 0, err
	}
	if meta.highWater < 4 || meta.highWater > uint64(size)/meta.pageSize {
		return 0, fmt.Errorf("truncated: %d pages of %d bytes do not fit into %d bytes", meta.highWater, meta.pageSize, size)
	}
	c := &pageChecker{file: file, meta: meta, used: make([]bool, meta.highWater)}
	c.used[0], c.used[1] = true, true
	if err := c.freelist(); err != nil {
		return 0, err
	}
	if err := c.tree(meta.root, part{}); err != nil {
		return 0, err
	}
	for id, used := range c.used {
		if !used {
			return 0, fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return meta.transaction, nil
}

// findMeta picks the newest valid one of the two meta pages, exactly as bbolt does. One may be torn by a crash in
// mid-commit. The header of their pages does not count: bbolt does not look at it.
func findMeta(file io.ReaderAt, size uint64) (pageMeta, error) {
	newest, found := readMeta(file, 0)
	if found && !newest.plausible() {
		return pageMeta{}, errors.New("no page size of a bbolt database")
	}
	pageSizes := []uint64{newest.pageSize}
	if !found {
		pageSizes = nil
		for s := uint64(1024); s <= 1<<16; s *= 2 {
			pageSizes = append(pageSizes, s)
		}
	}
	for _, s := range pageSizes {
		m, ok := readMeta(file, s)
		if ok && m.pageSize != s {
			return pageMeta{}, errors.New("its two meta pages contradict each other")
		}
		if ok && (!found || m.transaction > newest.transaction) {
			newest, found = m, true
		}
	}
	if !found || !newest.plausible() || size < 4*newest.pageSize {
		return pageMeta{}, errors.New("no bbolt database")
	}
	if newest.transaction > maxTransaction {
		return pageMeta{}, fmt.Errorf("no database comes to transaction %d", newest.transaction)
	}
	return newest, nil
}

func readMeta(file io.ReaderAt, at uint64) (pageMeta, bool) {
	var b [pageHeader + metaSize]byte
	if _, err := file.ReadAt(b[:], int64(at)); err != nil {
		return pageMeta{}, false
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(m[:metaSize-8])
	if order.Uint32(m) != boltMagic || order.Uint32(m[4:]) != boltVersion || order.Uint64(m[56:]) != sum.Sum64() {
		return pageMeta{}, false
	}
	return pageMeta{uint64(order.Uint32(m[8:])), order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:]), order.Uint64(m[48:])}, true
}

func (m pageMeta) plausible() bool {
	return m.pageSize >= 1024 && m.pageSize <= 1<<16 && m.pageSize&(m.pageSize-1) == 0
}

// page reads a page with its overflow and marks it used; nothing else may have used it.
func (c *pageChecker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.meta.highWater {
		return nil, fmt.Errorf("page %d does not exist", id)
	}
	var head [pageHeader]byte
	if _, err := c.file.ReadAt(head[:], int64(id*c.meta.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if got := order.Uint64(head[:]); got != id {
		return nil, fmt.Errorf("page %d calls itself %d", id, got)
	}
	pages := 1 + uint64(order.Uint32(head[12:]))
	if pages > c.meta.highWater-id {
		return nil, fmt.Errorf("page %d runs over the end", id)
	}
	if most := c.longest(order.Uint16(head[8:])); pages > most {
		return nil, fmt.Errorf("page %d is %d pages long, more than %d", id, pages, most)
	}
	for i := id; i < id+pages; i++ {
		if c.used[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		c.used[i] = true
	}
	data := make([]byte, pages*c.meta.pageSize)
	if _, err := c.file.ReadAt(data, int64(id*c.meta.pageSize)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return data, nil
}

// longest bounds the pages read as one: a free list has at most one number per page of the file, and no value of Locum's
// comes near maxNode bytes.
func (c *pageChecker) longest(flags uint16) uint64 {
	if flags == freelistPage {
		return 2 + 8*c.meta.highWater/c.meta.pageSize
	}
	return maxNode / c.meta.pageSize
}

func (c *pageChecker) freelist() error {
	id := c.meta.freelist
	data, err := c.page(id)
	if err != nil {
		return err
	}
	if order.Uint16(data[8:]) != freelistPage {
		return fmt.Errorf("page %d is no free list", id)
	}
	count, ids := uint64(order.Uint16(data[10:])), data[pageHeader:]
	if count == 0xFFFF {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d: the free list does not fit", id)
	}
	last := uint64(1)
	for i := range count {
		free := order.Uint64(ids[8*i:])
		if free <= last || free >= c.meta.highWater || c.used[free] {
			return fmt.Errorf("page %d: the free list names page %d", id, free)
		}
		last, c.used[free] = free, true
	}
	return nil
}

// part is where in the trees a page stands: its keys are ordered and lie in [low, high), nil standing for no bound; below
// a branch the first of them is low itself, or bbolt would lose its way when it writes; depth counts pages, nested the
// buckets around it.
type part struct {
	low, high     []byte
	branch        bool
	depth, nested int
}

// tree checks the pages below id.
func (c *pageChecker) tree(id uint64, at part) error {
	data, err := c.page(id)
	if err != nil {
		return err
	}
	return c.elements(id, data, at)
}

func (c *pageChecker) elements(id uint64, data []byte, at part) error {
	flags, count := order.Uint16(data[8:]), int(order.Uint16(data[10:]))
	if flags != branchPage && flags != leafPage || flags == branchPage && count == 0 || at.depth > maxDepth {
		return fmt.Errorf("page %d: wrong kind %#x", id, flags)
	}
	if count == 0 && (at.branch || at.nested > 0 && len(data) > pageHeader) { // an empty bucket is inline, and nothing but a head
		return fmt.Errorf("page %d: empty", id)
	}
	if pageHeader+count*elementSize > len(data) {
		return fmt.Errorf("page %d: %d elements do not fit", id, count)
	}
	free := pageHeader + count*elementSize // where the next element may begin: elements that overlap could nest without end
	for i := range count {
		begin, key, value, err := element(data, i, flags)
		if err != nil {
			return fmt.Errorf("page %d, element %d: %w", id, i, err)
		}
		if begin < free {
			return fmt.Errorf("page %d, element %d: overlaps another", id, i)
		}
		if i == 0 && begin > free { // bbolt leaves no gap: a smaller count would lose the last elements without a word
			return fmt.Errorf("page %d: has not %d elements", id, count)
		}
		free = begin + len(key) + len(value)
		outside := at.low != nil && bytes.Compare(key, at.low) < 0 || at.high != nil && bytes.Compare(key, at.high) >= 0
		if outside || at.branch && i == 0 && !bytes.Equal(key, at.low) || i > 0 && bytes.Equal(key, at.low) {
			return fmt.Errorf("page %d, element %d: out of order", id, i)
		}
		at.low = key
		if err := c.below(id, data, i, value, at); err != nil {
			return err
		}
	}
	return nil
}

// below follows an element of a branch to its page, and one that is a bucket to the bucket's tree or inline page. at.low is
// the element's key. Outside of all buckets, nothing but buckets may stand.
func (c *pageChecker) below(id uint64, data []byte, i int, value []byte, at part) error {
	head := data[pageHeader+i*elementSize:]
	at.depth++
	if order.Uint16(data[8:]) == branchPage {
		if _, next, _, err := element(data, i+1, branchPage); err == nil && i+1 < int(order.Uint16(data[10:])) {
			at.high = next
		}
		at.branch = true
		return c.tree(order.Uint64(head[8:]), at)
	}
	at.low, at.high, at.branch = nil, nil, false
	kind := order.Uint32(head)
	switch {
	case kind == 0 && at.nested > 0:
		return nil
	case kind != bucketLeaf:
		return fmt.Errorf("page %d, element %d: wrong flags %#x", id, i, kind)
	case len(value) < 16:
		return fmt.Errorf("page %d, element %d: no bucket", id, i)
	}
	at.nested++
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, at)
	}
	// An inline page has no place: its number is 0, and bbolt would free the page of any other.
	if len(value) < 16+pageHeader || order.Uint16(value[16+8:]) != leafPage || order.Uint64(value[16:]) != 0 || order.Uint32(value[16+12:]) != 0 {
		return fmt.Errorf("page %d, element %d: no inline bucket", id, i)
	}
	return c.elements(id, value[16:], at)
}

// element gives the key and, on a leaf, the value of element i, and where they begin; both lie inside data.
func element(data []byte, i int, flags uint16) (begin int, key, value []byte, err error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(data) {
		return 0, nil, nil, errors.New("outside its page")
	}
	e := data[at:]
	position, keySize, valueSize := uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])), uint64(0)
	if flags == leafPage {
		position, keySize, valueSize = keySize, uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	}
	if position < elementSize || position+keySize+valueSize > uint64(len(e)) {
		return 0, nil, nil, errors.New("outside its page")
	}
	return at + int(position), e[position : position+keySize], e[position+keySize : position+keySize+valueSize], nil
}
