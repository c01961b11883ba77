package oauth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithin: a deadline is a deadline, to the moment, and what ended says so; whoever is done before leaves nothing behind.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := within(t.Context(), 10*time.Second)
		<-ctx.Done()
		if took := time.Since(start); took != 10*time.Second || !errors.Is(overdue(ctx, errAnswer), context.DeadlineExceeded) {
			t.Errorf("ended after %v with %v", took, context.Cause(ctx))
		}
		cancel()
		ctx, cancel = within(t.Context(), 10*time.Second)
		cancel()
		if <-ctx.Done(); !errors.Is(overdue(ctx, errAnswer), errAnswer) {
			t.Errorf("ended early with %v", context.Cause(ctx))
		}
	})
}
