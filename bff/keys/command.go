package keys

import (
	"encoding/json"
	"fmt"
	"time"
)

// Operations of a Command.
const (
	OpCreate = "create"
	OpList   = "list"
	OpRotate = "rotate"
	OpRetire = "retire"
	OpExport = "export"
)

// Command is an operator's order, as it is handed to a Locum that runs. It holds nothing that is secret, and neither does the
// Report.
type Command struct {
	Op string `json:"op"`
	Target
	Key    string         `json:"key,omitempty"`     // of OpRetire
	Bits   int            `json:"bits,omitempty"`    // of OpCreate and OpRotate; 0: DefaultBits
	SignIn *time.Duration `json:"sign_in,omitempty"` // of OpRotate; nil: after the cache time
	AtOnce bool           `json:"at_once,omitempty"` // of OpRetire
}

// Changes says whether the command changes anything.
func (c Command) Changes() bool { return c.Op != OpList && c.Op != OpExport }

// Event names the command in the audit trail.
func (c Command) Event() string { return "signing_key_" + c.Op }

// Report is what came of a Command: the one key that it was about, all keys of a list, or the set to be exported.
type Report struct {
	Key  *Status         `json:"key,omitempty"`
	Keys []Status        `json:"keys,omitempty"`
	Set  json.RawMessage `json:"set,omitempty"`
}

// Run obeys a command.
func (s *Store) Run(c Command) (Report, error) {
	var one Status
	var err error
	switch c.Op {
	case OpCreate:
		one, err = s.Create(c.Target, c.Bits)
	case OpRotate:
		one, err = s.Rotate(c.Target, c.Bits, c.SignIn)
	case OpRetire:
		one, err = s.Retire(c.Target, c.Key, c.AtOnce)
	case OpList:
		all, err := s.List(c.Target)
		return Report{Keys: all}, err
	case OpExport:
		return s.export(c.Target)
	default:
		return Report{}, fmt.Errorf("keys: there is no operation %.20q", c.Op)
	}
	if err != nil {
		return Report{}, err
	}
	return Report{Key: &one}, nil
}

// export is the public set of a target alone, to be imported by hand.
func (s *Store) export(t Target) (Report, error) {
	if _, _, err := s.find(t); err != nil {
		return Report{}, err
	}
	if len(s.entries(t.ID())) == 0 {
		return Report{}, fmt.Errorf("%w for %s: `locum keys create %s` makes the first", ErrNone, t, t)
	}
	set, err := s.Public(t.ID())
	return Report{Set: set}, err
}
