package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"sync"
	"time"
)

// Bounds of the queue and of one write. Each write but one of outcomes alone is synced, so a crash can cut off little more
// than one.
const (
	maxWaiting = 1024
	maxBatch   = 1 << 20
	maxFrame   = 2 << 10 // of a line, what is not its fields
)

// A sync costs the same for one record and for fifty, and is most of what a record costs. Where records come faster than
// busyRate a second, a sync waits for more of them, step by step while more keep coming. Outcomes wait for company in any
// case, since nobody waits for them; one that finds none is written by itself.
const (
	busyRate    = 1500
	rateOver    = 10 * time.Millisecond
	gatherStep  = time.Millisecond
	gatherSteps = 4
	outcomeWait = 10 * time.Millisecond
)

// Log is an open audit log. All its methods may be called at once from many goroutines.
type Log struct {
	path    string
	run     run
	opened  int64 // where the file ended when it was opened
	keys    keys
	slots   chan struct{} // one per record that somebody waits for
	wake    chan struct{} // somebody waits
	soon    chan struct{} // an outcome is queued
	stopped chan struct{}
	items   sync.Pool // those that somebody waited for, to be used again

	mu      sync.Mutex
	queue   []*item
	spare   []*item // room for a queue
	queued  int     // of queue, about how many somebody waits for
	told    bool    // soon has been told of what is queued
	closed  bool
	probe   bool  // try again although nothing is queued
	failure error // of the last write; nil when it succeeded
	anchor  Anchor

	// Owned by the writer.
	file     *os.File
	info     os.FileInfo
	head     *os.File // names what is durable; see head.go
	headPath string
	headInfo os.FileInfo
	headHash hash.Hash
	headLine []byte
	seen     uint64 // what the head file names, since when
	seenAt   time.Time
	hash     hash.Hash
	written  chain   // what the file holds
	durable  chain   // what the disk holds
	unsynced []*item // outcomes that the file holds and the disk perhaps not
	retry    []*item // outcomes of a failed write
	buffer   []byte
	rate     pace
}

// item is one record on its way.
type item struct {
	fields []byte
	intent bool
	note   bool // an event that nobody waits for
	seq    uint64
	done   chan error // nil for outcomes and notes: nobody waits
	left   bool       // who waited has gone; guarded by Log.mu
}

func (l *Log) item(kind string) *item {
	x, used := l.items.Get().(*item)
	if !used {
		x = &item{fields: make([]byte, 0, 768), done: make(chan error, 1)}
	}
	*x = item{fields: x.fields[:0], done: x.done}
	if kind != "" {
		x.fields = text(x.fields, "kind", kind)
	}
	return x
}

// Open opens the log at path, or creates it with mode 0600 in a directory that exists. What a crash cut off at its end
// is moved to a file beside it, path.torn.N, and recorded as line N. boot names this run of the process.
//
// Open checks the last lines, Verify checks all. Only one process may have the log open; the vault's lock sees to that.
func Open(path string, key []byte, boot string) (*Log, error) {
	l := &Log{
		path: path, headPath: HeadFile(path), run: newRun(boot), keys: deriveKeys(key), slots: make(chan struct{}, maxWaiting),
		wake: make(chan struct{}, 1), soon: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	l.hash, l.headHash = hmac.New(sha256.New, l.keys.chain), hmac.New(sha256.New, l.keys.head)
	if err := l.open(); err != nil {
		return nil, err
	}
	l.anchor, l.opened = Anchor{l.durable.seq, l.durable.mac}, l.durable.offset
	go l.work()
	return l, nil
}

// Healthy is nil when the last write succeeded. Each call also makes the writer look at the file, and try again where the
// last write failed, so that the next call knows.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return unavailable(os.ErrClosed)
	}
	l.probe = true
	l.signal()
	return l.failure
}

// Close writes what is queued, syncs and closes the file. Records that come later are refused.
func (l *Log) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.wake)
	}
	l.mu.Unlock()
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// work is the writer. While one write is synced the next gathers; see busyRate for what else a record may wait for.
func (l *Log) work() {
	defer close(l.stopped)
	due, company := time.NewTimer(seeEvery), time.NewTimer(outcomeWait)
	defer due.Stop()
	defer company.Stop()
	for open := true; open; {
		select {
		case _, open = <-l.wake:
			l.drain()
		case <-l.soon:
			company.Reset(outcomeWait)
		case <-company.C:
			l.drain()
		case <-due.C:
		}
		if wait := l.see(); wait > 0 {
			due.Reset(wait)
		}
	}
	l.finish()
}

func (l *Log) drain() {
	for {
		if l.isBusy(time.Now()) {
			l.gather()
		}
		batch, probe := l.take()
		if len(batch) == 0 && !probe {
			return
		}
		l.commit(batch)
		l.giveBack(batch)
	}
}

// commit writes a batch and syncs unless it is outcomes alone, then says so to each who waits. After an error nothing
// since the last sync counts as written: those who wait are refused, what nobody waits for is kept for the next batch.
func (l *Log) commit(batch []*item) {
	if len(l.retry) > 0 {
		batch = append(l.retry, batch...)
		l.retry = nil
	}
	synced := false
	for _, x := range batch {
		if x.done != nil {
			l.rate.n++
		}
		synced = synced || x.done != nil || x.note
	}
	err := l.attached()
	if err == nil {
		err = l.write(batch)
	}
	if err == nil && synced {
		err = l.sync()
	}
	switch {
	case err != nil:
		l.detach()
		l.retry = unwaited(l.unsynced, batch)
		l.unsynced = nil
	case synced:
		l.unsynced = nil
	default:
		l.unsynced = append(l.unsynced, batch...)
	}
	l.settle(batch, err)
	l.see()
}

func unwaited(lists ...[]*item) (kept []*item) {
	for _, list := range lists {
		for _, x := range list {
			if x.done == nil {
				kept = append(kept, x)
			}
		}
	}
	return kept
}

// settle answers those who wait. An intent that nobody waits for any more was not followed by a call.
func (l *Log) settle(batch []*item, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		err = unavailable(err)
	}
	l.failure, l.anchor = err, Anchor{l.durable.seq, l.durable.mac}
	for _, x := range batch {
		if x.done == nil {
			continue
		}
		if x.left && x.intent && err == nil {
			l.queue = append(l.queue, outcomeItem(x.seq, ResultUnsent, 0))
		}
		x.done <- err
	}
}

func (l *Log) write(batch []*item) error {
	l.buffer = l.buffer[:0]
	next := l.written
	for _, x := range batch {
		l.buffer = next.seal(l.buffer, l.hash, time.Now(), l.run, x.fields)
		x.seq = next.seq
	}
	if _, err := l.file.Write(l.buffer); err != nil {
		return err
	}
	l.written = next
	return nil
}

func (l *Log) sync() error {
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.durable = l.written
	return nil
}

// attached makes sure that the file is open, is still the one at path, and ends where we left it.
func (l *Log) attached() error {
	if l.file == nil {
		return l.open()
	}
	info, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	if !os.SameFile(info, l.info) {
		return l.replaced()
	}
	if info.Size() != l.written.offset {
		return fmt.Errorf("the audit log %s has %d bytes instead of %d: somebody else writes to it", l.path, info.Size(), l.written.offset)
	}
	return nil
}

func (l *Log) detach() {
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.written = nil, l.durable
}

// finish syncs the last outcomes and lets the head file name them, so that a log that was closed has no unseen end.
func (l *Log) finish() {
	if l.file == nil {
		l.closeHead()
		return
	}
	err := l.sync()
	if err == nil {
		err = l.attachHead(l.durable)
	}
	l.closeHead()
	if cerr := l.file.Close(); err == nil {
		err = cerr
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.anchor = Anchor{l.durable.seq, l.durable.mac}
	if err != nil {
		l.failure = unavailable(err)
	}
}
