package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// print writes the report as Markdown.
func (r *report) print(out io.Writer) error {
	var b strings.Builder
	base := r.costs["fasthttp"]
	fmt.Fprintf(&b, "| one proxied GET, %d keep-alive connections | 2 kB, CPU | | 64 kB, CPU | | p50 / p99 at %d/s |\n|---|--:|--:|--:|--:|--:|\n",
		r.plan.conns, r.plan.rate)
	for _, row := range []struct{ name, title string }{
		{"locum", "**Locum**: session, sealed token, limiter, durable audit, log"},
		{"fasthttp", "bare fasthttp"}, {"fiber", "bare Fiber"},
		{"reverse", "`httputil.ReverseProxy`, tuned"}, {"reverse-default", "`httputil.ReverseProxy`, as it comes"},
	} {
		c := r.costs[row.name]
		fmt.Fprintf(&b, "| %s | %s | %.2f× | %s | %.2f× | %s / %s |\n", row.title, micro(median(c.small)), ratio(c.small, base.small),
			micro(median(c.large)), ratio(c.large, base.large), milli(r.latency[row.name].at(0.5)), milli(r.latency[row.name].at(0.99)))
	}
	fmt.Fprintf(&b, "\n| | |\n|---|---|\n")
	fmt.Fprintf(&b, "| cold start, exec to the first 200 | %s (median of %d), of it %s of CPU |\n", milli(median(r.starts)), len(r.starts),
		milli(median(r.startCPU)))
	fmt.Fprintf(&b, "| memory (RSS): idle · under load · %v after it | %s · %s · %s |\n", r.plan.calm, mega(r.idle), mega(r.busy), mega(r.calm))
	for _, s := range r.stored {
		fmt.Fprintf(&b, "| %d stored connections: start (of it CPU) · memory idle, after load · one 2 kB call | %s (%s) · %s, %s · %s |\n", s.connections,
			milli(s.start), milli(s.startCPU), mega(s.idle), mega(s.calm), micro(s.perCall))
		fmt.Fprintf(&b, "| the same, kept alive, none of them due for %v: CPU · memory more than with one | %.3f %% of a core · %+.0f MB |\n",
			s.still.Round(time.Second), 100*s.keeper.Seconds()/s.still.Seconds(), float64(s.idle-r.idle)/(1<<20))
	}
	fmt.Fprintf(&b, "| %d calls meet a token that ran out | %d refresh, %d successes, last answer %s after a single caller's %s |\n",
		r.herd.callers, r.herd.refreshes, r.herd.successes, milli(r.herd.last-r.herd.one), milli(r.herd.one))
	fmt.Fprintf(&b, "| limit of %d in %s, ten times offered (%d) | %.1f %% of the safe bound used, at most %d in any window |\n",
		r.quota.limit.endpoint, r.quota.limit.endpointWindow, r.quota.offered, 100*r.quota.share, r.quota.worst)
	fmt.Fprintf(&b, "\nMeasured in %v on %s. Spread of the rounds: ", r.took.Round(time.Second), r.began.Format(time.DateOnly))
	for _, name := range []string{"locum", "fasthttp", "reverse"} {
		list := r.costs[name].small
		fmt.Fprintf(&b, "%s %s to %s; ", name, micro(least(list)), micro(most(list)))
	}
	b.WriteString("\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func least(list []time.Duration) time.Duration {
	low := list[0]
	for _, d := range list {
		low = min(low, d)
	}
	return low
}

func most(list []time.Duration) time.Duration {
	var high time.Duration
	for _, d := range list {
		high = max(high, d)
	}
	return high
}

// ratio is the median over the rounds of a's cost by b's in the same round: whatever else the machine did then met both.
func ratio(a, b []time.Duration) float64 {
	all := make([]float64, 0, len(a))
	for i := range a {
		all = append(all, float64(a[i])/float64(b[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func micro(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}
func milli(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
func mega(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }
