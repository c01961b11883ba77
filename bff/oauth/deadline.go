package oauth

import (
	"context"
	"errors"
	"time"
)

// A process that is stopped for a while (SIGSTOP, a frozen container) finds all its deadlines passed when it goes on, and the
// answer it waited for in the socket. An answer that is there is read: for a rotating refresh token it is the only one.
const (
	stopped = time.Second     // a timer that is later than this did not run
	moment  = 2 * time.Second // to read what came meanwhile
)

// within is context.WithTimeout for such a process.
func within(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	end := after(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		end()
		cancel(nil)
	}
}

// overdue is the error of a request whose deadline has passed, and otherwise the one given.
func overdue(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// after calls f when d has passed, and a moment later when it finds that the process was stopped. end keeps it from doing so.
func after(d time.Duration, f func()) (end func()) {
	due, late, set := time.Now().Add(d), false, make(chan struct{})
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		<-set
		if !late && time.Since(due) > stopped {
			late = true
			timer.Reset(moment)
			return
		}
		f()
	})
	close(set)
	return func() { timer.Stop() }
}
