package session_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"locum/bff/session"
)

// ends notes which sessions a Manager says have ended.
type ends struct {
	mu   sync.Mutex
	list []string // "id of practitioner"
}

func listen(h *house) *ends {
	e := &ends{}
	h.OnEnd(func(id, practitioner string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if h.Alive(id, practitioner) {
			practitioner += ", who is still in"
		}
		e.list = append(e.list, id+" of "+practitioner)
	})
	return e
}

func (e *ends) want(t *testing.T, what string, sessions ...session.Session) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var wanted []string
	for _, s := range sessions {
		wanted = append(wanted, s.ID+" of "+s.Practitioner)
	}
	slices.Sort(wanted)
	slices.Sort(e.list)
	if !slices.Equal(e.list, wanted) {
		t.Errorf("%s: told %q, want %q", what, e.list, wanted)
	}
	e.list = nil
}

// TestT088EveryEndIsTold once, whatever brought it about, when the session can no longer be found.
func TestT088EveryEndIsTold(t *testing.T) {
	in(t, session.Limits{Idle: 5 * time.Minute}, func(t *testing.T, h *house) {
		told := listen(h)
		_, out := mustStart(t, h, "ana")
		_, first := mustStart(t, h, "ben")
		_, second := mustStart(t, h, "ben")
		told.want(t, "nobody has left")
		must(t, h.End(out.ID))
		must(t, h.End(out.ID))
		told.want(t, "signed out twice", out)
		_, err := h.EndAll("ben")
		must(t, err)
		told.want(t, "all of one", first, second)

		_, oldest := mustStart(t, h, "ana")
		var idle []session.Session
		for range 10 {
			time.Sleep(time.Second)
			_, s := mustStart(t, h, "ana")
			idle = append(idle, s)
		}
		told.want(t, "displaced", oldest)
		time.Sleep(5 * time.Minute)
		_, awake := mustStart(t, h, "ben")
		_, err = h.Sweep()
		must(t, err)
		told.want(t, "idle", idle...)

		h.damage(t)
		time.Sleep(2 * time.Minute)
		if h.Touch(awake.ID) == nil {
			t.Error("a damaged record took the activity")
		}
		told.want(t, "damaged", awake)
		h.OnEnd(nil)
		_, s := mustStart(t, h, "ana")
		must(t, h.End(s.ID))
		told.want(t, "nobody listens")
	})
}
