package audit

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"
)

// Report is what Verify found in a log that holds. LastSeq is the number of its last line: a log cut exactly behind a
// line is a valid shorter log, so compare LastSeq with what another witness saw, such as the report of the day before.
// FirstSeq is 1 unless the file was lost under a running process: the lines before it are gone.
type Report struct {
	Lines, Intents int
	Open           int // intents without an outcome: unknown, or still under way
	Torn           int // times that a crash cut off the end, see path.torn.N
	FirstSeq       uint64
	LastSeq        uint64
	First, Last    time.Time
}

// VerifyError names the first line that does not hold. The lines before it do.
type VerifyError struct {
	Line   int
	Reason string
}

func (e *VerifyError) Error() string { return fmt.Sprintf("audit log, line %d: %s", e.Line, e.Reason) }

// Verify reads the whole log in constant memory but for the open intents, and checks that each line stands as it was
// written, behind the line it was written behind. It cannot see lines missing at the very end (see Report.LastSeq). The
// error is a *VerifyError, or that of the file.
func Verify(path string, key []byte) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	v := verifier{in: bufio.NewReaderSize(f, maxLine), hash: hmac.New(sha256.New, deriveKeys(key).chain), open: map[uint64]bool{}}
	for {
		more, err := v.line()
		if err != nil || !more {
			v.report.Open, v.report.LastSeq = len(v.open), v.at.seq
			return v.report, err
		}
	}
}

// verifier is one reading of a log.
type verifier struct {
	in     *bufio.Reader
	hash   hash.Hash
	at     chain
	open   map[uint64]bool
	report Report
}

func (v *verifier) line() (more bool, err error) {
	line, err := v.in.ReadSlice('\n')
	switch {
	case err == io.EOF && len(line) == 0 && v.report.Lines == 0:
		return false, v.fail("the log is empty: its head is missing")
	case err == io.EOF && len(line) == 0:
		return false, nil
	case err == io.EOF:
		return false, v.fail("cut off: the line does not end")
	case errors.Is(err, bufio.ErrBufferFull):
		return false, v.fail("longer than any line of a log")
	case err != nil:
		return false, err
	}
	if reason := v.check(line); reason != "" {
		return false, v.fail(reason)
	}
	return true, nil
}

func (v *verifier) fail(reason string) error {
	return &VerifyError{Line: v.report.Lines + 1, Reason: reason}
}

// check is "" for a line that holds.
func (v *verifier) check(line []byte) string {
	seq, _, _, ok := split(line)
	if !ok {
		return "not a line of the log"
	}
	first := v.report.Lines == 0
	if first {
		v.at.seq = seq - 1
	}
	switch want := v.at.seq + 1; {
	case seq > want:
		return fmt.Sprintf("%d lines are missing before it: it has number %d instead of %d", seq-want, seq, want)
	case seq < want:
		return fmt.Sprintf("in the wrong place: it has number %d instead of %d", seq, want)
	}
	if !v.at.follows(v.hash, line) {
		return "changed, or sealed with another key"
	}
	return v.count(line, first)
}

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
	switch l.Kind {
	case "intent":
		v.report.Intents++
		v.open[v.at.seq] = true
	case "outcome":
		delete(v.open, l.Intent)
	case "torn":
		v.report.Torn++
	}
	if first {
		v.report.First, v.report.FirstSeq = l.Time, v.at.seq
	}
	v.report.Lines++
	v.report.Last = l.Time
	return ""
}
