package bff

import "slices"

// Routes gives method and path of every route of the table, for the tests that walk them all.
func (s *Server) Routes() [][2]string {
	var list [][2]string
	for _, r := range s.routes() {
		list = append(list, [2]string{r.method, r.path})
	}
	return list
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
