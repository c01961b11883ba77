package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// freeze is what a 429 froze, as the audit trail has it: "patients endpoint 61", in seconds rounded up.
type freeze struct {
	class string
	whole bool // the clinic as a whole
	long  time.Duration
}

func (f freeze) String() string {
	scope := "endpoint"
	if f.whole {
		scope = "clinic"
	}
	return fmt.Sprintf("%s %s %d", f.class, scope, (f.long+time.Second-1)/time.Second)
}

func parseFreeze(text string) (f freeze, ok bool) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return freeze{}, false
	}
	seconds, err := strconv.Atoi(parts[2])
	return freeze{parts[0], parts[1] == "clinic", time.Duration(seconds) * time.Second}, err == nil && seconds > 0
}

// refreeze has the throttle go on with a freeze. One that a version before has noted, or of a platform that is not
// configured any more, says nothing.
func (p *Proxy) refreeze(noted audit.Noted) error {
	f, ok := parseFreeze(noted.Code)
	if !ok || noted.Ago >= f.long {
		return nil
	}
	live, err := p.platforms.Get(noted.Platform)
	if err != nil {
		return nil //nolint:nilerr // nothing is sent there
	}
	r := throttle.Request{Clinic: clinicKey{noted.Platform, noted.Clinic}.String(), Class: f.class, Limits: live.Limits}
	return p.limiter.Refreeze(r, f.whole, noted.Ago, f.long)
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
	recent := p.audit.Recent(memory, memory+throttle.MaxRetryAfter)
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
	err := p.limiter.Resume(sent)
	for _, f := range recent.Freeze {
		err = errors.Join(err, p.refreeze(f))
	}
	if err != nil {
		gap = &audit.Break{Reason: "more clinics than are remembered"}
	}
	if gap != nil && gap.Ago < memory {
		p.limiter.Forget(gap.Ago)
		r.Unknown, r.Wait = gap.Reason, memory-gap.Ago
	}
	return r
}
