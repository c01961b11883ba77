package bff_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

// feed is a stream of events as an EventSource reads it.
type feed struct {
	t      *testing.T
	conn   net.Conn
	in     *bufio.Reader // of the connection
	answer *http.Response
	lines  *bufio.Scanner
	raw    strings.Builder
	beats  int
}

// event is one, by name, with its id and its data.
type event struct{ name, id, data string }

// listen opens a stream; of what an EventSource sends, more may change a header.
func (b browser) listen(more ...[2]string) *feed {
	b.t.Helper()
	head := "GET " + shared.PathEvents + " HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n"
	lines := [][2]string{b.cookies(), {"Accept", "text/event-stream"}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "cors"},
		{"Sec-Fetch-Dest", "empty"}, {"Cache-Control", "no-cache"}}
	for _, line := range more {
		lines = slices.DeleteFunc(lines, func(old [2]string) bool { return old[0] == line[0] })
		lines = append(lines, line)
	}
	for _, line := range lines {
		head += line[0] + ": " + line[1] + "\r\n"
	}
	conn := b.dial("")
	if b.cfg.TLS != nil {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
	}
	_, err := io.WriteString(conn, head+"\r\n")
	must(b.t, err)
	f := &feed{t: b.t, conn: conn, in: bufio.NewReader(conn)}
	f.answer, err = http.ReadResponse(f.in, nil)
	must(b.t, err)
	f.lines = bufio.NewScanner(io.TeeReader(f.answer.Body, &f.raw))
	return f
}

// next reads one event; false where the stream has ended.
func (f *feed) next() (e event, ok bool) {
	f.t.Helper()
	for f.lines.Scan() {
		name, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch {
		case name == "event":
			e.name = value
		case name == "id":
			e.id = value
		case name == "data":
			e.data = value
		case f.lines.Text() == ":":
			f.beats++
		case f.lines.Text() == "" && e.name != "":
			return e, true
		}
	}
	if err := f.lines.Err(); err != nil {
		f.t.Fatalf("the stream broke off: %v", err)
	}
	return e, false
}

// until reads on to the event of a name and gives it.
func (f *feed) until(name string) event {
	f.t.Helper()
	for {
		e, ok := f.next()
		if !ok {
			f.t.Fatalf("no %s came: %s", name, f.raw.String())
		}
		if e.name == name {
			return e
		}
	}
}

// over says that nothing more comes.
func (f *feed) over() {
	f.t.Helper()
	if e, ok := f.next(); ok {
		f.t.Errorf("after the end: %+v", e)
	}
}

// settled waits until so many streams are open.
func (b *bench) settled(streams int) {
	b.t.Helper()
	for end := time.Now().Add(longest); b.server.Streams() != streams; runtime.Gosched() {
		if time.Now().After(end) {
			b.t.Fatalf("%d streams are open, want %d", b.server.Streams(), streams)
		}
		time.Sleep(time.Millisecond)
	}
}
