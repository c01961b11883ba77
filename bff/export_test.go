package bff

import (
	"slices"
	"time"
)

// Routes gives method and path of every route of the table, for the tests that walk them all.
func (s *Server) Routes() [][2]string {
	var list [][2]string
	for _, r := range s.routes() {
		list = append(list, [2]string{r.method, r.path})
	}
	return list
}

// StartSession starts a session of the account without its password and gives the cookie.
func (s *Server) StartSession(login string) (string, error) {
	who, err := s.accounts.ByLogin(login)
	if err != nil {
		return "", err
	}
	cookie, _, err := s.sessions.Start(who.ID)
	return cookie.Reveal(), err
}

// Meanings gives every code that the one table knows.
func Meanings() []string {
	var list []string
	for code := range meanings {
		list = append(list, string(code))
	}
	slices.Sort(list)
	return list
}

// LastActive is when the session of a cookie last counted as active.
func (s *Server) LastActive(cookie string) (time.Time, error) {
	found, err := s.sessions.Lookup(cookie)
	return found.LastActive, err
}
