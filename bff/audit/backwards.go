package audit

import (
	"bytes"
	"errors"
	"io"
)

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
