package vault_test

import (
	"strings"
	"testing"
	"time"

	"locum/bff/secret"
	"locum/bff/vault"
)

// connection is of a real one's size: a JWT of 1.5 kB, a refresh token of 0.7 kB, a dozen scopes.
func connection() *vault.Connection {
	scopes := strings.Fields(strings.Repeat("urn:jane:appointments:read ", 12))
	return &vault.Connection{
		ID: "c", Practitioner: "p", Platform: "jane", Clinic: "https://clinic.janeapp.com", ClinicName: "Clinic",
		Subject: strings.Repeat("s", 36), SID: strings.Repeat("i", 36), Scopes: scopes, Requested: scopes,
		Roles: []string{"practitioner"}, StaffMembers: []string{"17"}, State: "connected",
		Access: secret.New(strings.Repeat("a", 1500)), Refresh: secret.New(strings.Repeat("r", 700)),
		ReceivedAt: time.Now(), ExpiresIn: 5 * time.Minute, RefreshExpiresIn: 30 * time.Minute,
		ConnectedAt: time.Now(), RefreshedAt: time.Now(),
	}
}

func BenchmarkConnectionsGet(b *testing.B) {
	v := mustOpen(b, b.TempDir(), newKey(b))
	mustPut(b, v, vault.Connections, "c", connection())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := get(v, vault.Connections, "c"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConnectionsPut(b *testing.B) {
	v := mustOpen(b, b.TempDir(), newKey(b))
	c := connection()
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Update(func(tx *vault.Tx) error { return vault.Connections.Put(tx, "c", c) }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	v := mustOpen(b, b.TempDir(), newKey(b))
	b.ReportAllocs()
	for b.Loop() {
		v.MAC("session", "0123456789012345678901234567890123456789012")
	}
}

func BenchmarkOpen(b *testing.B) {
	dir, key := b.TempDir(), newKey(b)
	v := mustOpen(b, dir, key)
	err := v.Update(func(tx *vault.Tx) error {
		for i := range 1000 {
			if err := vault.Connections.Put(tx, strings.Repeat("c", i), connection()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	mustClose(b, v)
	for b.Loop() {
		mustClose(b, mustOpen(b, dir, key))
	}
}
