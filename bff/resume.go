package bff

import "time"

// resume has the throttle count what was sent before this start (T104).
func (s *Server) resume() {
	r := s.proxy.Resume(s.nothingBefore)
	switch {
	case r.Unknown != "":
		s.log.Warn("the audit trail does not tell what was sent before this start: clinics are not called until that cannot count any more",
			"cause", r.Unknown, "wait", r.Wait.Round(time.Second))
	case r.Requests > 0:
		s.log.Info("requests before this start still count against the limits of their clinics", "requests", r.Requests)
	}
}

// nothingBefore says whether nothing can have been sent before a time: no connection is as old.
func (s *Server) nothingBefore(at time.Time) bool {
	first := s.tokens.Oldest()
	return first.IsZero() || !first.Before(at)
}
