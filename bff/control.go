package bff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"locum/bff/audit"
	"locum/bff/control"
	"locum/bff/keys"
	"locum/bff/secret"
)

// Commands that a running server obeys on its control socket.
const CommandKeys = "keys"

// Commanded is the answer to a command: what came of it, and the anchor of the audit trail behind its record.
type Commanded struct {
	Keys   keys.Report `json:"keys"`
	Anchor string      `json:"anchor"`
}

// openControl listens for operators' commands. A data directory in which no socket can be made costs these commands alone.
func (s *Server) openControl() {
	var err error
	s.control, err = control.Listen(s.cfg.DataDir, map[string]control.Handler{CommandKeys: s.commandKeys}, s.log)
	if err != nil {
		s.log.Warn("no command reaches this server: stop it for locum keys", "error", err)
	}
}

func (s *Server) commandKeys(ctx context.Context, input json.RawMessage, _ secret.String) (any, error) {
	var command keys.Command
	if err := json.Unmarshal(input, &command); err != nil {
		return nil, fmt.Errorf("the command is malformed: %w", err)
	}
	var report keys.Report
	event := audit.Event{Kind: command.Event(), Platform: command.Platform}
	err := s.commanded(ctx, command.Changes(), event, func() (err error) {
		report, err = s.keys.Run(command)
		return err
	})
	return Commanded{Keys: report, Anchor: s.audit.Anchor().String()}, err
}

// commanded records what an operator is about to do, does it, and records how it ended: no record, no deed. What changes
// nothing leaves no record.
func (s *Server) commanded(ctx context.Context, changes bool, event audit.Event, deed func() error) error {
	if !changes {
		return deed()
	}
	record := func(code string) error {
		event.Remote, event.Code = "command line", code
		return s.audit.Event(context.WithoutCancel(ctx), event)
	}
	if err := record("begun"); err != nil {
		return err
	}
	if err := deed(); err != nil {
		return errors.Join(err, record("failed"))
	}
	return record("done")
}
