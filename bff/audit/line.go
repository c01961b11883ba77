package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a line. maxLine is far above what maxValue allows; a longer one was not written by us.
const (
	maxValue = 256
	maxLine  = 64 << 10
)

var b64 = base64.RawURLEncoding

// mac is the keyed hash at the end of a line.
type mac [sha256.Size]byte

// keys are derived from the key given, one per use.
type keys struct{ chain, record, head []byte }

func deriveKeys(key []byte) keys {
	derive := func(use string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte("locum audit v1 " + use))
		return h.Sum(nil)
	}
	return keys{chain: derive("chain"), record: derive("record"), head: derive("head")}
}

// RecordMAC is what stands in the "record" field for a record's id at a clinic: 22 base64url characters. It finds every
// access to one record for who knows the key and the id.
func RecordMAC(key []byte, platform, clinic, id string) string {
	return recordMAC(deriveKeys(key).record, platform, clinic, id)
}

func recordMAC(key []byte, platform, clinic, id string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(platform + "\x00" + clinic + "\x00" + id))
	return b64.EncodeToString(h.Sum(nil)[:16])
}

// text appends `,"name":"value"`.
func text(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	b = clean(b, value)
	return append(b, '"')
}

func number(b []byte, name string, n uint64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendUint(b, n, 10)
}

// clean appends value as the inside of a JSON string: cut at maxValue bytes, with whatever could end the line, move a
// terminal's cursor or reverse the text written as an escape. Bytes that are not UTF-8 become U+FFFD.
func clean(b []byte, value string) []byte {
	cut := len(value) > maxValue
	if cut {
		n := maxValue
		for n > 0 && !utf8.RuneStart(value[n]) { // never inside a character
			n--
		}
		value = value[:n]
	}
	plain := 0
	for plain < len(value) && isPlain[value[plain]] {
		plain++
	}
	b, value = append(b, value[:plain]...), value[plain:]
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0xfeff:
			b = append(b, '\\', 'u')
			const hex = "0123456789abcdef"
			b = append(b, hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	if cut {
		b = append(b, "…"...)
	}
	return b
}

// isPlain are the bytes that stand for themselves: printable ASCII but quote and backslash. Nearly all values hold no others.
var isPlain = func() (set [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// chain is where the log stands: the last line, its mac, and the offset behind it.
type chain struct {
	seq    uint64
	mac    mac
	offset int64
}

const sealMark = `,"mac":"`

var sealLength = len(sealMark) + b64.EncodedLen(sha256.Size) + len("\"}\n")

// run is one run of the process: its name, when it opened the log, and what the machine's clock said then, if it has one
// that nobody sets.
type run struct {
	boot  string
	since time.Time
	clock string
	begun time.Duration
}

func newRun(boot string) run {
	r := run{boot: boot, since: time.Now()}
	r.clock, r.begun = machineClock()
	return r
}

// up is the time of the run's clock, not before it began.
func (r run) up(now time.Time) time.Duration { return r.begun + max(0, now.Sub(r.since)) }

// seal appends the next line, made of the fields, to b and moves the chain on.
func (c *chain) seal(b []byte, h hash.Hash, now time.Time, by run, fields []byte) []byte {
	start := len(b)
	c.seq++
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, c.seq, 10)
	b = append(b, `,"time":"`...)
	b = now.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = text(b, "boot", by.boot)
	b = text(b, "clock", by.clock)
	b = number(b, "up", uint64(by.up(now).Microseconds()))
	b = append(b, fields...)
	c.next(h, b[start:])
	b = append(b, sealMark...)
	b = b64.AppendEncode(b, c.mac[:])
	b = append(b, "\"}\n"...)
	c.offset += int64(len(b) - start)
	return b
}

// next computes the mac of a line's body behind the mac of the line before.
func (c *chain) next(h hash.Hash, body []byte) {
	h.Reset()
	h.Write(c.mac[:])
	h.Write(body)
	h.Sum(c.mac[:0])
}

// split takes a whole line apart. ok is false for what is not of the form of a line.
func split(line []byte) (seq uint64, body []byte, sum mac, ok bool) {
	n := len(line) - sealLength
	if n < 0 || string(line[n:n+len(sealMark)]) != sealMark || string(line[len(line)-3:]) != "\"}\n" {
		return 0, nil, mac{}, false
	}
	body = line[:n]
	encoded := line[n+len(sealMark) : len(line)-3]
	if _, err := b64.Strict().Decode(sum[:], encoded); err != nil {
		return 0, nil, mac{}, false
	}
	digits, found := strings.CutPrefix(string(body[:min(len(body), 32)]), `{"seq":`)
	digits, _, comma := strings.Cut(digits, ",")
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, body, sum, found && comma && err == nil
}

// follows checks that a line is the next of the chain, and moves the chain on if it is.
func (c *chain) follows(h hash.Hash, line []byte) (ok bool) {
	seq, body, sum, ok := split(line)
	if !ok || seq != c.seq+1 {
		return false
	}
	next := *c
	next.next(h, body)
	if !hmac.Equal(next.mac[:], sum[:]) {
		return false
	}
	c.seq, c.mac = seq, sum
	c.offset += int64(len(line))
	return true
}
