package bff

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

// T015: what a SMART server said of itself survives a restart, and a document that contradicts it is audited once, while the
// good copy stays in use.
func TestT015PinsSurviveAndContradictionsAreAudited(t *testing.T) {
	world, err := sandbox.Start(sandbox.Options{SMART: &sandbox.FaceOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	ehr, dir := world.SMART(), t.TempDir()
	if err := vault.CreateKeyFile(filepath.Join(dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(filepath.Join(dir, "locum.yaml"), fmt.Appendf(nil, `public_url: http://localhost:8080
platforms:
  - {id: ehr, kind: smart, fhir_base: "%s", client_id: locum}
`, ehr.FHIRBase()))
	if err != nil {
		t.Fatal(err)
	}
	open := func() *Server {
		t.Helper()
		s, err := Open(cfg, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	if err := s.platforms.Discover(t.Context(), "ehr"); err != nil {
		t.Fatal(err)
	}
	pin, err := s.loadPin("ehr")
	if err != nil || pin.Base != ehr.FHIRBase() || pin.Document == "" {
		t.Fatalf("%+v, %v", pin, err)
	}
	pin.CheckedAt = time.Now().Add(-25 * time.Hour)
	if err := s.savePin(pin); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	ehr.AlterMetadata(func(m map[string]any) { m["issuer"] = "https://evil.test" })
	s = open()
	for range 3 { // told once, however often it is asked for
		if err := s.platforms.Discover(t.Context(), "ehr"); err != nil {
			t.Fatalf("while the good copy is there: %v", err)
		}
	}
	refused := func() int {
		log, err := os.ReadFile(filepath.Join(cfg.DataDir, AuditFile))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), `"kind":"metadata_refused"`)
	}
	for end := time.Now().Add(20 * time.Second); refused() == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	live, err := s.platforms.Get("ehr")
	if err != nil || refused() != 1 || live.OAuth.Server().Issuer != ehr.Issuer() {
		t.Errorf("%v; %d records; issuer %s", err, refused(), live.OAuth.Server().Issuer)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
