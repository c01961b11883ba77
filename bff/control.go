package bff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"locum/bff/account"
	"locum/bff/ask"
	"locum/bff/audit"
	"locum/bff/control"
	"locum/bff/keys"
	"locum/bff/secret"
)

// Commands that a running server obeys on its control socket: a keys.Command, a keys.Target with the client secret beside it,
// an AccountOrder with the password beside it.
const (
	CommandKeys    = "keys"
	CommandSecret  = "secret"
	CommandForget  = "forget" // a keys.Target, whose client secret is removed
	CommandAccount = "account"
)

// Operations of an AccountOrder.
const (
	AccountAdd      = "add"
	AccountPassword = "password"
	AccountList     = "list"
	AccountDisable  = "disable"
	AccountEnable   = "enable"
	AccountUnlink   = "unlink" // from who they are at platforms whose EHR signs them in
)

// AccountOrder is what an operator wants of the accounts. Name is of AccountAdd.
type AccountOrder struct {
	Op    string `json:"op"`
	Login string `json:"login,omitempty"`
	Name  string `json:"name,omitempty"`
}

// Commanded is the answer to a command: what came of it, and the anchor of the audit trail behind its record.
type Commanded struct {
	Keys     keys.Report       `json:"keys,omitzero"`
	Accounts []account.Account `json:"accounts,omitempty"`
	Anchor   string            `json:"anchor"`
}

// openControl listens for operators' commands. A data directory in which no socket can be made costs these commands alone.
func (s *Server) openControl() {
	var err error
	s.control, err = control.Listen(s.cfg.DataDir, map[string]control.Handler{
		CommandKeys: s.commandKeys, CommandSecret: s.commandSecret, CommandAccount: s.commandAccount,
		ask.Command: s.commandAsk, CommandForget: s.commandForget,
	}, s.log)
	if err != nil {
		s.log.Warn("no command reaches this server: stop it for those that change something", "error", err)
	}
}

func (s *Server) commandKeys(ctx context.Context, input json.RawMessage, _ secret.String) (any, error) {
	var command keys.Command
	if err := ordered(input, &command); err != nil {
		return nil, err
	}
	event := func() audit.Event { return audit.Event{Kind: command.Event(), Platform: command.Platform} }
	var report keys.Report
	deed := func() (err error) {
		report, err = s.keys.Run(command)
		return err
	}
	if !command.Changes() {
		err := deed()
		return Commanded{Keys: report}, err
	}
	err := s.commanded(ctx, event, deed)
	if err == nil && command.Service {
		s.services.Retry(command.Platform)
	}
	return Commanded{Keys: report, Anchor: s.audit.Anchor().String()}, err
}

func (s *Server) commandSecret(ctx context.Context, input json.RawMessage, hidden secret.String) (any, error) {
	var target keys.Target
	if err := ordered(input, &target); err != nil {
		return nil, err
	}
	if hidden.Empty() {
		return nil, errors.New("no secret came with the command")
	}
	set := s.SetClientSecret
	if target.Service {
		set = s.SetServiceSecret
	}
	event := func() audit.Event { return audit.Event{Kind: "secret_set", Platform: target.Platform} }
	err := s.commanded(ctx, event, func() error { return set(target.Platform, hidden) })
	return Commanded{Anchor: s.audit.Anchor().String()}, err
}

func (s *Server) commandForget(ctx context.Context, input json.RawMessage, _ secret.String) (any, error) {
	var target keys.Target
	if err := ordered(input, &target); err != nil {
		return nil, err
	}
	if _, err := s.platforms.Get(target.Platform); err != nil {
		return nil, fmt.Errorf("platform %.40q: %w; see platforms in the configuration", target.Platform, err)
	}
	event := func() audit.Event { return audit.Event{Kind: "secret_removed", Platform: target.Platform} }
	err := s.commanded(ctx, event, func() error { return s.vault.RemoveClientSecret(target.ID()) })
	return Commanded{Anchor: s.audit.Anchor().String()}, err
}

// accountEvents name an AccountOrder's operations in the audit trail.
var accountEvents = map[string]string{AccountAdd: "account_added", AccountPassword: "password_set", AccountDisable: "account_disabled",
	AccountEnable: "account_enabled", AccountUnlink: "unlinked"}

func (s *Server) commandAccount(ctx context.Context, input json.RawMessage, hidden secret.String) (any, error) {
	var order AccountOrder
	if err := ordered(input, &order); err != nil {
		return nil, err
	}
	if order.Op == AccountList {
		all, err := s.accounts.List()
		return Commanded{Accounts: all}, err
	}
	event := func() audit.Event {
		e := audit.Event{Kind: accountEvents[order.Op]}
		if who, err := s.accounts.ByLogin(order.Login); err == nil { // one that is being added has an id only afterwards
			e.Practitioner = who.ID
		}
		return e
	}
	if event().Kind == "" {
		return nil, fmt.Errorf("there is no operation %.20q on accounts", order.Op)
	}
	err := s.commanded(ctx, event, func() error { return s.obey(order, hidden) })
	if errors.Is(err, account.ErrNotFound) {
		err = fmt.Errorf("%w; see: locum account list", err)
	}
	done := Commanded{Anchor: s.audit.Anchor().String()}
	if who, found := s.accounts.ByLogin(order.Login); found == nil {
		done.Accounts = []account.Account{who}
	}
	return done, err
}

func (s *Server) obey(order AccountOrder, password secret.String) error {
	switch order.Op {
	case AccountAdd:
		if _, err := s.accounts.Add(order.Login, order.Name, password); err != nil {
			return err
		}
		return s.removeSetupFile() // nobody needs the code any more
	case AccountPassword:
		return s.SetPassword(order.Login, password)
	case AccountUnlink:
		return s.Unlink(order.Login)
	}
	return s.SetDisabled(order.Login, order.Op == AccountDisable)
}

// ordered reads the input of a command.
func ordered(input json.RawMessage, v any) error {
	if err := json.Unmarshal(input, v); err != nil {
		return fmt.Errorf("the command is malformed: %w", err)
	}
	return nil
}

// commanded records what an operator is about to do, does it, and records how it ended: no record, no deed.
func (s *Server) commanded(ctx context.Context, event func() audit.Event, deed func() error) error {
	record := func(code string) error {
		e := event()
		e.Remote, e.Code = "command line", code
		return s.audit.Event(context.WithoutCancel(ctx), e)
	}
	if err := record("begun"); err != nil {
		return err
	}
	if err := deed(); err != nil {
		return errors.Join(err, record("failed"))
	}
	return record("done")
}
