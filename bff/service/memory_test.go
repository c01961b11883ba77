package service_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"locum/bff/service"
	"locum/bff/tokens"
)

// TestOnlyInMemory: no token is on the disk, in the vault's plain sight or in the trail, and none survives the Keeper. A refresh
// token that a server gives all the same is not kept (RFC 6749 §4.4.3).
func TestOnlyInMemory(t *testing.T) {
	b := newBench(t, options{})
	b.faces["athena"].AlterAnswer(func(answer map[string]any) { answer["refresh_token"] = "CANARY-refresh-0123456789" })
	access := b.fresh("athena").Access.Reveal()
	if strings.Contains(fmt.Sprintf("%+v %#v", b.view("athena"), b.fresh("athena")), access) {
		t.Error("a lease prints its token")
	}
	b.Close()
	if err := b.failing("athena"); err.Code != tokens.CauseClosing {
		t.Errorf("after the end: %v", err)
	}
	if err := b.vault.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil || len(entries) < 2 {
		t.Fatalf("%v: %v", entries, err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(b.dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, needle := range []string{access, "CANARY-refresh", "service-athena"} {
			if bytes.Contains(text, []byte(needle)) {
				t.Errorf("%.30s is in %s", needle, entry.Name())
			}
		}
	}
}

func TestWhatIsThere(t *testing.T) {
	b := newBench(t, options{})
	list := b.List()
	if len(list) != 2 || list[0].ID != "service.athena" || list[1].Platform != "smart" || list[0].Name != "Service of athena" || !slices.Equal(list[0].Scopes, wide) {
		t.Errorf("%+v", list)
	}
	if !service.IsID("service.athena") || service.IsID("athena") || service.IsID("CONNECTION") {
		t.Error("IsID")
	}
	if !b.Allows("service.athena", "fhir.Patient.read") || b.Allows("service.athena", "fhir.Patient.search") || b.Allows("service.nowhere", "fhir.Patient.read") || b.Allows("athena", "fhir.Patient.read") {
		t.Error("Allows")
	}
	for _, id := range []string{"service.nowhere", "athena", "service.", ""} {
		_, err := b.Fresh(context.Background(), id)
		_, missing := b.Get(id)
		if tokens.KindOf(err) != tokens.NotFound || tokens.KindOf(missing) != tokens.NotFound {
			t.Errorf("%q: %v, %v", id, err, missing)
		}
	}
	if _, err := b.FreshFor(context.Background(), "service.athena", []string{"system/Everything.read"}); tokens.KindOf(err) != tokens.Misconfigured || b.requests("athena") != 0 {
		t.Errorf("a scope that is not the service's: %v, %d requests", err, b.requests("athena"))
	}
	if b.view("athena").FreshFor != 0 {
		t.Error("fresh before anything was asked for")
	}
}
