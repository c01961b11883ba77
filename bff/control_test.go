package bff_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/control"
	"locum/bff/keys"
	"locum/bff/secret"
	"locum/shared"
)

// command has the running Locum obey a command, as an operator's does.
func (b *bench) command(name string, in any, hidden string) (bff.Commanded, error) {
	b.t.Helper()
	var done bff.Commanded
	err := control.Call(context.Background(), b.cfg.DataDir, name, in, secret.New(hidden), &done)
	return done, err
}

func controlled(_ *config.Config, o *bff.Options) { o.Control = true }

// TestCommandsReachARunningLocum: what an operator changes holds from that moment on, is on record before it is done, and the
// socket is gone with the server.
func TestCommandsReachARunningLocum(t *testing.T) {
	b := open(t, controlled)
	one := b.signIn(loginOne)
	order := bff.AccountOrder{Op: bff.AccountDisable, Login: loginOne}
	done, err := b.command(bff.CommandAccount, order, "")
	must(t, err)
	if a := one.read(shared.PathSession); a.status != http.StatusUnauthorized {
		t.Errorf("a session of an account that was disabled: %d", a.status)
	}
	if len(done.Accounts) != 1 || !done.Accounts[0].Disabled || done.Anchor == "" {
		t.Errorf("answered %+v", done)
	}
	order.Op = bff.AccountEnable
	_, err = b.command(bff.CommandAccount, order, "")
	must(t, err)
	order.Op = bff.AccountPassword
	_, err = b.command(bff.CommandAccount, order, "correct-horse-CANARY-stable")
	must(t, err)
	if a := b.form(shared.PathSignIn, nil, map[string][]string{"login": {loginOne}, "password": {"correct-horse-CANARY-stable"}}); a.status != http.StatusSeeOther {
		t.Errorf("with the new password: %d", a.status)
	}
	all, err := b.command(bff.CommandAccount, bff.AccountOrder{Op: bff.AccountList}, "")
	must(t, err)
	if len(all.Accounts) != 2 || all.Anchor != "" {
		t.Errorf("listed %+v", all)
	}
	trail, err := os.ReadFile(filepath.Join(b.cfg.DataDir, bff.AuditFile))
	must(t, err)
	for _, kind := range []string{"account_disabled", "account_enabled", "password_set"} {
		if strings.Count(string(trail), `"kind":"`+kind+`"`) != 2 {
			t.Errorf("%s is not on record twice", kind)
		}
	}
	b.refusedCommands()
	trail, err = os.ReadFile(filepath.Join(b.cfg.DataDir, bff.AuditFile))
	must(t, err)
	for _, text := range []string{"CANARY", "nobody@nowhere"} {
		if strings.Contains(string(trail), text) || strings.Contains(b.log.String(), text) {
			t.Errorf("%s was written down", text)
		}
	}
	b.stop()
	must(t, b.server.Close())
	if _, err := b.command(bff.CommandAccount, bff.AccountOrder{Op: bff.AccountList}, ""); !errors.Is(err, control.ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

// refusedCommands are those that cannot be obeyed.
func (b *bench) refusedCommands() {
	b.t.Helper()
	for name, c := range map[string]struct {
		command string
		in      any
		says    string
	}{
		"unknown account":     {bff.CommandAccount, bff.AccountOrder{Op: bff.AccountDisable, Login: "nobody@nowhere"}, "see: locum account list"},
		"unknown operation":   {bff.CommandAccount, bff.AccountOrder{Op: "promote", Login: loginOne}, "no operation"},
		"no password":         {bff.CommandAccount, bff.AccountOrder{Op: bff.AccountPassword, Login: loginOne}, "password"},
		"no secret":           {bff.CommandSecret, keys.Target{Platform: "jane"}, "no secret came"},
		"unknown platform":    {bff.CommandSecret, keys.Target{Platform: "nowhere"}, "no secret came"},
		"keys of Jane":        {bff.CommandKeys, keys.Command{Op: keys.OpCreate, Target: keys.Target{Platform: "jane"}}, "authenticates by client_secret_post"},
		"no operation at all": {bff.CommandKeys, keys.Command{}, "no operation"},
		"what is no object":   {bff.CommandKeys, []string{"create"}, "malformed"},
	} {
		var refused *control.RemoteError
		if _, err := b.command(c.command, c.in, ""); !errors.As(err, &refused) || !strings.Contains(refused.Message, c.says) {
			b.t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.command(bff.CommandSecret, keys.Target{Platform: "nowhere"}, "CANARY-secret"); err == nil || strings.Contains(err.Error(), "CANARY") {
		b.t.Errorf("a secret for nobody: %v", err)
	}
}

// TestFirstAccountByCommand: with the first account there is nothing to set up any more, whoever made it.
func TestFirstAccountByCommand(t *testing.T) {
	b := open(t, func(cfg *config.Config, o *bff.Options) {
		must(t, os.RemoveAll(cfg.DataDir))
		o.Setup, o.Control = true, true
	})
	if _, err := os.Stat(b.setupFile()); err != nil {
		t.Fatal(err)
	}
	_, err := b.command(bff.CommandAccount, bff.AccountOrder{Op: bff.AccountAdd, Login: "maya", Name: "Maya Example"}, "four grey herons wade")
	must(t, err)
	if _, err := os.Stat(b.setupFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the code is still there: %v", err)
	}
	if a := b.get(shared.PathSetup); a.status != http.StatusNotFound {
		t.Errorf("/setup answers %d", a.status)
	}
}
