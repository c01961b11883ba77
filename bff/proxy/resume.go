package proxy

import (
	"time"

	"locum/bff/audit"
	"locum/bff/throttle"
)

// Resumed is what the audit trail told of earlier runs of Locum.
type Resumed struct {
	Requests int           // that may count still
	Unknown  string        // why nobody knows all of them; "" where all are known
	Wait     time.Duration // in that case, how long at most a clinic is not called
	Read     int64         // bytes of the trail
}

// Resume has the throttle count what earlier runs have sent, by the intents and outcomes of the audit trail: they were
// durable before anything was sent, so no window of a platform's limits overflows because Locum was killed or restarted.
// It is called once, before the first call. complete says whether a trail that begins at a time is all there ever was.
func (p *Proxy) Resume(complete func(begins time.Time) bool) Resumed {
	var longest time.Duration
	for _, live := range p.platforms.All() {
		longest = max(longest, live.Limits.Endpoint.Window, live.Limits.Clinic.Window)
	}
	memory := p.limiter.Memory(longest)
	recent := p.audit.Recent(memory)
	r := Resumed{Read: recent.Read}
	var sent []throttle.Sent
	for _, s := range recent.Sent {
		live, err := p.platforms.Get(s.Platform)
		if err != nil {
			continue // nothing is sent there any more
		}
		sent = append(sent, throttle.Sent{Clinic: clinicKey{s.Platform, s.Clinic}.String(), Class: s.Class,
			Practitioner: s.Practitioner, Limits: live.Limits, Ago: s.Ago, Answered: s.Answered})
	}
	r.Requests = len(sent)
	gap := recent.Gap
	if gap != nil && !gap.Begins.IsZero() && complete(gap.Begins) {
		gap = nil
	}
	if err := p.limiter.Resume(sent); err != nil {
		gap = &audit.Break{Reason: "more clinics than are remembered"}
	}
	if gap != nil && gap.Ago < memory {
		p.limiter.Forget(gap.Ago)
		r.Unknown, r.Wait = gap.Reason, memory-gap.Ago
	}
	return r
}
