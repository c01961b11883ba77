package bff_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/shared"
)

// longest is how long a test waits for what has to come; nothing is timed.
const longest = 20 * time.Second

// dial opens a connection to Locum and sends text.
func (b *bench) dial(text string) net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	must(b.t, err)
	b.t.Cleanup(func() { conn.Close() })
	must(b.t, conn.SetDeadline(time.Now().Add(longest)))
	_, err = io.WriteString(conn, text)
	must(b.t, err)
	return conn
}

// next reads one answer.
func next(t *testing.T, in *bufio.Reader) answer {
	t.Helper()
	response, err := http.ReadResponse(in, nil)
	must(t, err)
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

// TestT097NoRoomIsOurOwnAnswer: the caller for whom there is no connection left gets the header set of every answer, and
// as soon as one is given back there is room again.
func TestT097NoRoomIsOurOwnAnswer(t *testing.T) {
	b := open(t, func(_ *config.Config, o *bff.Options) { o.Bound(longest, longest, longest, 3) })
	health := "GET /healthz HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\n\r\n"
	var held []net.Conn
	for range 3 {
		held = append(held, b.dial(health))
		if a := next(t, bufio.NewReader(held[len(held)-1])); a.status != http.StatusOK {
			t.Fatalf("%d", a.status)
		}
	}
	conn := b.dial("")
	in := bufio.NewReader(conn)
	a := next(t, in)
	checkCommon(t, "no room", a, "http")
	if a.status != http.StatusServiceUnavailable || a.code(t) != shared.CodeInternal || a.header.Get("Retry-After") != "1" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection stays open")
	}
	if log := b.log.String(); !strings.Contains(log, "route=full status=503") {
		t.Errorf("the log is silent: %s", log)
	}
	for i := range 10 { // as often as it takes: whoever leaves makes room
		must(t, held[0].Close())
		held[0] = b.room(health)
		if i > 0 {
			held[0], held[1] = held[1], held[0]
		}
	}
}

// room asks until there is some.
func (b *bench) room(text string) net.Conn {
	b.t.Helper()
	for end := time.Now().Add(longest); time.Now().Before(end); {
		conn := b.dial("")
		_, _ = io.WriteString(conn, text)
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && response.StatusCode == http.StatusOK {
			return conn
		}
		conn.Close()
	}
	b.t.Fatal("a connection that is given back makes no room")
	return nil
}

// lame is a listener that says at first what one says when the process or the machine has no more of it, or the caller has left.
type lame struct {
	net.Listener
	errors []error
	at     atomic.Int32
}

func (l *lame) Accept() (net.Conn, error) {
	if i := int(l.at.Add(1)) - 1; i < len(l.errors) {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.errors[i])}
	}
	return l.Listener.Accept()
}

// TestT122AcceptGoesOn where there are no descriptors or no memory for now; what cannot pass ends Serve with its cause.
func TestT122AcceptGoesOn(t *testing.T) {
	b := open(t, nil)
	b.stop()
	serve := func(failures ...error) (ln net.Listener, served chan error, stop func()) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		ctx, stop := context.WithCancel(context.Background())
		served = make(chan error, 1)
		go func() { served <- b.server.Serve(ctx, &lame{Listener: ln, errors: failures}) }()
		return ln, served, stop
	}
	ln, served, stop := serve(syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EMFILE)
	b.addr = ln.Addr().String()
	if a := b.get(shared.PathHealth); a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
	stop()
	must(t, <-served)

	many := make([]error, 1000) // it is told to stop while it waits
	for i := range many {
		many[i] = syscall.EMFILE
	}
	_, served, stop = serve(many...)
	stop()
	must(t, <-served)

	_, served, stop = serve(syscall.EINVAL)
	defer stop()
	if err := <-served; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a listener that cannot be mended: %v", err)
	}
}

// TestT122FewDescriptors: where a process may open few files, half of them are for everything but callers.
func TestT122FewDescriptors(t *testing.T) {
	b := open(t, nil)
	b.stop()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	few := limit
	few.Cur = 400
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(ctx, ln) }()
	b.addr = ln.Addr().String()
	if a := b.get(shared.PathHealth); a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
	if !strings.Contains(b.log.String(), "connections=200 wanted=4096") {
		t.Errorf("the log has no word of it: %s", b.log.String())
	}
	stop()
	must(t, <-served)
}
