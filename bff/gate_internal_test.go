package bff

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestT085SlowLines: an answer that moves has time for each of its pieces, one that stands still has none, and the whole
// has an end.
func TestT085SlowLines(t *testing.T) {
	const send = time.Second
	answer := bytes.Repeat([]byte("x"), 16*piece)
	cases := []struct {
		name   string
		pause  time.Duration // before each piece is taken
		taken  int           // pieces; then nothing
		failed time.Duration // when writing ends with a time-out; 0: all of it is out
	}{
		{"steady", send * 6 / 10, 16, 0},
		{"at once", 0, 16, 0},
		{"nothing taken", 0, 0, send},
		{"stands still after two pieces", send / 2, 2, 2 * send},
		{"for ever a little", send * 9 / 10, 16, patience * send},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				g := &guest{Conn: ours, leave: func() {}, send: send}
				var reader sync.WaitGroup
				reader.Go(func() {
					for range c.taken {
						time.Sleep(c.pause)
						if _, err := io.ReadFull(theirs, make([]byte, piece)); err != nil {
							return
						}
					}
				})
				begin := time.Now()
				if err := g.SetWriteDeadline(begin.Add(send)); err != nil {
					t.Fatal(err)
				}
				n, err := g.Write(answer)
				took := time.Since(begin)
				switch {
				case c.failed == 0 && (err != nil || n != len(answer)):
					t.Errorf("%d bytes, %v after %s", n, err, took)
				case c.failed != 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took != c.failed):
					t.Errorf("%v after %s, want a time-out after %s", err, took, c.failed)
				}
				if err := errors.Join(g.Close(), theirs.Close()); err != nil {
					t.Error(err)
				}
				reader.Wait()
			})
		})
	}
}
