package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Anchor is one line of a log as somebody elsewhere remembers it: its number and its mac. Whoever changes a log together
// with everything beside it cannot make it hold this line again, unless it did. It says nothing about anybody.
type Anchor struct {
	Seq uint64
	mac mac
}

// String writes an anchor as ParseAnchor reads it: 17:base64url.
func (a Anchor) String() string {
	return strconv.FormatUint(a.Seq, 10) + ":" + b64.EncodeToString(a.mac[:])
}

// maxAnchors bounds what FindAnchors takes from one text: more than an anchor an hour in fifty years.
const maxAnchors = 500_000

// ParseAnchor reads what String has written.
func ParseAnchor(text string) (Anchor, error) {
	number, sum, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	a := Anchor{Seq: seq}
	if err != nil || seq == 0 || len(sum) != b64.EncodedLen(len(a.mac)) {
		return Anchor{}, errors.New("an anchor is written as NUMBER:MAC, as Locum printed it")
	}
	if _, err := b64.Strict().Decode(a.mac[:], []byte(sum)); err != nil {
		return Anchor{}, errors.New("an anchor is written as NUMBER:MAC, as Locum printed it")
	}
	return a, nil
}

// FindAnchors finds every anchor in a text, such as the log of the process. A text that holds none is an error: it proves
// nothing.
func FindAnchors(r io.Reader) ([]Anchor, error) {
	found := []Anchor{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		for word := range strings.FieldsFuncSeq(lines.Text(), outsideAnchors) {
			a, err := ParseAnchor(word)
			if err != nil {
				continue
			}
			if found = append(found, a); len(found) > maxAnchors {
				return nil, fmt.Errorf("more than %d anchors", maxAnchors)
			}
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(found) == 0:
		return nil, errors.New("it holds no anchor")
	}
	return found, nil
}

func outsideAnchors(r rune) bool {
	return r != ':' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// Anchor is the last line that is on the disk, for a place outside this machine. It may be asked for after Close.
func (l *Log) Anchor() Anchor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.anchor
}
