package bff

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/account"
	"locum/bff/config"
	"locum/bff/vault"
)

// TestT119SetupFileGoesWithTheCode: after an hour the file is gone and the code good for nothing, while Locum runs on.
func TestT119SetupFileGoesWithTheCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if err := vault.CreateKeyFile(filepath.Join(dir, "key")); err != nil {
			t.Fatal(err)
		}
		master, err := vault.ReadKeyFile(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		v, err := vault.Open(filepath.Join(dir, "data"), master)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		s := &Server{cfg: &config.Config{PublicURL: &url.URL{Scheme: "http", Host: "localhost"}, DataDir: filepath.Join(dir, "data")},
			log: slog.New(slog.DiscardHandler), accounts: account.New(v), vault: v}
		s.life, s.end = context.WithCancel(t.Context())
		if err := s.openSetup(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(account.SetupLife - time.Second)
		synctest.Wait()
		if _, err := os.Stat(s.setupFile()); err != nil {
			t.Errorf("gone before its time: %v", err)
		}
		if problem, _ := s.setupLate("en"); problem != "" {
			t.Errorf("the page says %q before its time", problem)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := os.Stat(s.setupFile()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after an hour: %v", err)
		}
		if problem, wrong := s.setupLate("fr"); !strings.Contains(problem, "Redémarrez") || wrong != "code" {
			t.Errorf("after an hour the page says %q of %q", problem, wrong)
		}
		s.end()
		s.chores.Wait()
	})
}
