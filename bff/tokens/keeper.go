package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/vault"
)

// Config is what a Keeper stands on; all but Log are needed. Node names this process in the durable intent of a
// refresh; "" is a single node.
type Config struct {
	Vault     *vault.Vault
	Platforms *platform.Registry
	Audit     *audit.Log
	Log       *slog.Logger
	Node      string
	// Notify is told of every change of what a connection shows; it must not block. nil: nobody listens.
	Notify func(practitioner, connection, state, cause string)
	// SignedIn says whether the practitioner has a session; it must not block. nil: everybody counts as signed in.
	SignedIn func(practitioner string) bool
	// Active says whether the practitioner may sign in at all; it must not block. Whoever may not has nothing kept alive
	// for them. nil: everybody may.
	Active func(practitioner string) bool
}

// Keeper holds every connection's current access token in memory, and its chain in the vault. The vault is written
// first, always; what memory says can be rebuilt from it.
type Keeper struct {
	vault     *vault.Vault
	platforms *platform.Registry
	audit     *audit.Log
	log       *slog.Logger
	node      string
	notify    func(practitioner, connection, state, cause string)
	signedIn  func(practitioner string) bool
	active    func(practitioner string) bool
	lanes     map[string]*lane // by platform; never changes
	schedule  schedule
	born      time.Time

	mu    sync.RWMutex
	conns map[string]*held // by connection id

	kinds kinds // how the platforms rotate

	signIns signIns // redemptions under way
	waiting waiting // and those that nobody has adopted yet

	births sync.Mutex // held while looking for a connection to update and, finding none, making one

	outbox  outbox     // what is still to be revoked
	logouts sync.Mutex // held while one logout token is obeyed

	life    sync.Mutex
	closed  bool
	working sync.WaitGroup  // flights, redemptions and disconnections: Close waits for them
	ctx     context.Context // ends at Halt: nothing is begun any more
	stop    context.CancelFunc
}

// New builds the index of connections. What an earlier process left in the middle is picked up in the background: an
// answer that was stored and not read yet is read, and a redemption that did not finish is revoked and forgotten.
func New(cfg Config) (*Keeper, error) {
	if cfg.Vault == nil || cfg.Platforms == nil || cfg.Audit == nil {
		return nil, errors.New("tokens: vault, platforms and audit are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &Keeper{
		vault: cfg.Vault, platforms: cfg.Platforms, audit: cfg.Audit, log: cfg.Log, node: cfg.Node,
		notify: cfg.Notify, signedIn: cfg.SignedIn, active: cfg.Active, conns: map[string]*held{}, ctx: ctx, stop: stop, born: time.Now(),
	}
	k.openLanes()
	left, err := k.load()
	if err == nil {
		err = k.resume()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("read the connections: %w", err)
	}
	k.enter()
	go func() {
		defer k.working.Done()
		k.run()
	}()
	if len(left) > 0 {
		k.enter()
		go func() {
			defer k.working.Done()
			k.pickUp(ctx, left)
		}()
	}
	return k, nil
}

// load fills the index and the budgets, and gives the records that an earlier process left in the middle.
func (k *Keeper) load() ([]vault.Connection, error) {
	var left []vault.Connection
	err := k.vault.View(func(tx *vault.Tx) error {
		left = nil
		if err := k.kinds.load(tx); err != nil {
			return err
		}
		return vault.Connections.Each(tx, func(c vault.Connection) error {
			if c.State != statePending {
				h := hold(c)
				h.suspect = outlived(c, time.Now())
				k.index(h)
			}
			if l := k.lanes[c.Platform]; l != nil {
				l.recall(c, time.Now())
			}
			if c.State == statePending || c.Phase == phaseAnswered || k.pressing(c) {
				left = append(left, c)
			}
			return nil
		})
	})
	slices.SortStableFunc(left, func(a, b vault.Connection) int { return rank(b) - rank(a) })
	return left, err
}

// rank puts what only helps within seconds in front: a refresh token that may be presented again within a leeway.
func rank(c vault.Connection) int {
	if c.Phase == phaseInflight {
		return 1
	}
	return 0
}

// pickUp finishes what was left, one after another; it ends early when the Keeper closes.
func (k *Keeper) pickUp(ctx context.Context, left []vault.Connection) {
	for _, c := range left {
		if ctx.Err() != nil {
			return
		}
		if c.State == statePending {
			k.forget(c)
			continue
		}
		h, ok := k.find(c.Practitioner, c.ID)
		if !ok {
			continue
		}
		if f, err := k.fly(h, reason{trigger: triggerBoot}); err == nil {
			<-f.done
		}
	}
}

// Halt begins no refresh any more, and nobody waits for one that has not begun; those under way are finished. Close does
// the same and more.
func (k *Keeper) Halt() { k.stop() }

func (k *Keeper) halted() bool { return k.ctx.Err() != nil }

// Close refuses new flights and waits for those that are under way: what a platform has answered is stored.
func (k *Keeper) Close() error {
	k.life.Lock()
	k.closed = true
	k.life.Unlock()
	k.Halt()
	k.working.Wait()
	return nil
}

// enter counts one piece of work that Close waits for; false when the Keeper is closing. Pair it with working.Done.
func (k *Keeper) enter() bool {
	k.life.Lock()
	defer k.life.Unlock()
	if k.closed {
		return false
	}
	k.working.Add(1)
	return true
}

// find gives the practitioner's connection; another practitioner's is not found.
func (k *Keeper) find(practitioner, connection string) (*held, bool) {
	k.mu.RLock()
	h, ok := k.conns[connection]
	k.mu.RUnlock()
	if !ok || h.practitioner != practitioner || h.gone.Load() {
		return nil, false
	}
	return h, true
}

// twin finds the practitioner's connection to the same clinic as the same subject, launched in the same way for the same
// patient: two tabs that an EHR opened for two patients never share a token.
func (k *Keeper) twin(c vault.Connection) (*held, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.conns {
		same := h.practitioner == c.Practitioner && h.platform == c.Platform && h.clinic == c.Clinic && h.subject == c.Subject &&
			h.issuer == c.Issuer && h.kind == c.Launch.Kind && h.patient == c.Launch.Patient
		if same && !h.gone.Load() {
			return h, true
		}
	}
	return nil, false
}

// index makes h a connection that is found. It counts as used.
func (k *Keeper) index(h *held) {
	h.used.Store(int64(time.Since(k.born)))
	k.mu.Lock()
	_, known := k.conns[h.id]
	k.conns[h.id] = h
	k.mu.Unlock()
	if l := k.lanes[h.platform]; l != nil && !known {
		l.conns.Add(1)
	}
	k.plan(h)
}

func (k *Keeper) unindex(h *held) {
	k.mu.Lock()
	_, known := k.conns[h.id]
	delete(k.conns, h.id)
	k.mu.Unlock()
	if l := k.lanes[h.platform]; l != nil && known {
		l.conns.Add(-1)
	}
	k.plan(h)
}

// show replaces what a connection hands out and shows, and tells whoever listens where its state changes.
// What a flight found that a logout has overtaken is not shown any more.
func (k *Keeper) show(h *held, cur *current) {
	before := h.now.Load()
	cur.foretold = cur.foretells(before)
	for before.over && cur.lease.Generation <= before.lease.Generation || !h.now.CompareAndSwap(before, cur) {
		if before = h.now.Load(); before.over && cur.lease.Generation <= before.lease.Generation {
			return
		}
	}
	if k.notify != nil && (before.view.State != cur.view.State || before.view.Cause != cur.view.Cause) {
		k.notify(h.practitioner, h.id, cur.view.State, cur.view.Cause)
	}
}

// swap is show out of turn: it replaces cur alone, so that it takes back nothing that a flight has brought meanwhile.
func (k *Keeper) swap(h *held, cur, next *current) bool {
	if !h.now.CompareAndSwap(cur, next) {
		return false
	}
	if k.notify != nil {
		k.notify(h.practitioner, h.id, next.view.State, next.view.Cause)
	}
	return true
}
