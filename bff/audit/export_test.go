package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"
)

// Fill takes every place in the queue, as a disk that hangs would.
func (l *Log) Fill() {
	for range maxWaiting {
		l.slots <- struct{}{}
	}
}

// Takes gives the sizes of the batches in which n records of a size are taken from the queue.
func Takes(n, size int) (sizes []int) {
	l := &Log{}
	for range n {
		l.queue = append(l.queue, &item{fields: make([]byte, size)})
	}
	for {
		batch, _ := l.take()
		if len(batch) == 0 {
			return sizes
		}
		sizes = append(sizes, len(batch)*size)
	}
}

// RecentOf is Recent that reads so many bytes at most, and a block.
func (l *Log) RecentOf(within time.Duration, most int64) Recent {
	return l.recent(within, within, most)
}

// Forger writes a log whose clocks are as a test wants them.
type Forger struct {
	keys keys
	at   chain
	text []byte
}

// NewForger begins one that is sealed with key.
func NewForger(key []byte) *Forger { return &Forger{keys: deriveKeys(key)} }

// Line adds a line of a run, at a time of its clock.
func (f *Forger) Line(boot, clock, date string, up time.Duration, fields string) {
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		panic(err)
	}
	f.text = f.at.seal(f.text, hmac.New(sha256.New, f.keys.chain), at, run{boot, at, clock, up}, []byte(fields))
}

// Old adds a line as versions wrote it that did not count their time.
func (f *Forger) Old(boot, date, fields string) {
	f.at.seq++
	b := fmt.Appendf(nil, `{"seq":%d,"time":%q,"boot":%q%s`, f.at.seq, date, boot, fields)
	f.at.next(hmac.New(sha256.New, f.keys.chain), b)
	f.text = append(f.text, fmt.Sprintf("%s%s%s\"}\n", b, sealMark, b64.EncodeToString(f.at.mac[:]))...)
}

// Save writes the log and its head file.
func (f *Forger) Save(path string) error {
	head := sealHead(nil, hmac.New(sha256.New, f.keys.head), f.at)
	return errors.Join(os.WriteFile(path, f.text, 0o600), os.WriteFile(HeadFile(path), head, 0o600))
}
