package proxy

import (
	"context"
	"sync"
	"time"
)

// bounded is a context with a deadline whose timer is made only when somebody waits for its end: most calls find their
// token and their turn at once, and a timer that is made and stopped for each would cost more than both.
type bounded struct {
	context.Context // above it: what ends it sooner, and its values
	until           time.Time

	mu     sync.Mutex
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
	ended  bool
}

// Within is context.WithTimeout for a call that will probably not wait.
func Within(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	b := &bounded{Context: parent, until: time.Now().Add(d)}
	if sooner, ok := parent.Deadline(); ok && sooner.Before(b.until) {
		b.until = sooner
	}
	return b, b.end
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.until, true }

// Done makes the timer.
func (b *bounded) Done() <-chan struct{} { return b.waited().Done() }

// Err says why the context has ended, without a timer where nobody waits.
func (b *bounded) Err() error {
	b.mu.Lock()
	timed, ended := b.timed, b.ended
	b.mu.Unlock()
	switch {
	case timed != nil:
		return timed.Err()
	case ended:
		return context.Canceled
	case !time.Now().Before(b.until):
		return context.DeadlineExceeded
	}
	return b.Context.Err()
}

func (b *bounded) waited() context.Context {
	parent := b.Context
	if above, ok := parent.(*bounded); ok {
		parent = above.waited()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(parent, b.until)
		if b.ended {
			b.cancel()
		}
	}
	return b.timed
}

func (b *bounded) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.cancel != nil {
		b.cancel()
	}
}

// recordFor bounds the wait for a record that is due whatever has become of the caller.
const recordFor = 5 * time.Second

// recorder hands out one context to all calls that begin within a moment. It ends no sooner than each of them may wait,
// and at most shareFor later.
type recorder struct {
	mu    sync.Mutex
	now   context.Context
	since time.Time
	stop  context.CancelFunc // of the latest, for Close
}

const shareFor = 250 * time.Millisecond

// recording gives a context for one record, whatever has become of the caller. It is not to be cancelled: it ends by
// itself.
func (r *recorder) recording() context.Context {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || now.Sub(r.since) >= shareFor {
		r.now, r.stop = context.WithTimeout(context.Background(), recordFor+shareFor)
		r.since = now
	}
	return r.now
}

func (r *recorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
	r.now = nil
}
