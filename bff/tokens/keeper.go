package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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

	mu    sync.RWMutex
	conns map[string]*held // by connection id

	births sync.Mutex // held while looking for a connection to update and, finding none, making one

	life    sync.Mutex
	closed  bool
	working sync.WaitGroup // flights, redemptions and disconnections: Close waits for them
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
		notify: cfg.Notify, conns: map[string]*held{}, stop: stop,
	}
	left, err := k.load()
	if err != nil {
		stop()
		return nil, fmt.Errorf("read the connections: %w", err)
	}
	if len(left) > 0 {
		k.enter()
		go func() {
			defer k.working.Done()
			k.pickUp(ctx, left)
		}()
	}
	return k, nil
}

// load fills the index and gives the records that an earlier process left in the middle.
func (k *Keeper) load() ([]vault.Connection, error) {
	var left []vault.Connection
	err := k.vault.View(func(tx *vault.Tx) error {
		left = nil
		return vault.Connections.Each(tx, func(c vault.Connection) error {
			if c.State != statePending {
				h := hold(c)
				k.conns[h.id] = h
			}
			if c.State == statePending || c.Phase == phaseAnswered {
				left = append(left, c)
			}
			return nil
		})
	})
	return left, err
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

// Close refuses new flights and waits for those that are under way: what a platform has answered is stored.
func (k *Keeper) Close() error {
	k.life.Lock()
	k.closed = true
	k.life.Unlock()
	k.stop()
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

// twin finds the practitioner's connection to the same clinic as the same subject.
func (k *Keeper) twin(c vault.Connection) (*held, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.conns {
		same := h.practitioner == c.Practitioner && h.platform == c.Platform && h.clinic == c.Clinic && h.subject == c.Subject
		if same && !h.gone.Load() {
			return h, true
		}
	}
	return nil, false
}

func (k *Keeper) index(h *held) {
	k.mu.Lock()
	k.conns[h.id] = h
	k.mu.Unlock()
}

func (k *Keeper) unindex(h *held) {
	k.mu.Lock()
	delete(k.conns, h.id)
	k.mu.Unlock()
}

// show replaces what a connection hands out and shows, and tells whoever listens where its state changes.
func (k *Keeper) show(h *held, cur *current) {
	before := h.now.Swap(cur)
	if k.notify != nil && (before.view.State != cur.view.State || before.view.Cause != cur.view.Cause) {
		k.notify(h.practitioner, h.id, cur.view.State, cur.view.Cause)
	}
}
