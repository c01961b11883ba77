package tokens

import (
	"sync"

	"locum/bff/vault"
)

// signIns are the redemptions under way: chains that live at their platform already and are no connections here yet. What
// ends logins looks at them too, there as here.
type signIns struct {
	mu  sync.Mutex
	all map[*signIn]bool
}

// signIn is one redemption, and the logouts that its platform has told of since it began.
type signIn struct {
	platform, practitioner string
	logouts                []logout
}

func (s *signIns) begin(platform, practitioner string) *signIn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*signIn]bool{}
	}
	one := &signIn{platform: platform, practitioner: practitioner}
	s.all[one] = true
	return one
}

// end gives the logouts that the redemption may have missed. What it made is found by those that come after.
func (s *signIns) end(one *signIn) []logout {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, one)
	return one.logouts
}

// tell lets every redemption of a platform know of a logout. They end within a minute, and with them what they were told.
func (s *signIns) tell(platform string, out logout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.all {
		if one.platform == platform {
			one.logouts = append(one.logouts, out)
		}
	}
}

// underWay says whether the practitioner is about to get a connection to the platform, of which login is not known yet.
func (s *signIns) underWay(platform, practitioner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.all {
		if one.platform == platform && one.practitioner == practitioner {
			return true
		}
	}
	return false
}

// survives is nil where the logouts that came meanwhile do not concern the connection just made, and otherwise its end.
func (k *Keeper) survives(c vault.Connection, logouts []logout) error {
	h, there := k.find(c.Practitioner, c.ID)
	for _, out := range logouts {
		if !there || !means(out.Logout, c.SID, c.Subject) {
			continue
		}
		k.logouts.Lock()
		_, err := k.obey("", []*held{h}, out)
		k.logouts.Unlock()
		if err != nil {
			k.log.Error("logout during a sign-in", "connection", c.ID, "error", err)
		}
		return ended(c.ID, h.now.Load())
	}
	return nil
}
