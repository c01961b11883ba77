package audit

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// Report is what Verify found in a log that holds.
type Report struct {
	Lines, Intents int
	Open           int // intents without an outcome: unknown, or still under way
	Torn           int // times that a crash cut off the end, see path.torn.N
	// Unfinished is how many bytes at the end are no record yet, behind all that the head file has seen: a running Locum
	// is writing them, or a crash broke them off and the next start will set them aside.
	Unfinished  int
	Gaps        []Gap
	FirstSeq    uint64
	LastSeq     uint64
	First, Last time.Time
	Anchor      Anchor // of the last line, to be kept elsewhere
}

// Gap is a place where Locum itself has recorded that lines may be missing.
type Gap struct {
	Line   int
	Reason string
}

// VerifyError names the first line that does not hold. The lines before it do.
type VerifyError struct {
	Line   int
	Reason string
}

func (e *VerifyError) Error() string { return fmt.Sprintf("audit log, line %d: %s", e.Line, e.Reason) }

// Verify reads the whole log in constant memory but for the open intents, and checks that each line stands as it was
// written, behind the line it was written behind; that the log goes on at least as far as its head file has seen; and that
// it holds the line of each anchor. It may read a log that is being written. The error is a *VerifyError, or that of a
// file.
//
// What it cannot see: lines behind the last anchor that are missing from a log whose head file is as old as itself.
func Verify(path string, key []byte, anchors ...Anchor) (Report, error) {
	k := deriveKeys(key)
	v := verifier{hash: hmac.New(sha256.New, k.chain), open: map[uint64]bool{}, anchors: map[uint64][]Anchor{}}
	for _, a := range anchors {
		v.anchors[a.Seq] = append(v.anchors[a.Seq], a)
	}
	v.witness, v.witnessErr = readHead(path, k.head) // before the log, which by then has what it names
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) && v.witness.seq > 0 {
		return Report{}, v.fail("the file is missing; its head file has seen %d records", v.witness.seq)
	}
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	v.in = bufio.NewReaderSize(f, maxLine)
	err = v.all()
	v.report.Open, v.report.LastSeq = len(v.open), v.at.seq
	v.report.Anchor = Anchor{v.at.seq, v.at.mac}
	return v.report, err
}

// verifier is one reading of a log.
type verifier struct {
	in         *bufio.Reader
	hash       hash.Hash
	at         chain
	open       map[uint64]bool
	witness    chain // what the head file has seen
	witnessErr error
	anchors    map[uint64][]Anchor // not met yet
	report     Report
}

func (v *verifier) fail(format string, args ...any) error {
	return &VerifyError{Line: v.report.Lines + 1, Reason: fmt.Sprintf(format, args...)}
}

func (v *verifier) all() error {
	for {
		line, err := v.in.ReadSlice('\n')
		reason := ""
		switch {
		case err == io.EOF && len(line) == 0:
			return v.end()
		case err == io.EOF:
			reason = "cut off: the line does not end"
		case errors.Is(err, bufio.ErrBufferFull):
			reason = "longer than any line of a log"
		case err != nil:
			return err
		default:
			reason = v.check(line)
		}
		if reason == "" {
			continue
		}
		atEnd := err == io.EOF
		rest, err := v.rest(line)
		if err == nil && atEnd && len(rest) > len(line) { // it has grown since: what ended in the middle of a line goes on
			v.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(rest), v.in), maxLine)
			continue
		}
		if err != nil || !v.unfinished(rest) {
			return errors.Join(err, v.fail("%s", reason))
		}
		return v.end()
	}
}

// rest is a line and what stands behind it, or as much as tells whether a crash left it.
func (v *verifier) rest(line []byte) ([]byte, error) {
	rest := append([]byte(nil), line...)
	more, err := io.ReadAll(io.LimitReader(v.in, 2*maxBatch+1))
	return append(rest, more...), err
}

// unfinished says whether that is the end of a log that is being written, or that a crash broke off.
func (v *verifier) unfinished(rest []byte) bool {
	if v.at.seq < v.witness.seq || crashed(v.at, rest) != nil {
		return false
	}
	v.report.Unfinished = len(rest)
	return true
}

// end is behind the last line that holds.
func (v *verifier) end() error {
	switch {
	case v.at.seq < v.witness.seq:
		return v.fail("%d records are missing at the end: the last one is %d, and the head file has seen %d", v.witness.seq-v.at.seq, v.at.seq, v.witness.seq)
	case v.report.Lines == 0 && v.witnessErr != nil:
		return v.fail("the log is empty: its head is missing")
	case errors.Is(v.witnessErr, os.ErrNotExist):
		return v.fail("the head file is not beside the log: nobody can tell what is missing behind the line before")
	case v.witnessErr != nil:
		return v.fail("%v", v.witnessErr)
	}
	if len(v.anchors) == 0 {
		return nil
	}
	return v.fail("record %d, which an anchor names, is not here: the log has records %d to %d",
		slices.Min(slices.Collect(maps.Keys(v.anchors))), v.report.FirstSeq, v.at.seq)
}

// check is "" for a line that holds.
func (v *verifier) check(line []byte) string {
	seq, _, _, ok := split(line)
	if !ok {
		return "not a line of the log"
	}
	before, first := v.at, v.report.Lines == 0
	if first {
		v.at.seq = seq - 1
	}
	reason := ""
	switch want := v.at.seq + 1; {
	case seq > want:
		reason = fmt.Sprintf("%d lines are missing before it: it has number %d instead of %d", seq-want, seq, want)
	case seq < want:
		reason = fmt.Sprintf("in the wrong place: it has number %d instead of %d", seq, want)
	case !v.at.follows(v.hash, line):
		reason = "changed, or sealed with another key"
	default:
		reason = v.count(line, first)
	}
	if reason != "" {
		v.at = before
	}
	return reason
}

// count takes what the report says from a line whose seal holds.
func (v *verifier) count(line []byte, first bool) string {
	var l struct {
		Time   time.Time `json:"time"`
		Kind   string    `json:"kind"`
		Intent uint64    `json:"intent"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return "not JSON"
	}
	if first != (l.Kind == "head") {
		return "the head must be the first line, and only that"
	}
	if reason := v.remembered(); reason != "" {
		return reason
	}
	v.report.Lines++
	v.report.Last = l.Time
	switch l.Kind {
	case "head":
		v.report.First, v.report.FirstSeq = l.Time, v.at.seq
		if v.at.seq > 1 {
			v.gap("begins with record %d: the %d before it are not in this file", v.at.seq, v.at.seq-1)
		}
	case "intent":
		v.report.Intents++
		v.open[v.at.seq] = true
	case "outcome":
		delete(v.open, l.Intent)
	case "torn":
		v.report.Torn++
	case kindUnwitnessed:
		v.gap("Locum started here without the log's head file: nobody can tell what was missing before this line")
	}
	return ""
}

func (v *verifier) gap(format string, args ...any) {
	v.report.Gaps = append(v.report.Gaps, Gap{Line: v.report.Lines, Reason: fmt.Sprintf(format, args...)})
}

// remembered compares a line with what the head file and the anchors say about its number.
func (v *verifier) remembered() string {
	if v.at.seq == v.witness.seq && v.at.mac != v.witness.mac {
		return fmt.Sprintf("record %d is not the one that the head file has seen: this is another file", v.at.seq)
	}
	for _, a := range v.anchors[v.at.seq] {
		if a.mac != v.at.mac {
			return fmt.Sprintf("record %d is not the one that an anchor names: this is another file", v.at.seq)
		}
	}
	delete(v.anchors, v.at.seq)
	return ""
}
