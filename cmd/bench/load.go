package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// requests are what a load sends, as bytes on the wire, one after another and then again from the first.
type requests [][]byte

// get is a GET as a browser's script sends it. more are further header lines, each with its CRLF.
func get(host, path, more string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: keep-alive\r\nAccept: application/json\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept-Language: en-CA,en;q=0.9,fr;q=0.8\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n" +
		"Referer: http://" + host + "/\r\n" + more + "\r\n")
}

// line is one keep-alive connection of a load.
type line struct {
	conn   net.Conn
	buffer []byte
}

// load holds the connections to one address.
type load struct{ lines []*line }

// openLoad connects n times.
func openLoad(addr string, n int) (*load, error) {
	l := &load{}
	for range n {
		conn, err := net.Dial("tcp", addr) //nolint:noctx // loopback
		if err != nil {
			l.close()
			return nil, err
		}
		l.lines = append(l.lines, &line{conn, make([]byte, largeBody+8<<10)})
	}
	return l, nil
}

func (l *load) close() {
	for _, one := range l.lines {
		_ = one.conn.Close()
	}
}

const answerTime = 30 * time.Second

// call sends one request and reads its whole answer: the status and the length of the body.
func (l *line) call(request []byte) (status, size int, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, 0, err
	}
	if _, err := l.conn.Write(request); err != nil {
		return 0, 0, err
	}
	read, whole := 0, -1
	for whole < 0 || read < whole {
		n, err := l.conn.Read(l.buffer[read:])
		if err != nil {
			return 0, 0, err
		}
		if read += n; whole < 0 {
			if status, size, whole, err = readHead(l.buffer[:read]); err != nil {
				return 0, 0, err
			}
		}
	}
	if read > whole {
		return 0, 0, fmt.Errorf("%d bytes behind an answer", read-whole)
	}
	return status, size, nil
}

// readHead reads status, length of the body and of the whole answer; whole is -1 while the head is incomplete.
func readHead(b []byte) (status, size, whole int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, 0, -1, nil
	}
	if status, err = strconv.Atoi(string(b[9:12])); err != nil {
		return 0, 0, -1, err
	}
	_, rest, found := bytes.Cut(b[:end+2], []byte("\r\nContent-Length: "))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if size, err = strconv.Atoi(string(digits)); !found || err != nil {
		return 0, 0, -1, fmt.Errorf("an answer without a length: %q", b[:end])
	}
	return status, size, end + 4 + size, nil
}

// drive sends n requests over all connections as fast as answers come; each must be a 200 with a body of size.
func (l *load) drive(list requests, n, size int) error {
	var next atomic.Int64
	return l.together(func(one *line) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			status, got, err := one.call(list[i%len(list)])
			if err != nil || status != 200 || got != size {
				return fmt.Errorf("request %d: status %d, %d bytes, %w", i, status, got, err)
			}
		}
	})
}

// together runs work for every connection at once and gives the first error.
func (l *load) together(work func(*line) error) error {
	errs := make(chan error, len(l.lines))
	for _, one := range l.lines {
		go func() { errs <- work(one) }()
	}
	var first error
	for range l.lines {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// paced is what came of a steady load: the time of each 200 from the moment it was due, ascending, and how many answers had
// another status.
type paced struct {
	latencies
	others int
}

// pace sends n requests at a steady rate, however long answers take. Requests that find no free connection wait, and
// their wait counts.
func (l *load) pace(list requests, perSecond, n int) (paced, error) {
	ticks, err := newTicker(time.Second / time.Duration(perSecond))
	if err != nil {
		return paced{}, err
	}
	defer ticks.close()
	type job struct {
		due     time.Time
		request []byte
	}
	jobs := make(chan job, n)
	go func() {
		defer close(jobs)
		for i := 0; i < n; {
			due := ticks.wait()
			for ; due > 0 && i < n; i, due = i+1, due-1 {
				jobs <- job{time.Now(), list[i%len(list)]}
			}
		}
	}()
	var mu sync.Mutex
	var all paced
	err = l.together(func(one *line) error {
		for j := range jobs {
			status, _, err := one.call(j.request)
			if err != nil {
				return err
			}
			mu.Lock()
			if status == 200 {
				all.latencies = append(all.latencies, time.Since(j.due))
			} else {
				all.others++
			}
			mu.Unlock()
		}
		return nil
	})
	slices.Sort(all.latencies)
	return all, err
}

// latencies are times in ascending order.
type latencies []time.Duration

// at is the time below which a share of them lies, 0.99 for p99.
func (l latencies) at(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)-1, int(share*float64(len(l))))]
}
