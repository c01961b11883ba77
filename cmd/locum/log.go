package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Lines of answered requests are gathered for a moment, so that a busy server makes one write for many of them. Every other
// line, and every warning, is written at once, behind those that wait. What happened to a record stands in the audit
// trail, which never waits.
const (
	gatherLines = 50 * time.Millisecond
	mostLines   = 32 << 10
	lineRequest = "request" // as package bff names them
)

// logger writes structured lines to standard error. close writes what waits.
func logger(std streams, level slog.Level) (log *slog.Logger, close func()) {
	w := &gatherer{out: std.err}
	inner := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(handler{inner, w}), w.flush
}

// handler decides which lines may wait.
type handler struct {
	slog.Handler
	lines *gatherer
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Message != lineRequest || r.Level > slog.LevelInfo {
		h.lines.flush()
	}
	return err
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.lines}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.lines}
}

// gatherer is a writer that keeps whole lines for at most gatherLines, and at most mostLines bytes of them.
type gatherer struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte
	timer   *time.Timer
	set     bool // the timer will fire, and find what waits
}

// Write takes one line. It never fails: nobody could be told.
func (g *gatherer) Write(line []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, line...)
	switch {
	case len(g.waiting) >= mostLines:
		g.write()
	case g.timer == nil:
		g.timer, g.set = time.AfterFunc(gatherLines, g.flush), true
	case !g.set:
		g.timer.Reset(gatherLines)
		g.set = true
	}
	return len(line), nil
}

func (g *gatherer) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set = false
	g.write()
}

// write gives the lines out; the caller holds mu.
func (g *gatherer) write() {
	if len(g.waiting) > 0 {
		_, _ = g.out.Write(g.waiting)
		g.waiting = g.waiting[:0]
	}
}
