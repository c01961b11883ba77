package tokens

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

const (
	// learnAfter is how long after a refresh the token it spent is looked at once more: no leeway is longer than a minute.
	learnAfter = 65 * time.Second
	// checkEvery is how often what was learned is learned anew, and learnAgain how soon after an attempt that failed.
	checkEvery = 7 * 24 * time.Hour
	learnAgain = 10 * time.Minute
	// provenFor is how long an introspection that knew a live token is taken to know them all.
	provenFor = 10 * time.Minute
	// usualLeeway is Okta's default, and what is assumed of a leeway that is configured without its length.
	usualLeeway = 30 * time.Second
	// leastLeeway is assumed of one that was seen and not measured: enough to repeat a request at once. Later the token is
	// asked about first, which serves as long as the leeway really is.
	leastLeeway = 10 * time.Second
)

// What a kind was learned from: vault.Authority.Evidence.
const (
	evidenceSame    = "same_token"     // a refresh gave the token back that was presented
	evidenceNew     = "new_token"      // a static one gave another: what it does is not known any more
	evidenceSpent   = "old_inactive"   // the old one was inactive at once
	evidenceLeeway  = "old_expired"    // it was active at once and inactive a minute later
	evidenceActive  = "old_active"     // it was active a minute later
	evidenceRefused = "replay_refused" // a token that was to be good was refused for having been used
)

// Rotation is what is known about how a platform rotates its refresh tokens, and what is acted on. A platform that nobody
// knows anything about is treated as the strictest.
type Rotation struct {
	Kind                 string // platform.Kind*
	Reuse                int    // KindReuse: how often a token may be presented again
	Leeway               time.Duration
	Configured           bool
	LearnedAt, CheckedAt time.Time
	Evidence             string // a code, "" when nothing was learned
	Contradiction        string // the kind that was learned, where it is another than the configured one
}

// kinds is what was learned, by platform.
type kinds struct {
	mu      sync.Mutex
	known   map[string]vault.Authority
	proven  map[string]time.Time // when introspection last knew a live refresh token
	pending map[string]time.Time // not learned before then
}

func (s *kinds) load(tx *vault.Tx) error {
	s.known, s.proven, s.pending = map[string]vault.Authority{}, map[string]time.Time{}, map[string]time.Time{}
	return vault.Authorities.Each(tx, func(a vault.Authority) error {
		s.known[a.Platform] = a
		return nil
	})
}

func (s *kinds) get(platform string) vault.Authority {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.known[platform]
	a.Platform = platform
	return a
}

func (s *kinds) set(a vault.Authority) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[a.Platform] = a
}

// prove notes that introspection has just known a live refresh token.
func (s *kinds) prove(platform string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proven[platform] = now
}

func (s *kinds) isProven(platform string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.proven[platform]
	return ok && now.Sub(at) < provenFor
}

// everProven says whether introspection has known a live refresh token at all, in this process or when the kind was learned.
func (s *kinds) everProven(platform string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	evidence := s.known[platform].Evidence
	return !s.proven[platform].IsZero() || evidence == evidenceSpent || evidence == evidenceLeeway || evidence == evidenceActive
}

// begin says whether the platform's kind is to be learned now, by whoever asks.
func (s *kinds) begin(platform string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.known[platform]
	due := a.Kind == platformUnknown || now.Sub(a.CheckedAt) >= checkEvery || now.Before(a.CheckedAt)
	if !due || now.Before(s.pending[platform]) {
		return false
	}
	s.pending[platform] = now.Add(learnAgain)
	return true
}

// retry lets the next refresh try again at once: what was begun met another refresh of the same connection.
func (s *kinds) retry(platform string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, platform)
}

const platformUnknown = platform.KindUnknown

// safety says how much a kind forgives, and with it which of two is acted on.
func safety(kind string) int {
	switch kind {
	case platform.KindNone, platform.KindStatic:
		return 3
	case platform.KindReuse:
		return 2
	case platform.KindRotating:
		return 1
	}
	return 0
}

// contradicts says whether what was learned shows that the configured kind is wrong. A server that does not rotate and one
// that allows a reuse look alike.
func contradicts(configured, learned string) bool {
	return learned != platform.KindUnknown && learned != configured &&
		!(configured == platform.KindNone && learned == platform.KindReuse)
}

// rotation is what is acted on: the configured kind, and the learned one where none is configured or where it forgives
// less. A configuration never makes anything less safe than what was observed.
func (k *Keeper) rotation(live *platform.Live) Rotation {
	a := k.kinds.get(live.ID)
	policy := live.Refresh
	r := Rotation{
		Kind: a.Kind, Reuse: a.Reuse, Leeway: a.Leeway, LearnedAt: a.LearnedAt, CheckedAt: a.CheckedAt, Evidence: a.Evidence,
	}
	if policy.Kind != platform.KindUnknown {
		r.Configured = true
		if contradicts(policy.Kind, a.Kind) {
			r.Contradiction = a.Kind
		}
		if r.Contradiction == "" || safety(policy.Kind) <= safety(a.Kind) {
			r.Kind, r.Reuse = policy.Kind, policy.Reuse
		}
	}
	if r.Kind == platform.KindReuse {
		r.Reuse = max(1, r.Reuse)
	}
	if r.Kind == platform.KindRotating {
		r.Leeway = cmp.Or(policy.Leeway, r.Leeway, usualLeeway)
	}
	return r
}

// Rotation gives what is known about a platform's rotation; the zero value where there is no such platform.
func (k *Keeper) Rotation(platformID string) Rotation {
	live, err := k.platforms.Get(platformID)
	if err != nil {
		return Rotation{}
	}
	return k.rotation(live)
}

// Kind gives the kind of rotation that is acted on ("" while it is not known), when it was learned, and whether it is
// configured.
func (k *Keeper) Kind(platformID string) (kind string, learnedAt time.Time, configured bool) {
	r := k.Rotation(platformID)
	return r.Kind, r.LearnedAt, r.Configured
}

// learn looks at what a good refresh did to the token that it was made with, where the platform's kind is not known or was
// not looked at for a week. It costs the connection nothing: it only asks about tokens (refresh-protocol D4, step 7). c is
// the record before the refresh, next the one after.
func (k *Keeper) learn(h *held, live *platform.Live, c, next vault.Connection) {
	a, now := k.kinds.get(live.ID), time.Now()
	switch same := c.Refresh.Equal(next.Refresh); {
	case c.Refresh.Empty() || c.Reuses > 1: // presented twice: what it is now says nothing about one refresh
	case same && (a.Kind != platform.KindStatic || now.Sub(a.CheckedAt) >= checkEvery):
		k.learned(live, next, a, vault.Authority{Kind: platform.KindStatic, Evidence: evidenceSame})
	case same:
	case a.Kind == platform.KindStatic:
		k.learned(live, next, a, vault.Authority{Evidence: evidenceNew})
	case live.OAuth.Server().Introspection != "" && k.kinds.begin(live.ID, now) && k.enter():
		go func() {
			defer k.working.Done()
			k.observe(h, live, c.Refresh, next, a)
		}()
	}
}

// observe asks about the spent token twice. Each time the connection's newest token is asked about too: where that one is
// inactive, introspection is of no use here (Keycloak knows no token without the right hint, for instance). It gives up when
// the connection is refreshed meanwhile, since an older token then dies for another reason.
func (k *Keeper) observe(h *held, live *platform.Live, spent secret.String, c vault.Connection, before vault.Authority) {
	first, err := k.compare(h, live, spent, c.Refresh)
	second := first
	if err == nil && first && sleep(k.ctx, learnAfter) == nil {
		second, err = k.compare(h, live, spent, c.Refresh)
	}
	switch {
	case k.ctx.Err() != nil:
	case errors.Is(err, errMoved):
		k.kinds.retry(live.ID)
	case err != nil:
		k.log.Info("kind of rotation not learned", "platform", live.ID, "error", err)
	case !first:
		k.learned(live, c, before, vault.Authority{Kind: platform.KindStrict, Evidence: evidenceSpent})
	case !second:
		k.learned(live, c, before, vault.Authority{Kind: platform.KindRotating, Leeway: leastLeeway, Evidence: evidenceLeeway})
	default: // or it does not rotate at all, which looks the same and forgives more
		k.learned(live, c, before, vault.Authority{Kind: platform.KindReuse, Reuse: 1, Evidence: evidenceActive})
	}
}

// errMoved says that the connection was refreshed while its platform was being looked at.
var errMoved = errors.New("the connection was refreshed meanwhile")

// compare says whether the spent token is active, as long as newest is the connection's token and is active.
func (k *Keeper) compare(h *held, live *platform.Live, spent, newest secret.String) (bool, error) {
	alive, err := k.introspect(k.ctx, live, newest)
	if err != nil {
		return false, err
	}
	active, err := k.introspect(k.ctx, live, spent)
	if err != nil {
		return false, err
	}
	c, err := k.read(h)
	switch {
	case err != nil || h.gone.Load() || c.Phase != "" || !c.Refresh.Equal(newest):
		return false, errMoved
	case !alive:
		return false, errUnproven
	}
	return active, nil
}

// sleep waits for d, or gives ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// learned stores what was learned from a connection and acts on it from now on, unless something else was learned since
// before. It is on record where it is new.
func (k *Keeper) learned(live *platform.Live, c vault.Connection, before, a vault.Authority) {
	now := time.Now()
	a.Platform, a.LearnedAt, a.CheckedAt, a.Generation = live.ID, now, now, before.Generation
	changed := a.Kind != before.Kind
	if !changed {
		a.LearnedAt, a.Leeway = before.LearnedAt, cmp.Or(before.Leeway, a.Leeway)
	}
	if a.Evidence == evidenceRefused || a.Kind == platform.KindUnknown {
		a.CheckedAt = time.Time{} // the next good refresh looks again
		k.kinds.retry(live.ID)
	}
	err := k.vault.Update(func(tx *vault.Tx) error {
		next := a
		if err := vault.Authorities.Put(tx, live.ID, &next); err != nil {
			return err
		}
		a.Generation = next.Generation
		if !changed {
			return nil
		}
		return k.step(tx, c, vault.Step{What: StepLearned, Trigger: triggerPlatform, Code: cmp.Or(a.Kind, "unknown"), Detail: a.Evidence})
	})
	switch {
	case errors.Is(err, vault.ErrConflict): // somebody else has learned something since
		return
	case err != nil: // it is acted on all the same; a restart learns it again
		k.log.Warn("kind of rotation not stored", "platform", live.ID, "error", err)
		a.Generation = before.Generation
	}
	k.kinds.set(a)
	if !changed {
		return
	}
	k.log.Info("kind of rotation learned", "platform", live.ID, "kind", a.Kind, "evidence", a.Evidence)
	k.note(audit.Event{Kind: "kind_learned", Code: cmp.Or(a.Kind, "unknown")}, c)
	if configured := live.Refresh.Kind; configured != "" && contradicts(configured, a.Kind) {
		k.log.Warn("the configured kind of rotation is not what was observed; the stricter one is acted on",
			"platform", live.ID, "configured", configured, "observed", a.Kind, "evidence", a.Evidence)
		k.note(audit.Event{Kind: "kind_contradicted", Code: configured + " " + a.Kind}, c)
	}
}

// refusedReplay notes that a token which the platform's kind allows to present again was refused for having been used:
// until more is known the platform is taken for strict.
func (k *Keeper) refusedReplay(live *platform.Live, c vault.Connection) {
	a := k.kinds.get(live.ID)
	if k.rotation(live).Kind != platform.KindStrict {
		k.learned(live, c, a, vault.Authority{Kind: platform.KindStrict, Evidence: evidenceRefused})
	}
}
