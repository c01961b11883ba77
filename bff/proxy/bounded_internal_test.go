package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithin: it ends as context.WithTimeout would, whether somebody waits for it or only asks.
func TestWithin(t *testing.T) {
	type key struct{}
	cases := []struct {
		name string
		end  func(stop, above context.CancelFunc) // after one second
		at   time.Duration
		want error
	}{
		{"by itself", func(context.CancelFunc, context.CancelFunc) {}, 5 * time.Second, context.DeadlineExceeded},
		{"cancelled", func(stop, _ context.CancelFunc) { stop() }, time.Second, context.Canceled},
		{"from above", func(_, above context.CancelFunc) { above() }, time.Second, context.Canceled},
	}
	for _, c := range cases {
		for _, waits := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				above, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
				outer, stopOuter := Within(above, time.Minute)
				ctx, stop := Within(outer, 5*time.Second)
				defer stopOuter()
				began := time.Now()
				time.AfterFunc(time.Second, func() { c.end(stop, cancel) })
				if until, ok := ctx.Deadline(); !ok || until.Sub(began) != 5*time.Second || ctx.Err() != nil || ctx.Value(key{}) != 1 {
					t.Errorf("%s: deadline in %v, %v, value %v", c.name, until.Sub(began), ctx.Err(), ctx.Value(key{}))
				}
				if waits {
					<-ctx.Done()
					if got := time.Since(began); got != c.at {
						t.Errorf("%s: ended after %v, want %v", c.name, got, c.at)
					}
				} else {
					time.Sleep(c.at)
					synctest.Wait()
				}
				if err := ctx.Err(); err != c.want {
					t.Errorf("%s, waits %v: %v, want %v", c.name, waits, err, c.want)
				}
				stop()
				<-ctx.Done() // asked for after its end, it has ended
				cancel()
			})
		}
	}
	sooner, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	ctx, end := Within(sooner, time.Hour)
	defer end()
	want, _ := sooner.Deadline()
	if got, _ := ctx.Deadline(); !got.Equal(want) {
		t.Errorf("it outlives what is above it: %v, not %v", got, want)
	}
}

// TestRecordingIsShared: calls of one moment share a context, which leaves each of them its whole wait.
func TestRecordingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		defer r.close()
		first := r.recording()
		time.Sleep(shareFor - time.Millisecond)
		if r.recording() != first {
			t.Error("two calls of one moment have two contexts")
		}
		time.Sleep(recordFor)
		if first.Err() != nil {
			t.Error("the later call lost a part of its wait")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if first.Err() == nil {
			t.Error("a record is waited for longer than it may be")
		}
		if r.recording() == first {
			t.Error("a call got a context that has ended")
		}
	})
}
