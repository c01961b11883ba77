package sandbox

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

const (
	maxBody      = 1 << 20
	writeTimeout = time.Minute
)

// door stands before every handler: it bounds and reads the body, records the request, refuses a foreign Host, counts what
// arrives and plays the faults that were planned. Its answers carry the sandbox's own time.
type door struct {
	s     *Sandbox
	host  string
	where func(r *http.Request, body []byte) Endpoint
	// accept counts a request that has arrived, whatever becomes of it, and gives what answers it.
	accept func(r *http.Request) http.Handler
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	r.Body = io.NopCloser(bytes.NewReader(body))
	where := d.where(r, body)
	entry := d.s.record(r, where, body)
	out := &statusWriter{ResponseWriter: w}
	defer func() { d.s.settle(entry, out.status) }()
	d.date(out)
	// One host, one name: a page elsewhere cannot reach the sandbox under a name of its own (DNS rebinding).
	if r.Host != d.host {
		http.Error(out, "this is "+d.host, http.StatusMisdirectedRequest)
		return
	}
	r = withEntry(r, entry)
	next := d.accept(r)
	if err != nil {
		out.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	plan := d.s.faults.take(d.s, where)
	d.s.wait(w, plan.delay)
	d.date(out)
	switch {
	case plan.canned != nil:
		plan.canned.write(out)
	case plan.cut:
		panic(http.ErrAbortHandler)
	case plan.lose, plan.hang:
		if plan.lose {
			next.ServeHTTP(&blackHole{header: http.Header{}}, r)
		}
		if plan.hang {
			d.s.hang(w, r)
		}
		panic(http.ErrAbortHandler)
	default:
		next.ServeHTTP(out, r)
	}
}

// date puts the sandbox's own time on an answer (RFC 9110 §6.6.1): Advance and SetSkew move what a client sees of its clock.
func (d *door) date(w http.ResponseWriter) {
	d.s.mu.Lock()
	none := d.s.policy.dateless && d.host == d.s.iam.host
	d.s.mu.Unlock()
	if none {
		w.Header()["Date"] = nil // keeps net/http from adding one
		return
	}
	w.Header().Set("Date", d.s.shown().UTC().Format(http.TimeFormat))
}

// wait delays an answer. The caller's leaving does not shorten it: the request has arrived and will be processed.
func (s *Sandbox) wait(w http.ResponseWriter, d time.Duration) {
	if d <= 0 {
		return
	}
	until := time.Now().Add(d + writeTimeout)
	control := http.NewResponseController(w)
	_, _ = control.SetReadDeadline(until), control.SetWriteDeadline(until)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closing:
		panic(http.ErrAbortHandler)
	}
}

// hang waits until the caller leaves or the sandbox closes.
func (s *Sandbox) hang(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a deadline would look like a caller who left
	select {
	case <-r.Context().Done():
	case <-s.closing:
	}
}

// statusWriter remembers the status for the request log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// blackHole takes the answer that LoseNextResponse loses.
type blackHole struct{ header http.Header }

// Header implements http.ResponseWriter.
func (b *blackHole) Header() http.Header { return b.header }

// WriteHeader implements http.ResponseWriter.
func (b *blackHole) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (b *blackHole) Write(p []byte) (int, error) { return len(p), nil }
