package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tail is how much of the file's end Open checks: several times what one write can leave unfinished.
const tail = 4 * maxBatch

var errNotOurs = errors.New("it was changed, or this is not its key. Put the log back as it was; if that cannot be, move it away " +
	"together with its head file, keep both as evidence, and a new log begins")

// open attaches the log to its files: finds the last line that holds, sets aside what stands behind it, and writes the
// head of a new file, what was cut off, that a log which had failed goes on, and that the head file was not there. All is
// on disk when it returns nil. A log that ends before what its head file has seen is left alone.
func (l *Log) open() (err error) {
	resumed := l.durable.seq > 0
	witness, witnessed, err := l.witness(resumed)
	if err != nil {
		return err
	}
	f, info, err := l.openFile(resumed || witness.seq == 0)
	if errors.Is(err, os.ErrNotExist) && witness.seq > 0 {
		return l.cut(0, witness.seq)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	at := l.durable
	if !resumed {
		at, err = l.lastLine(f, info.Size(), witness)
	} else if info.Size() > 0 {
		err = l.stillThere(f, info.Size())
	}
	if errors.Is(err, errNotOurs) {
		return fmt.Errorf("the audit log %s: %w", l.path, err)
	}
	if err != nil {
		return err
	}
	cut, err := l.setAside(f, at, info.Size())
	if err != nil {
		return err
	}
	o := opening{fresh: info.Size() == 0 || at.offset == 0, resumed: resumed, cut: cut}
	o.unwitnessed = !witnessed && !resumed && !o.fresh
	if err = l.begin(f, at, o); err != nil {
		return err
	}
	l.file, l.info = f, info
	return nil
}

// openFile opens the log, or makes it where it may be made, and closes it to other users.
func (l *Log) openFile(create bool) (f *os.File, info os.FileInfo, err error) {
	flags := os.O_RDWR | os.O_APPEND
	if create {
		flags |= os.O_CREATE
	}
	if f, err = os.OpenFile(l.path, flags, 0o600); err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = f.Chmod(0o600)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// witness is what the head file has seen. A running process knows better than its file.
func (l *Log) witness(resumed bool) (at chain, found bool, err error) {
	if resumed {
		return chain{}, true, nil
	}
	at, err = readHead(l.path, l.keys.head)
	if errors.Is(err, os.ErrNotExist) {
		return chain{}, false, nil
	}
	if errors.Is(err, errHeadBroken) {
		err = fmt.Errorf("%s: %w. Put it back, or move it away: the log then goes on and says that it did so", l.headPath, err)
	}
	return at, err == nil, err
}

// cut says that lines are missing at the end. No crash does that.
func (l *Log) cut(last, seen uint64) error {
	return fmt.Errorf("the audit log %s ends with record %d, but its head file %s has seen record %d: the log was cut, or is an older file. "+
		"Put the newest log back. If there is none, because a backup was restored, move the head file away: "+
		"the log then goes on and says that it did so", l.path, last, l.headPath, seen)
}

func (l *Log) replaced() error {
	return fmt.Errorf("another file stands in the place of the audit log %s: put the log back", l.path)
}

// opening is what there is to say when the file is opened.
type opening struct {
	fresh, resumed, unwitnessed bool
	cut                         []byte // fields; nil: nothing was cut off
}

// begin writes the lines that say how the file was opened. The head file of a new log is there before its log, and that
// of an old log, where it was missing, after the line that says so: a crash in between hides nothing.
func (l *Log) begin(f *os.File, at chain, o opening) error {
	if o.fresh && !o.resumed {
		if err := l.attachHead(chain{}); err != nil {
			return err
		}
	}
	var b []byte
	add := func(fields []byte) { b = at.seal(b, l.hash, time.Now(), l.run, fields) }
	if o.fresh {
		// A new file. Where the one before was lost under a running process, seq goes on and shows the gap.
		at = chain{seq: at.seq}
		add(text(text(nil, "kind", "head"), "format", "locum-audit-1"))
	}
	if o.cut != nil {
		add(o.cut)
	}
	if o.resumed {
		add(text(nil, "kind", "resumed"))
	}
	if o.unwitnessed {
		add(text(nil, "kind", kindUnwitnessed))
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if o.fresh {
		if err := syncDir(filepath.Dir(l.path)); err != nil {
			return err
		}
	}
	l.written, l.durable = at, at
	return l.attachHead(at)
}

// lastLine walks the end of the file and answers where the chain holds up to; that is not before what the head file has
// seen, and includes it.
func (l *Log) lastLine(f *os.File, size int64, witness chain) (chain, error) {
	start := max(0, size-tail)
	b := make([]byte, size-start)
	if _, err := f.ReadAt(b, start); err != nil && err != io.EOF {
		return chain{}, err
	}
	at := chain{offset: start}
	if start > 0 { // begin behind the first whole line; its own mac is taken as it stands
		first := bytes.IndexByte(b, '\n') + 1
		second := first + bytes.IndexByte(b[first:], '\n') + 1
		seq, _, sum, ok := split(b[first:second])
		if !ok {
			return chain{}, errNotOurs
		}
		at, b = chain{seq: seq, mac: sum, offset: start + int64(second)}, b[second:]
	}
	before := at
	for line := range bytes.Lines(b) {
		if at.offset == 0 { // the head may carry any number
			if seq, _, _, ok := split(line); ok {
				at.seq = seq - 1
			}
		}
		if !at.follows(l.hash, line) {
			break
		}
		if at.seq == witness.seq && at.mac != witness.mac {
			return chain{}, fmt.Errorf("record %d is not the one that the head file has seen: %w", at.seq, errNotOurs)
		}
	}
	if at.offset == 0 {
		at.seq = 0
	}
	if err := crashed(at, b[at.offset-before.offset:]); err != nil {
		return chain{}, err
	}
	if at.seq < witness.seq {
		return chain{}, l.cut(at.seq, witness.seq)
	}
	return at, nil
}

// crashed says whether what stands behind the last good line can be the work of a crash: little, and broken off or with
// holes. A whole line that does not verify was changed, or the key is another; then nothing is touched.
func crashed(at chain, rest []byte) error {
	end := bytes.IndexByte(rest, '\n') + 1
	_, _, _, whole := split(rest[:end])
	switch {
	case whole && !bytes.Contains(rest[:end], []byte{0}):
		return fmt.Errorf("the line behind record %d does not verify with this key: %w", at.seq, errNotOurs)
	case len(rest) > 2*maxBatch:
		return fmt.Errorf("%d bytes behind record %d do not verify: %w", len(rest), at.seq, errNotOurs)
	}
	return nil
}

// stillThere checks, after a failure, that the file still ends with what was durable, or goes on behind it.
func (l *Log) stillThere(f *os.File, size int64) error {
	if size < l.durable.offset {
		return fmt.Errorf("the audit log %s is %d bytes shorter than it was: put the whole log back", l.path, l.durable.offset-size)
	}
	end := make([]byte, sealLength)
	if _, err := f.ReadAt(end, l.durable.offset-int64(len(end))); err != nil {
		return err
	}
	want := append([]byte(sealMark), b64.AppendEncode(nil, l.durable.mac[:])...)
	if !bytes.HasPrefix(end, want) {
		return l.replaced()
	}
	return nil
}

// setAside moves what stands behind the last good line to path.torn.N, N being the number of the line that will record
// it, and answers that line's fields, or nil. The copy is durable before the log is cut, and a copy that no line has
// recorded yet is found again: nothing is dropped in silence.
func (l *Log) setAside(f *os.File, at chain, size int64) ([]byte, error) {
	torn := l.path + ".torn." + strconv.FormatUint(at.seq+1, 10)
	if size > at.offset && size > 0 {
		b := make([]byte, size-at.offset)
		if _, err := f.ReadAt(b, at.offset); err != nil {
			return nil, err
		}
		if err := appendFile(torn, b); err != nil {
			return nil, err
		}
		if err := f.Truncate(at.offset); err != nil {
			return nil, err
		}
	}
	b, err := os.ReadFile(torn)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	fields := number(text(nil, "kind", "torn"), "bytes", uint64(len(b)))
	return text(fields, "sha256", b64.EncodeToString(sum[:])), nil
}

func appendFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
