package app

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"locum/app/words"
)

const codeWrongRecord = words.CodeWrongRecord

// Kinds of names that a clinic's directory resolves.
const (
	kindPatient   = "patients"
	kindStaff     = "staff_members"
	kindTreatment = "treatments"
	kindLocation  = "locations"
)

// people answers the names of ids of one kind, with one request per hundred that are not remembered. An id that the
// platform does not know is missing in the answer.
func (c *clinic) people(kind string, ids []string) (map[string]string, error) {
	found, missing := c.recall(kind, ids)
	for chunk := range slices.Chunk(missing, idsPerRequest) {
		fresh, err := c.lookUp(kind, chunk)
		if err != nil {
			return found, err
		}
		c.remember(kind, fresh)
		for id, name := range fresh {
			found[id] = name
		}
	}
	return found, nil
}

// recall splits ids into those whose names are remembered and the others, each once, none empty.
func (c *clinic) recall(kind string, ids []string) (found map[string]string, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found = map[string]string{}
	for _, id := range ids {
		known, ok := c.names[kind+" "+id]
		switch {
		case id == "" || found[id] != "":
		case ok && time.Since(known.at) < rememberFor:
			found[id] = known.name
		case !slices.Contains(missing, id):
			missing = append(missing, id)
		}
	}
	return found, missing
}

func (c *clinic) remember(kind string, names map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names)+len(names) > rememberMost {
		clear(c.names)
	}
	for id, name := range names {
		c.names[kind+" "+id] = remembered{name, time.Now()}
	}
}

// lookUp asks the platform for the names of at most a hundred ids.
func (c *clinic) lookUp(kind string, ids []string) (map[string]string, error) {
	query := url.Values{"public_id[eq]": {strings.Join(ids, ",")}}
	names := map[string]string{}
	var err error
	switch kind {
	case kindPatient:
		var list []patient
		list, _, err = all[patient](c, "/"+kind, query)
		for _, p := range list {
			names[p.ID] = p.listName()
		}
	case kindStaff:
		var list []staffMember
		list, _, err = all[staffMember](c, "/"+kind, query)
		for _, s := range list {
			names[s.ID] = s.name()
		}
	default:
		var list []named
		list, _, err = all[named](c, "/"+kind, query)
		for _, n := range list {
			names[n.ID] = n.Name
		}
	}
	for id := range names {
		if !slices.Contains(ids, id) { // Not asked for: a platform that ignores the filter must not fill the memory.
			delete(names, id)
		}
	}
	return names, err
}

// listName is how a patient stands in a list: the name, and the one they go by where it differs.
func (p patient) listName() string {
	if p.Preferred != "" && !strings.EqualFold(p.Preferred, p.First) {
		return joinWords(p.First, "“"+p.Preferred+"”", p.Last)
	}
	return joinWords(p.First, p.Last)
}
