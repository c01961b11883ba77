package bff

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"locum/bff/config"
)

// TestAPanicIsA500: the process lives on, the caller reads a problem, and what the panic quoted is nowhere.
func TestAPanicIsA500(t *testing.T) {
	var log bytes.Buffer
	public := &url.URL{Scheme: "http", Host: "localhost"}
	s := &Server{cfg: &config.Config{PublicURL: public}, log: slog.New(slog.NewTextHandler(&log, nil)), host: []byte("localhost"),
		policies: newPolicies(public, nil, "x"), router: func(*fasthttp.RequestCtx) { panic("CANARY") }}
	ours, theirs := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- (&fasthttp.Server{Handler: s.handle}).ServeConn(ours) }()
	if _, err := io.WriteString(theirs, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(theirs)
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(out, []byte("HTTP/1.1 500 ")) || !bytes.Contains(out, []byte(`"code":"internal"`)) || !bytes.Contains(out, []byte("nosniff")) {
		t.Errorf("the answer is %s", out)
	}
	if strings.Contains(string(out)+log.String(), "CANARY") || !strings.Contains(log.String(), "stack=") {
		t.Errorf("the log is %s", log.String())
	}
}
