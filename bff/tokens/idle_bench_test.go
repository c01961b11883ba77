package tokens_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// stored is how many connections the benchmarks have.
const stored = 10_000

// newStored is a bench with many connections in its vault and no keeper; their tokens last for an hour, so that nothing is due.
func newStored(b *testing.B) *bench {
	b.Helper()
	bench := newBench(b, options{})
	bench.sandbox.SetKind(sandbox.KindK0)
	bench.sandbox.SetLifetimes(time.Hour, 4*time.Hour)
	id := bench.connect("p", robin, bench.a)
	must(b, bench.keeper.Close())
	bench.copies(id, stored)
	return bench
}

// BenchmarkKeeperStart is from the vault to a keeper that has planned ten thousand connections, and what that takes of memory.
func BenchmarkKeeperStart(b *testing.B) {
	bench := newStored(b)
	before := heap()
	for b.Loop() {
		bench.keep()
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/(1<<20), "MB")
		must(b, bench.keeper.Close())
		b.StartTimer()
	}
	bench.openKeeper()
}

// BenchmarkKeeperTick is one look at ten thousand connections of which none is due.
func BenchmarkKeeperTick(b *testing.B) {
	bench := newStored(b)
	bench.keep()
	b.ReportAllocs()
	for b.Loop() {
		bench.keeper.Tick()
	}
}

// BenchmarkKeeperPlanAll is what a step of the clock or a platform's return costs: ten thousand connections planned anew.
func BenchmarkKeeperPlanAll(b *testing.B) {
	bench := newStored(b)
	bench.keep()
	for b.Loop() {
		bench.keeper.Start()
	}
}

// BenchmarkKeeperRest is the share of a core that keeping ten thousand connections takes between refreshes, over some seconds,
// and how often it looked up.
func BenchmarkKeeperRest(b *testing.B) {
	bench := newStored(b)
	bench.keep()
	runtime.GC()
	before, ticks, began := used(b), bench.keeper.Ticks(), time.Now()
	<-time.After(5 * time.Second)
	share := float64(used(b)-before) / float64(time.Since(began))
	b.ReportMetric(100*share, "%core")
	b.ReportMetric(float64(bench.keeper.Ticks()-ticks), "ticks")
	b.ReportMetric(0, "ns/op")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func used(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(fmt.Errorf("getrusage: %w", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
