package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Sizes of the two answers, and the paths that get them: Jane's lists of appointments and of patients.
const (
	smallBody = 2 << 10
	largeBody = 64 << 10
	smallPath = "/api/2026-01-01/appointments?sort=start_at"
	largePath = "/api/2026-01-01/patients?page%5Blimit%5D=100"
)

// upstream is the clinic: as little of a server as answers two requests, so that it is never what is measured. It notes
// when requests came, for the limiter.
type upstream struct {
	listener     net.Listener
	small, large []byte
	served       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	noting   bool
	arrivals []time.Time
}

func newUpstream() (*upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: listener, small: canned(smallBody), large: canned(largeBody), conns: map[net.Conn]bool{}}
	u.served.Go(u.accept)
	return u, nil
}

func (u *upstream) addr() string { return u.listener.Addr().String() }

func (u *upstream) close() {
	_ = u.listener.Close()
	u.mu.Lock()
	for conn := range u.conns {
		_ = conn.Close()
	}
	u.mu.Unlock()
	u.served.Wait()
}

func (u *upstream) accept() {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[conn] = true
		u.mu.Unlock()
		u.served.Go(func() {
			_ = u.serve(conn)
			_ = conn.Close()
			u.mu.Lock()
			delete(u.conns, conn)
			u.mu.Unlock()
		})
	}
}

// serve answers GETs, one after another. It reads of a request what tells it the size, and where it ends.
func (u *upstream) serve(conn net.Conn) error {
	head := make([]byte, 0, 16<<10)
	for {
		n, err := conn.Read(head[len(head):cap(head)])
		if err != nil {
			return err
		}
		head = head[:len(head)+n]
		if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			if len(head) == cap(head) {
				return errors.New("a head without an end")
			}
			continue
		}
		u.note()
		answer := u.small
		if bytes.Contains(head[:min(len(head), 64)], []byte("/patients")) {
			answer = u.large
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
		head = head[:0]
	}
}

func (u *upstream) note() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.noting {
		u.arrivals = append(u.arrivals, time.Now())
	}
}

// watch begins to note arrivals; arrived ends it and gives them.
func (u *upstream) watch() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noting, u.arrivals = true, nil
}

func (u *upstream) arrived() []time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noting = false
	return u.arrivals
}

// canned is a whole answer as a platform sends it, with a body of JSON of the size given.
func canned(size int) []byte {
	const row = `{"id":1042,"object":"appointment","start_at":"2026-11-23T09:30:00Z","patient_id":77,"notes":"…"},`
	body := `{"object":"list","data":[` + strings.Repeat(row, size/len(row))
	body = strings.TrimSuffix(body, ",") + `],"more":"`
	body += strings.Repeat("x", size-len(body)-len(`"}`)) + `"}`
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n"+
		"Content-Length: %d\r\nETag: W/\"5d41402abc4b2a76b9719d911017c592\"\r\nCache-Control: max-age=0, private, must-revalidate\r\n"+
		"X-Request-Id: 0b1f6c0e-6f0e-4a53-9f0e-7a8e8d0f7c11\r\nVary: Accept\r\nX-Frame-Options: SAMEORIGIN\r\n\r\n", len(body))
	_, _ = io.WriteString(&b, body)
	return b.Bytes()
}
