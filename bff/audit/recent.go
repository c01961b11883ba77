package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"time"
)

// Bounds of Recent.
const (
	maxRecent = 64 << 20
	// reach is how much further back than asked for Recent looks for intents that have no outcome: a call that began earlier
	// has one, since no call is under way for as long.
	reach    = time.Minute
	maxTexts = 100_000 // that are kept once each
)

// kindFreeze is the event of a 429: what it froze, and for how long, stands in its code.
const kindFreeze = "freeze"

var errVersion = errors.New("a line of another version")

// Sent is a request that an earlier run has sent. Its platform may count it still.
type Sent struct {
	Platform, Clinic, Class, Practitioner string
	// Ago is how long ago, at least, its answer had come; where it is not Answered, how long ago its sender had given it up
	// or had ended.
	Ago      time.Duration
	Answered bool
}

// Recent is what the trail tells about the requests sent lately.
type Recent struct {
	Sent   []Sent
	Freeze []Noted
	Gap    *Break // nil: those are all
	Read   int64  // bytes
}

// Noted is an event of the kind "freeze".
type Noted struct {
	Platform, Clinic, Code string
	Ago                    time.Duration // at least
}

// Break is where the trail stops telling. What may have been sent before it was given up, or its sender had ended, at
// least Ago ago.
type Break struct {
	Ago    time.Duration
	Reason string
	Begins time.Time // the date of the first line, where it is the beginning of a new trail
}

// Recent reads the trail backwards, from its end: every request that was on its way in the last while (within) or, of
// those that nobody knows the end of, may have been. It believes no date. Between lines of one clock it counts by that, and
// the time between two clocks counts as none; so nothing was sent later than it says, and after a change of the machine's
// date, a restart of the machine or on another one it is right as well.
//
// It is meant to be called once, behind Open and before anything is sent.
func (l *Log) Recent(within time.Duration) Recent { return l.recent(within, maxRecent) }

func (l *Log) recent(within time.Duration, most int64) Recent {
	f, err := os.Open(l.path)
	if err != nil {
		return Recent{Gap: &Break{Reason: err.Error()}}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Recent{Gap: &Break{Reason: err.Error()}}
	}
	b := backwards{in: f, at: info.Size()}
	w := walk{own: l.run, hash: hmac.New(sha256.New, l.keys.chain), within: within, boot: l.run.boot, clock: l.run.clock,
		up: l.run.up(time.Now()), ended: map[uint64]end{}, texts: map[string]string{}}
	w.all(&b, info.Size(), most)
	w.found.Read = info.Size() - b.at
	return w.found
}

// walk is one reading of the trail from its end.
type walk struct {
	hash   hash.Hash
	within time.Duration
	found  Recent

	own   run    // that which reads
	boot  string // the run that wrote the last line that was read
	clock string // its clock, and the time on it
	up    time.Duration
	age   time.Duration // how long ago that was, at least
	base  time.Duration // how long ago, at least, that run had ended

	begins time.Time
	ended  map[uint64]end // outcomes whose intents are still to come
	texts  map[string]string
	young  int // how many of them are younger than asked for
}

type end struct {
	age    time.Duration
	result string
}

func (w *walk) all(b *backwards, size, most int64) {
	line, err := b.entry()
	for err == nil {
		before, gone := b.entry()
		if gone != nil && !errors.Is(gone, io.EOF) {
			err = gone
			break
		}
		if err = w.read(before, line); err != nil {
			break
		}
		switch {
		case w.age >= w.within+reach && w.young == 0:
			return
		case gone != nil:
			err = gone
		case size-b.at > most:
			err = fmt.Errorf("more than %d MB", most>>20)
		}
		line = before
	}
	w.stop(err)
}

// entry is a line taken apart. The zero entry is the place before the first.
type entry struct {
	seq  uint64
	body []byte
	sum  mac
}

var errBroken = errors.New("a line does not hold")

func (b *backwards) entry() (e entry, err error) {
	line, err := b.line()
	if err != nil {
		return entry{}, err
	}
	var ok bool
	if e.seq, e.body, e.sum, ok = split(line); !ok {
		return entry{}, errBroken
	}
	return e, nil
}

// holds checks a line behind the one before it.
func (w *walk) holds(before, line entry) bool {
	at := chain{seq: before.seq, mac: before.sum}
	at.next(w.hash, line.body)
	return (line.seq == before.seq+1 || before.body == nil) && hmac.Equal(at.mac[:], line.sum[:])
}

// stop says that nothing is known of what came before the last line read. What was under way then may have ended as late
// as its run, or at its outcome, if that has been read.
func (w *walk) stop(why error) {
	if w.age >= w.within+reach && w.young == 0 {
		return
	}
	g := Break{Ago: w.age, Reason: why.Error()}
	if w.age-w.base < reach && !errors.Is(why, errBegins) {
		g.Ago = w.base
	}
	for _, e := range w.ended {
		g.Ago = min(g.Ago, e.age)
	}
	if errors.Is(why, errBegins) {
		g.Begins = w.begins
	}
	w.found.Gap = &g
}

// errBegins says that the run which wrote the line found nothing before it. Whoever wrote what is missing had ended then.
var errBegins = errors.New("the trail begins")

// read takes in one line. An error says that the trail tells nothing of what was before it.
func (w *walk) read(before, line entry) error {
	if !w.holds(before, line) {
		return errBroken
	}
	f := fields{line: line.body}
	date := f.raw("time")
	boot, clock, up := f.raw("boot"), f.raw("clock"), f.micros("up")
	kind := f.raw("kind")
	if f.failed {
		return errVersion
	}
	w.at(boot, clock, up)
	switch string(kind) {
	case "outcome":
		intent := f.uint("intent")
		e := end{age: w.age, result: w.text(f.raw("result"))}
		w.ended[intent] = e
		if e.age < w.within {
			w.young++
		}
	case "intent":
		return w.intent(line.seq, &f)
	case kindFreeze:
		w.found.Freeze = append(w.found.Freeze, Noted{Platform: w.text(f.raw("platform")), Clinic: w.text(f.raw("clinic")),
			Code: w.text(f.raw("code")), Ago: w.age})
	case kindUnwitnessed:
		return fmt.Errorf("%w, as far as anybody can tell: its head file was missing", errBegins)
	case "head":
		if line.seq > 1 {
			return errors.New("the file before was lost under a running Locum")
		}
		w.begins, _ = time.Parse(time.RFC3339Nano, string(date))
		return errBegins
	}
	if f.failed {
		return errVersion
	}
	return nil
}

// at goes back to the time at which a run wrote a line.
func (w *walk) at(boot, clock []byte, up time.Duration) {
	another := string(boot) != w.boot
	if another && w.boot == w.own.boot { // which had not been there before it opened the log
		w.age += max(0, w.up-w.own.begun)
		w.up = w.own.begun
	}
	same := string(clock) == w.clock && (w.clock != "" || !another)
	if another || !same || up > w.up {
		w.base, w.boot, w.clock = w.age, string(boot), string(clock)
	}
	if same && up <= w.up {
		w.age += w.up - up
	}
	w.up = up
}

func (w *walk) intent(seq uint64, f *fields) error {
	s := Sent{Practitioner: w.text(f.raw("who")), Platform: w.text(f.raw("platform")), Clinic: w.text(f.raw("clinic")),
		Class: w.text(f.raw("class")), Ago: w.base}
	if f.failed {
		return errVersion
	}
	e, ended := w.ended[seq]
	if ended {
		delete(w.ended, seq)
		if e.age < w.within {
			w.young--
		}
		s.Ago, s.Answered = e.age, e.result == ResultAnswered
	}
	if s.Ago < w.within && e.result != ResultUnsent {
		w.found.Sent = append(w.found.Sent, s)
	}
	return nil
}

// fields reads the members of a line in the order in which they stand.
type fields struct {
	line   []byte
	failed bool
}

// raw is the next member of that name, a string as it stands. No value can hold what begins a member: its quotes are
// escaped.
func (f *fields) raw(name string) []byte {
	value := f.after(name)
	if len(value) == 0 || value[0] != '"' {
		f.failed = true
		return nil
	}
	end := 1
	for end < len(value) && value[end] != '"' {
		if value[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(value) {
		f.failed = true
		return nil
	}
	f.line = value[end:]
	return value[1:end]
}

// text is what a raw value says; each is kept once.
func (w *walk) text(raw []byte) string {
	if s, known := w.texts[string(raw)]; known {
		return s
	}
	s := string(raw)
	if bytes.IndexByte(raw, '\\') >= 0 {
		_ = json.Unmarshal([]byte(`"`+s+`"`), &s)
	}
	if len(w.texts) < maxTexts {
		w.texts[string(raw)] = s
	}
	return s
}

func (f *fields) uint(name string) uint64 {
	value := f.after(name)
	end := 0
	for end < len(value) && value[end] >= '0' && value[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(string(value[:end]), 10, 63)
	f.line, f.failed = value[end:], f.failed || err != nil
	return n
}

func (f *fields) micros(name string) time.Duration {
	n := f.uint(name)
	if n > uint64((1<<63-1)/time.Microsecond) {
		f.failed = true
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// after is what stands behind `,"name":`.
func (f *fields) after(name string) []byte {
	for rest := f.line; ; {
		i := bytes.IndexByte(rest, ',')
		if i < 0 {
			f.failed = true
			return nil
		}
		rest = rest[i+1:]
		if n := len(name); len(rest) > n+3 && rest[0] == '"' && string(rest[1:n+1]) == name && rest[n+1] == '"' && rest[n+2] == ':' {
			return rest[n+3:]
		}
	}
}

// backwards reads the lines of a file from its end.
type backwards struct {
	in   io.ReaderAt
	at   int64  // what lies before has not been read
	rest []byte // read, and not given out
}

const backwardsBlock = 512 << 10

// line is the line before the last one given; nothing is written into it afterwards. The error is io.EOF at the beginning.
func (b *backwards) line() ([]byte, error) {
	for {
		if n := len(b.rest); n > 0 {
			if i := bytes.LastIndexByte(b.rest[:n-1], '\n') + 1; i > 0 || b.at == 0 {
				line := b.rest[i:]
				b.rest = b.rest[:i:i]
				return line, nil
			}
		}
		switch {
		case b.at == 0:
			return nil, io.EOF
		case len(b.rest) > maxLine:
			return nil, errors.New("a line that does not end")
		}
		size := min(backwardsBlock, b.at)
		more := make([]byte, size, size+int64(len(b.rest)))
		if _, err := b.in.ReadAt(more, b.at-size); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		b.at, b.rest = b.at-size, append(more, b.rest...)
	}
}
