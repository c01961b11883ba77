package bff

import (
	"runtime/debug"
	"runtime/metrics"
)

// roomToGrow is how much garbage may gather, at least, before it is collected. By the runtime's own rule a heap of a few
// megabytes is collected after a few thousand calls, which costs more than anything else in them; one of many connections
// would double before it is. Half of what lives is enough for that.
const (
	roomToGrow    = 16 << 20
	leastPercent  = 50
	runtimesOwn   = 100 // what the percentage is where nobody has set GOGC
	liveHeapBytes = "/gc/heap/live:bytes"
)

// rest gives memory back to the system: what the start has read and a password's hash has taken would stay with an idle
// process otherwise, since the runtime returns memory slowly and nothing but allocation makes it look. It costs one
// collection of garbage, and knows afterwards how much lives.
func (s *Server) rest() {
	if err := s.vault.Rest(); err != nil {
		s.log.Debug("mapped pages were not given back", "error", err)
	}
	debug.FreeOSMemory()
	live := []metrics.Sample{{Name: liveHeapBytes}}
	metrics.Read(live)
	s.pace(live[0].Value.Uint64())
}

// pace sets how far the heap may grow. Where an operator has set GOGC, theirs stays.
func (s *Server) pace(live uint64) {
	if before := debug.SetGCPercent(gcPercent(live)); before != runtimesOwn && before != s.paced {
		debug.SetGCPercent(before)
	} else {
		s.paced = gcPercent(live)
	}
}

func gcPercent(live uint64) int {
	return int(max(leastPercent, 100*roomToGrow/max(live, 1<<20)))
}
