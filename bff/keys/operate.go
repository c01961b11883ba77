package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/vault"
)

// Target names a set as an operator does: a platform of the configuration, or its service.
type Target struct {
	Platform string `json:"platform"`
	Service  bool   `json:"service,omitempty"`
}

// ID is what the target's keys, and its client secret, are stored under.
func (t Target) ID() string {
	if t.Service {
		return OfService(t.Platform)
	}
	return t.Platform
}

// String is the target as it is typed behind a command.
func (t Target) String() string {
	if t.Service {
		return t.Platform + " --service"
	}
	return t.Platform
}

// Typed is an id, of a platform or of its service, as it is typed behind a command.
func Typed(id string) string {
	if platform, service := strings.CutSuffix(id, "/service"); service {
		return Target{platform, true}.String()
	}
	return id
}

// set is one set of keys in the hands of an operation: as it is, and what of it is to be written and deleted.
type set struct {
	target  Target
	auth    oauth.Auth
	cache   time.Duration
	unused  error // ErrUnused where the configuration has turned to another way: what is left can be looked at and taken away
	now     time.Time
	entries []entry // those that are still published
	put     []vault.SigningKey
	drop    []vault.SigningKey
}

// overlap is how long a key stays published after it has signed last: for copies of the set, and for what it has signed.
func (s *set) overlap() time.Duration { return s.cache + assertionLife }

// signing is the place of the key that signs now, -1 where there is none.
func (s *set) signing() int { return signing(keysOf(s.entries), s.now) }

// next is the place of the key that a rotation under way leads to, or -1.
func (s *set) next() int {
	at := s.signing()
	for i, e := range s.entries {
		if k := e.key(); i != at && !k.spare() && !k.begun(s.now) {
			return i
		}
	}
	return -1
}

// changes runs an operation on a set, then writes what it has decided in one transaction.
func (s *Store) changes(t Target, operate func(*set) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	auth, cache, err := s.find(t)
	left := errors.Is(err, ErrUnused) && len(s.entries(t.ID())) > 0
	if err != nil && !left {
		return err
	}
	now := &set{target: t, auth: auth, cache: cache, unused: err, now: time.Now().Round(0)}
	for _, e := range s.entries(t.ID()) {
		if e.key().published(now.now) {
			now.entries = append(now.entries, e)
		} else {
			now.drop = append(now.drop, e.record)
		}
	}
	if err := operate(now); err != nil {
		return err
	}
	return s.write(now.put, now.drop)
}

// write stores records and deletes others. A record that is already there keeps its private half. The caller holds mu.
func (s *Store) write(put, drop []vault.SigningKey) error {
	err := s.vault.Update(func(tx *vault.Tx) error {
		for _, r := range drop {
			if err := vault.SigningKeys.Delete(tx, place(r)); err != nil {
				return err
			}
		}
		for _, r := range put {
			if r.Private.Empty() {
				stored, err := vault.SigningKeys.Get(tx, place(r))
				if err != nil {
					return err
				}
				r.Private, r.Generation = stored.Private, stored.Generation
			}
			if err := vault.SigningKeys.Put(tx, place(r), &r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the signing keys: %w", err)
	}
	return s.reload()
}

func place(r vault.SigningKey) string { return r.Platform + "/" + r.ID }

// find is how the target authenticates: by keys, or ErrUnused.
func (s *Store) find(t Target) (oauth.Auth, time.Duration, error) {
	i := slices.IndexFunc(s.platforms, func(p *platform.Platform) bool { return p.ID == t.Platform })
	if i < 0 {
		return oauth.Auth{}, 0, fmt.Errorf("%w; see platforms in the configuration", platform.ErrUnknownPlatform)
	}
	p := s.platforms[i]
	auth, where := p.Auth, "auth"
	if t.Service {
		if p.Service == nil {
			return oauth.Auth{}, 0, fmt.Errorf("%w: %s has no service; see service in its block of the configuration", ErrUnused, t.Platform)
		}
		auth, where = p.Service.Auth, "service.auth"
	}
	if auth.Method != oauth.AuthKey {
		method := auth.Method
		if method == "" {
			method = oauth.AuthPost
		}
		return oauth.Auth{}, 0, fmt.Errorf("%w: %s authenticates by %s; write %s.method: %s in its block of the configuration", ErrUnused, t, method, where, oauth.AuthKey)
	}
	return auth, CacheOf(p), nil
}

// algorithm is what the configuration wants new keys to be for.
func (s *set) algorithm() string {
	if s.auth.Algorithm == "" {
		return RS384
	}
	return s.auth.Algorithm
}

// add makes a key, published from now on.
func (s *set) add(bits int) (entry, error) {
	if s.unused != nil {
		return entry{}, s.unused
	}
	if len(s.entries) >= Most {
		return entry{}, fmt.Errorf("%w: wait until one has left, or take one away with `locum keys retire %s KEY`", ErrFull, s.target)
	}
	record, err := newRecord(s.target.ID(), s.algorithm(), bits)
	if err != nil {
		return entry{}, err
	}
	record.CreatedAt = s.now
	return entry{record: record}, nil
}

// Create makes a key and publishes it. The first one signs at once; another is a spare, which the next rotation takes. bits
// are of RSA alone; 0 is DefaultBits.
func (s *Store) Create(t Target, bits int) (Status, error) {
	var made Status
	err := s.changes(t, func(now *set) error {
		added, err := now.add(bits)
		if err != nil {
			return err
		}
		made.State = StateSpare
		if now.signing() < 0 {
			added.record.SignsFrom, made.State = now.now, StateSigning
		}
		made.Key = added.key()
		now.put = append(now.put, added.record)
		return nil
	})
	return made, err
}

// List says what each key that is published does.
func (s *Store) List(t Target) ([]Status, error) {
	entries := s.entries(t.ID())
	if _, _, err := s.find(t); err != nil && !(errors.Is(err, ErrUnused) && len(entries) > 0) {
		return nil, err
	}
	return status(keysOf(entries), time.Now()), nil
}

// Rotate lets another key take over: a spare where there is one, otherwise a new one. It signs once it has been published for
// the cache time, or after signIn where that is not nil: whoever imports keys by hand knows when that is done. The key that
// signs now goes on until then, and is published for the cache time and the life of an assertion more. While a rotation is
// under way, another moment for it is all that can be chosen.
func (s *Store) Rotate(t Target, bits int, signIn *time.Duration) (Status, error) {
	var chosen Status
	err := s.changes(t, func(now *set) error {
		if now.unused != nil {
			return now.unused
		}
		at := now.signing()
		if at < 0 {
			return fmt.Errorf("%w for %s: `locum keys create %s` makes the first", ErrNone, t, t)
		}
		successor, err := now.successor(bits, signIn)
		if err != nil {
			return err
		}
		begin := successor.record.CreatedAt.Add(now.cache)
		if signIn != nil {
			begin = now.now.Add(*signIn)
		}
		leaving := now.entries[at].record
		begin = latest(begin, now.now, leaving.SignsFrom.Add(time.Nanosecond)) // two that begin together have no order
		successor.record.SignsFrom = begin
		leaving.RetireAt = begin.Add(now.overlap())
		now.put = append(now.put, successor.record, leaving)
		chosen = Status{Key: successor.key(), State: StateNext}
		if !begin.After(now.now) {
			chosen.State = StateSigning
		}
		return nil
	})
	return chosen, err
}

func latest(t time.Time, others ...time.Time) time.Time {
	for _, other := range others {
		if other.After(t) {
			t = other
		}
	}
	return t
}

// successor is the key that a rotation leads to.
func (s *set) successor(bits int, signIn *time.Duration) (entry, error) {
	if i := s.next(); i >= 0 {
		if signIn == nil {
			k := s.entries[i].key()
			return entry{}, fmt.Errorf("%w: %s signs from %s on; choose another moment with --sign-in, or give it up with `locum keys retire %s %s`",
				ErrRotating, k.ID, k.SignsFrom.Format(time.RFC3339), s.target, k.ID)
		}
		return s.entries[i], nil
	}
	for _, e := range s.entries {
		if e.key().spare() && e.record.Algorithm == s.algorithm() {
			return e, nil
		}
	}
	return s.add(bits)
}

// Retire takes a key away. One that has never signed is gone at once; a rotation to it is given up. The one that signs hands
// over to the next or to a spare, if that has been published for the cache time, and stays published for its own overlap.
// Where the configuration uses keys no longer, any can go.
// atOnce is for a key that somebody else may have: nothing is waited for, and it is gone.
func (s *Store) Retire(t Target, kid string, atOnce bool) (Status, error) {
	var left Status
	err := s.changes(t, func(now *set) error {
		i := slices.IndexFunc(now.entries, func(e entry) bool { return e.record.ID == kid })
		if i < 0 {
			return fmt.Errorf("%w of %s; see `locum keys list %s`", ErrUnknown, t, t)
		}
		at, record := now.signing(), now.entries[i].record
		switch k := now.entries[i].key(); {
		case now.unused != nil:
			atOnce = true
		case i == at:
			if err := now.handOver(i, atOnce); err != nil {
				return err
			}
			record.RetireAt = now.now.Add(now.overlap())
		case k.begun(now.now): // it is leaving
		default:
			if !k.spare() { // the rotation is given up
				stays := now.entries[at].record
				stays.RetireAt = time.Time{}
				now.put = append(now.put, stays)
			}
			atOnce = true
		}
		if atOnce {
			record.RetireAt = now.now
			now.drop = append(now.drop, record)
		} else {
			now.put = append(now.put, record)
		}
		left = Status{Key: entry{record: record}.key(), State: StateLeaving}
		return nil
	})
	return left, err
}

// handOver lets another key sign in place of the one at i from now on.
func (s *set) handOver(i int, atOnce bool) error {
	j := s.next()
	for k := 0; j < 0 && k < len(s.entries); k++ {
		if k != i && s.entries[k].key().spare() {
			j = k
		}
	}
	if j < 0 {
		return fmt.Errorf("%w of %s: `locum keys rotate %s` makes another and retires this one", ErrLast, s.target, s.target)
	}
	heir := s.entries[j].record
	if ready := heir.CreatedAt.Add(s.cache); !atOnce && ready.After(s.now) {
		return fmt.Errorf("%w: %s, which would take over, is known to everybody at %s only; wait, or do it all the same with --now",
			ErrSoon, heir.ID, ready.Format(time.RFC3339))
	}
	heir.SignsFrom = s.now
	if !atOnce {
		heir.SignsFrom = latest(s.now, s.entries[i].record.SignsFrom.Add(time.Nanosecond))
	}
	s.put = append(s.put, heir)
	return nil
}

// Sweep deletes what is published no more.
func (s *Store) Sweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var drop []vault.SigningKey
	for _, entries := range *s.sets.Load() {
		for _, e := range entries {
			if !e.key().published(now) {
				drop = append(drop, e.record)
			}
		}
	}
	if len(drop) == 0 {
		return nil
	}
	return s.write(nil, drop)
}
