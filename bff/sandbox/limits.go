package sandbox

import (
	"strings"
	"sync"
	"time"
)

// Limit allows N requests in each window; N = 0 allows any number, but with a
// window given they are still counted for WorstWindow. Windows are
// fixed and aligned to the Unix epoch, as rack-attack's are.
type Limit struct {
	N      int
	Window time.Duration
}

// Limits of a clinic: for each endpoint, and for all of them together. The
// zero value limits nothing.
type Limits struct{ Endpoint, Clinic Limit }

// JaneLimits are those of "Jane guide, Rate Limits": 100 a minute for each
// endpoint and 600 in five minutes for a clinic.
var JaneLimits = Limits{Endpoint: Limit{100, time.Minute}, Clinic: Limit{600, 5 * time.Minute}}

// What X-Throttle-Match says. The reference's one example,
// "marketing_api/ip/clinic", has this form; the names here are the sandbox's.
const (
	matchEndpoint = "jdp_api/endpoint/clinic"
	matchClinic   = "jdp_api/clinic"
)

// clinicWide is the class of all requests together.
const clinicWide = ""

// remembered bounds the arrivals that a class keeps for WorstWindow.
const remembered = 20_000

// meter counts the requests that arrive at one clinic, by endpoint class: the
// collection, its members and its search are one class, whatever the version.
// What it refuses, it counts too, and what a planned fault answers.
type meter struct {
	mu     sync.Mutex
	limits Limits
	counts map[string]*count
}

// count is one class: the current fixed window and the recent arrivals.
type count struct {
	window  int64 // number of the window since the epoch
	n       int   // arrivals in it
	all     int   // arrivals ever
	recent  []int64
	worst   int
	refused int
}

func newMeter() *meter { return &meter{limits: JaneLimits, counts: map[string]*count{}} }

// arrive counts a request and says whether it is one too many: then match
// names the limit and wait is the time until its window ends.
func (m *meter) arrive(class string, now time.Time) (match string, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	endpoint, whole := m.counts[class], m.counts[clinicWide]
	if endpoint == nil {
		endpoint = &count{}
		m.counts[class] = endpoint
	}
	if whole == nil {
		whole = &count{}
		m.counts[clinicWide] = whole
	}
	if w := endpoint.add(m.limits.Endpoint, now); w > 0 {
		match, wait = matchEndpoint, w
	}
	if w := whole.add(m.limits.Clinic, now); w > wait {
		match, wait = matchClinic, w
	}
	return match, wait
}

// add counts one arrival and returns the time until the window ends if there
// were too many, else 0.
func (c *count) add(limit Limit, now time.Time) time.Duration {
	c.all++
	if limit.Window <= 0 {
		return 0
	}
	at, width := now.UnixNano(), int64(limit.Window)
	if window := at / width; window != c.window {
		c.window, c.n = window, 0
	}
	c.n++
	c.slide(at, width)
	if limit.N <= 0 || c.n <= limit.N {
		return 0
	}
	c.refused++
	return time.Duration(width - at%width)
}

// slide keeps the arrivals of the last window's length and the most that were
// ever in one.
func (c *count) slide(at, width int64) {
	old := 0
	for old < len(c.recent) && c.recent[old] <= at-width {
		old++
	}
	if over := len(c.recent) - old - remembered; over > 0 {
		old += over
	}
	c.recent = append(c.recent[old:], at)
	c.worst = max(c.worst, len(c.recent))
}

// SetLimits changes the rate limits of both clinics. Counts start anew.
func (s *Sandbox) SetLimits(limits Limits) {
	for _, c := range s.clinics {
		c.meter.mu.Lock()
		c.meter.limits, c.meter.counts = limits, map[string]*count{}
		c.meter.mu.Unlock()
	}
}

// Arrivals is how many requests of a class ("appointments", "patients",
// "observations", …; "" for all) have arrived at the clinic with this URL
// since the start or the last SetLimits, refused ones and those that met a
// planned fault included.
func (s *Sandbox) Arrivals(clinicURL, class string) int {
	return s.counted(clinicURL, class, func(c *count) int { return c.all })
}

// Refused is how many of them were answered with 429 for this class's limit.
func (s *Sandbox) Refused(clinicURL, class string) int {
	return s.counted(clinicURL, class, func(c *count) int { return c.refused })
}

// WorstWindow is the largest number of requests of a class that ever arrived
// within one window's length, wherever it begins: a client that keeps it at or
// below the limit is safe from every fixed window.
func (s *Sandbox) WorstWindow(clinicURL, class string) int {
	return s.counted(clinicURL, class, func(c *count) int { return c.worst })
}

func (s *Sandbox) counted(clinicURL, class string, read func(*count) int) int {
	for _, c := range s.clinics {
		if c.url != strings.TrimSuffix(clinicURL, "/") {
			continue
		}
		c.meter.mu.Lock()
		defer c.meter.mu.Unlock()
		if n := c.meter.counts[class]; n != nil {
			return read(n)
		}
	}
	return 0
}
