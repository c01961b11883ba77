package check_test

import (
	"testing"

	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/vault"
)

// appsText is an installation with athenahealth's two environments, one by keys, and another SMART server.
const appsText = `public_url: https://locum.harbour-physio.ca
trusted_proxies: [127.0.0.1]
administrators: [maya@harbour-physio.ca]
platforms:
  - id: athena-preview
    kind: athenahealth
    environment: preview
    issuer: https://athena.okta.com/oauth2/aus1preview
    client_id: 0oa1preview
    practices: [{id: 195900}]
    service:
      client_id: 0oa2preview
      scopes: ["athena/service/Athenanet.MDP.*"]
      operations: [athena.ping]
  - id: athena
    kind: athenahealth
    environment: production
    client_id: 0oa1live
    auth: {method: private_key_jwt, algorithm: RS384}
    practices: [{id: 7001}]
  - id: ehr
    kind: smart
    fhir_base: https://ehr.harbour-physio.ca/fhir
    client_id: harbour-locum
    auth: {method: none}
`

// The secrets of its clients.
const (
	previewSecret = "Qx81mQ0rT7uKp2LwNvB6yHc3JdGfSaE7"
	serviceSecret = "Wb7Yw2EoXk94tRnVqC1zMhU5jLgPsDi3"
)

// apps is such an installation, sound.
func apps(t *testing.T) site {
	t.Helper()
	s := template(t).copied(t, appsText)
	s.seal("athena-preview", previewSecret)
	s.seal("athena-preview/service", serviceSecret)
	s.makeKey(keys.Target{Platform: "athena"})
	return s
}

func (s site) makeKey(target keys.Target) {
	s.t.Helper()
	cfg, err := config.Load(s.at("locum.yaml"))
	must(s.t, err)
	s.inVault(func(v *vault.Vault) error {
		store, err := keys.New(v, cfg.Platforms)
		if err != nil {
			return err
		}
		_, err = store.Create(target, 0)
		return err
	})
}

func TestSeededApps(t *testing.T) {
	sound := apps(t)
	for _, c := range []seeded{
		{"nothing", func(site) {}, nil},
		{"contradictory authentication", replaced("{method: private_key_jwt, algorithm: RS384}", "{method: private_key_jwt, encoding: raw}"), []string{"error config.auth 19"}},
		{"a wildcard embeds", replaced("trusted_proxies", "embedded: {frame_ancestors: [\"https://*.athenahealth.com\"]}\ntrusted_proxies"), []string{"error config.embedded 2"}},
		{"a production that reads as a test", replaced("  - id: athena\n", "  - id: athena\n    name: athena (test)\n"), []string{"error settings.realm-id 15"}},
		{"a preview that reads as production", func(s site) {
			s.edit("  - id: athena-preview\n", "  - id: athena-live\n")
			s.seal("athena-live", previewSecret)
			s.seal("athena-live/service", serviceSecret)
		}, []string{"error settings.realm-id 5"}},
		{"production's issuer for preview", replaced("https://athena.okta.com/oauth2/aus1preview", "https://athena.okta.com/oauth2/aus2hff5eqFb7Wqfh297"), []string{"warning settings.issuer-environment 8"}},
		{"the sandbox's practice in production", replaced("7001", "195900"), []string{"warning settings.practice-sandbox 20"}},
		{"an issuer from the example", replaced("aus1preview", "your-preview-issuer"), []string{"error settings.placeholder 8"}},
		{"a client id from the example", replaced("0oa1live", "your-athena-client-id"), []string{"error settings.placeholder 18"}},
		{"a server from the example", replaced("ehr.harbour-physio.ca", "ehr.example.org"), []string{"error settings.placeholder 23"}},
		{"one application in two environments", replaced("0oa1live", "0oa1preview"), []string{"error settings.client-shared 18"}},
		{"no offline_access", replaced("    auth: {method: none}\n", "    auth: {method: none}\n    scopes: [user/Patient.rs]\n"), []string{"warning settings.no-offline 26"}},
		{"a scope twice in launches", replaced("    auth: {method: none}\n", "    launch: {scopes: [patient/Patient.rs, patient/Patient.rs]}\n    auth: {method: none}\n"), []string{"warning settings.scope-repeated 25"}},
		{"a posted secret", replaced("    practices: [{id: 195900}]\n", "    practices: [{id: 195900}]\n    auth: {method: client_secret_post}\n"), []string{"note settings.secret-posted 11"}},
		{"the issuer as audience", replaced("algorithm: RS384", "algorithm: RS384, audience: issuer"), []string{"warning settings.audience 19"}},
		{"more token requests than allowed", replaced("[{id: 7001}]\n", "[{id: 7001}]\n    refresh: {per_minute: 60}\n"), []string{"warning settings.refresh-budget 21"}},
		{"tokens that are never given back", replaced("[{id: 7001}]\n", "[{id: 7001}]\n    on_disconnect: forget\n"), []string{"warning settings.on-disconnect 21"}},
		{"nobody sees the service", replaced("administrators: [maya@harbour-physio.ca]", "administrators: []"), []string{"warning settings.service-unseen 11"}},
		{"an administrator without an account", replaced("[maya@harbour-physio.ca]", "[maya@harbour-physio.ca, sam]"), []string{"warning settings.administrator 3"}},
		{"keys that only this machine can read", func(s site) {
			s.edit("https://locum.harbour-physio.ca", "http://localhost:8080")
		}, []string{"error settings.keys-http 1", "error settings.redirect-http 1"}},

		{"no secret", func(s site) { s.seal("athena-preview", "") }, []string{"error secrets.missing 5"}},
		{"no secret of the service", func(s site) { s.seal("athena-preview/service", "") }, []string{"error secrets.missing 11"}},
		{"the service has the platform's secret", func(s site) { s.seal("athena-preview/service", previewSecret) }, []string{"error secrets.shared 11"}},
		{"a secret beside the key", func(s site) { s.seal("athena", productionSecret) }, []string{"error secrets.beside 19"}},
		{"a secret of a public client", func(s site) { s.seal("ehr", productionSecret) }, []string{"error secrets.beside 25"}},
		{"T028 no key", replaced("    auth: {method: none}", "    auth: {method: private_key_jwt}"), []string{"error keys.missing 25"}},
		{"T028 a key for another algorithm", replaced("algorithm: RS384", "algorithm: ES384"), []string{"error keys.algorithm 19"}},
		{"T028 one key for two platforms", func(s site) {
			s.edit("    auth: {method: none}", "    auth: {method: private_key_jwt}")
			s.inVault(func(v *vault.Vault) error {
				return v.Update(func(tx *vault.Tx) error {
					var own vault.SigningKey
					if err := vault.SigningKeys.Each(tx, func(k vault.SigningKey) error { own = k; return nil }); err != nil {
						return err
					}
					own.Platform, own.Generation = "ehr", 0
					return vault.SigningKeys.Put(tx, own.Platform+"/"+own.ID, &own)
				})
			})
		}, []string{"error keys.shared 25"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound.copied(t, appsText)
			c.spoil(s)
			report := s.look(check.Options{})
			s.expect(report, c.want...)
			s.hides(report, previewSecret, serviceSecret)
		})
	}
}
