package bff

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestStreamsFitTheGate: no stream lasts longer than the gate lets any answer take, and none is silent for longer than a
// piece of one may take.
func TestStreamsFitTheGate(t *testing.T) {
	if d := defaultBounds; d.stream >= patience*d.send || d.beat >= d.send || d.stream > time.Minute {
		t.Errorf("a stream of %v with beats of %v behind sends of %v", d.stream, d.beat, d.send)
	}
}

// TestAPanicEndsAStream and nothing else: its stack is logged, its value is not.
func TestAPanicEndsAStream(t *testing.T) {
	var log strings.Builder
	r := &stream{server: &Server{log: slog.New(slog.NewTextHandler(&log, nil))}, out: []byte("hello")}
	p := make([]byte, 64)
	if n, err := r.Read(p); err != nil || string(p[:n]) != "hello" {
		t.Fatalf("%q, %v", p[:n], err)
	}
	for range 2 {
		if n, err := r.Read(p); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	if !strings.Contains(log.String(), "panic") || !strings.Contains(log.String(), "events_handler.go") {
		t.Errorf("the log says %q", log.String())
	}
}
