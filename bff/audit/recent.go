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

// KindRestored is the event of a data directory that was put back: what was sent after the backup stands in another trail.
const KindRestored = "vault_restored"

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
// those that nobody knows the end of, may have been; and, as far as a quarter of what it reads at most goes, what was frozen
// in a longer while (frozen). It believes no date. Between lines of one clock it counts by that, and
// the time between two clocks counts as none; so nothing was sent later than it says, and after a change of the machine's
// date, a restart of the machine or on another one it is right as well.
//
// It is meant to be called once, behind Open and before anything is sent. What was written since Open is not read: the writer
// may be in the middle of it.
func (l *Log) Recent(within, frozen time.Duration) Recent { return l.recent(within, frozen, maxRecent) }

func (l *Log) recent(within, frozen time.Duration, most int64) Recent {
	f, err := os.Open(l.path)
	if err != nil {
		return Recent{Gap: &Break{Reason: err.Error()}}
	}
	defer f.Close()
	b := backwards{in: f, at: l.opened}
	w := walk{own: l.run, hash: hmac.New(sha256.New, l.keys.chain), within: within, frozen: frozen, boot: l.run.boot,
		clock: l.run.clock, up: l.run.up(time.Now()), ended: map[uint64]end{}, texts: map[string]string{}}
	w.all(&b, l.opened, most)
	w.found.Read = l.opened - b.at
	return w.found
}

// walk is one reading of the trail from its end.
type walk struct {
	hash           hash.Hash
	within, frozen time.Duration
	found          Recent

	own   run    // that which reads
	boot  string // the run that wrote the last line that was read
	clock string // its clock, and the time on it
	up    time.Duration
	age   time.Duration // how long ago that was, at least
	base  time.Duration // how long ago, at least, that run had ended
	last  time.Duration // how long ago, at least, it had written its last line

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
		case w.done() && (w.age >= w.frozen || size-b.at > most/4):
			return
		case gone != nil:
			err = gone
		case size-b.at > most && !w.done():
			err = fmt.Errorf("more than %d MB", most>>20)
		}
		line = before
	}
	w.stop(err)
}

// holds checks a line behind the one before it.
func (w *walk) holds(before, line entry) bool {
	at := chain{seq: before.seq, mac: before.sum}
	at.next(w.hash, line.body)
	return (line.seq == before.seq+1 || before.body == nil) && hmac.Equal(at.mac[:], line.sum[:])
}

// done says whether no request of an earlier line can count any more. A run that stood still for long before it was killed
// has left its last ones open, however old they are.
func (w *walk) done() bool {
	return w.age >= w.within+reach && w.young == 0 && (w.base >= w.within || w.age-w.last >= reach)
}

// stop says that nothing is known of what came before the last line read. What was under way then may have ended as late
// as its run, or at its outcome, if that has been read.
func (w *walk) stop(why error) {
	if w.done() {
		return
	}
	g := Break{Ago: w.age, Reason: why.Error()}
	if w.age-w.last < reach && !errors.Is(why, errBegins) {
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
	if w.done() && string(kind) != kindFreeze {
		return nil
	}
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
	case KindRestored:
		return fmt.Errorf("%w, as far as anybody can tell: the data directory came out of a backup", errBegins)
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
	next := another || !same || up > w.up
	if next {
		w.base, w.boot, w.clock = w.age, string(boot), string(clock)
	}
	if same && up <= w.up {
		w.age += w.up - up
	}
	if w.up = up; next {
		w.last = w.age
	}
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
