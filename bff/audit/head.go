package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The head file, audit.head beside audit.log, has seen the log: it names a line that was on the disk before the file said so, in one line
// of fixed length, so that it is overwritten in place:
//
//	{"format":"locum-audit-head-1","seq":"00000000000000000017","mac":"that line's mac","seal":"base64url(HMAC-SHA256(key, seq | mac))"}
//
// It is written after a sync of the log, a few times a second at most, and is itself synced when the log is opened and
// closed only: a crash may leave it behind the log, nothing leaves it before. So a log that ends before what its head file
// has seen was cut, or is an older file. Log and head file both older, or both gone, show by an Anchor that was kept
// elsewhere. Its name comes before the log's: who copies one file after the other has a head file no newer than the log.
const (
	seeEvery   = 250 * time.Millisecond
	headSuffix = ".head"
	headBegin  = `{"format":"locum-audit-head-1","seq":"`
	headMAC    = `","mac":"`
	headSeal   = `","seal":"`
	headEnd    = "\"}\n"
)

var errHeadBroken = errors.New("the head file beside the audit log was changed, or this is not its key")

// HeadFile is the name of the head file of the log at path.
func HeadFile(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + headSuffix }

// sealHead appends the whole content of a head file to b. Line 0 is the place before the first line.
func sealHead(b []byte, h hash.Hash, at chain) []byte {
	b = append(b, headBegin...)
	b = fmt.Appendf(b, "%020d", at.seq)
	b = append(b, headMAC...)
	b = b64.AppendEncode(b, at.mac[:])
	h.Reset()
	h.Write(b)
	var sum mac
	b = append(b, headSeal...)
	b = b64.AppendEncode(b, h.Sum(sum[:0]))
	return append(b, headEnd...)
}

// openHead is the line that a head file names, or errHeadBroken.
func openHead(key, content []byte) (at chain, err error) {
	rest, ok := strings.CutPrefix(string(content), headBegin)
	digits, rest, found := strings.Cut(rest, headMAC)
	encoded, _, sealed := strings.Cut(rest, headSeal)
	if !ok || !found || !sealed {
		return chain{}, errHeadBroken
	}
	if at.seq, err = strconv.ParseUint(digits, 10, 64); err != nil {
		return chain{}, errHeadBroken
	}
	if n, err := b64.Strict().Decode(at.mac[:], []byte(encoded[:min(len(encoded), b64.EncodedLen(len(at.mac)))])); err != nil || n != len(at.mac) {
		return chain{}, errHeadBroken
	}
	if !hmac.Equal(content, sealHead(nil, hmac.New(sha256.New, key), at)) {
		return chain{}, errHeadBroken
	}
	return at, nil
}

// readHead reads the head file of the log at path: an error of the os package, or errHeadBroken. It reads again what a
// running log may have been writing in that moment. An empty file is none: a crash came between making and writing it.
func readHead(path string, key []byte) (at chain, err error) {
	for range 50 {
		var f *os.File
		if f, err = os.Open(HeadFile(path)); err != nil {
			return chain{}, err
		}
		content, failed := io.ReadAll(io.LimitReader(f, 1<<10))
		_ = f.Close()
		if failed != nil {
			return chain{}, failed
		}
		if at, err = openHead(key, content); err == nil {
			return at, nil
		}
		if len(content) == 0 {
			err = fmt.Errorf("%s is empty: %w", HeadFile(path), os.ErrNotExist)
		}
	}
	return chain{}, err
}

// attachHead opens the head file, or makes one, and has it name the last line on the disk, durably.
func (l *Log) attachHead(at chain) error {
	f, err := os.OpenFile(l.headPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(sealHead(nil, l.headHash, at), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(l.path))
	}
	info, serr := f.Stat()
	if err = errors.Join(err, serr); err != nil {
		_ = f.Close()
		return err
	}
	l.closeHead()
	l.head, l.headInfo, l.seen, l.seenAt = f, info, at.seq, time.Now()
	return nil
}

// see lets the head file name what is durable by now, at most every seeEvery: a write costs little and the sync of the
// log that comes after it a good deal. It answers how long to wait until it may, 0 when there is nothing more to say.
func (l *Log) see() (wait time.Duration) {
	if l.file == nil || l.seen == l.durable.seq {
		return 0
	}
	if wait := seeEvery - time.Since(l.seenAt); wait > 0 {
		return wait
	}
	if err := l.name(); err != nil {
		// What is durable stands; the next batch opens both files again, or says why it cannot, and writes the outcomes that
		// the disk may not have.
		l.detach()
		l.retry, l.unsynced = l.unsynced, nil
		l.mu.Lock()
		l.failure = unavailable(err)
		l.mu.Unlock()
	}
	return 0
}

// name writes into the head file that is there, or makes a new one where it was taken away: this process knows.
func (l *Log) name() error {
	info, err := os.Stat(l.headPath)
	if err != nil || !os.SameFile(info, l.headInfo) {
		return l.attachHead(l.durable)
	}
	l.headLine = sealHead(l.headLine[:0], l.headHash, l.durable)
	_, err = l.head.WriteAt(l.headLine, 0)
	l.seen, l.seenAt = l.durable.seq, time.Now()
	return err
}

func (l *Log) closeHead() {
	if l.head != nil {
		_ = l.head.Close()
	}
	l.head, l.headInfo = nil, nil
}
