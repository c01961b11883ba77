package demo

import (
	"errors"
	"fmt"

	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
)

// The simulated athenahealth and the other SMART server as platforms: ids and names, and how each knows Locum. The first knows
// it by a secret in a Basic header, the second by keys that Locum hosts; each has a client of its own for the service.
const (
	AthenaID = "athenahealth"
	SMARTID  = "smart"

	athenaClient  = "locum-demo-athena"
	athenaService = "locum-demo-athena-service"
	smartClient   = "locum-demo-smart"
	smartService  = "locum-demo-smart-service"
)

// EHR is a page that opens Locum for a patient.
type EHR struct{ Name, URL string }

// EHRs lists them.
func (d *Demo) EHRs() []EHR {
	return []EHR{{"athenahealth", d.Sandbox.Athena().EHRPage()}, {"Example Hospital", d.Sandbox.SMART().EHRPage()}}
}

// configureFaces adds both to a configuration, with who may see their services and which pages may show Locum in a frame.
func (d *Demo) configureFaces(cfg *config.Config) error {
	athena, smart := d.Sandbox.Athena(), d.Sandbox.SMART()
	one, err1 := platform.Athena(platform.AthenaConfig{
		AppConfig: platform.AppConfig{
			ID: AthenaID, Name: "athenahealth", ClientID: athenaClient, PublicURL: d.URL, MoreScopes: []string{"user/Observation.write"},
			Standalone: []string{"launch/patient", "launch/encounter"},
			Service: &platform.Service{
				ClientID: athenaService, Name: "athenahealth, as the practice", Scopes: []string{"athena/service/Athenanet.MDP.*"},
				Operations: []string{"athena.ping", "athena.patients.search", "athena.patients.read", "athena.appointments.booked"},
			},
		},
		Base: athena.Origin(), Issuer: athena.Issuer(),
		Practices: []platform.Practice{{ID: sandbox.Practice, Name: "Willowbrook Family Medicine"}},
	})
	two, err2 := platform.SMART(platform.SMARTConfig{
		AppConfig: platform.AppConfig{
			ID: SMARTID, Name: "Example Hospital", ClientID: smartClient, PublicURL: d.URL, MoreScopes: []string{"user/Observation.cu"},
			Auth: oauth.Auth{Method: oauth.AuthKey, Algorithm: "ES384"},
			Service: &platform.Service{
				ClientID: smartService, Name: "Example Hospital, as the hospital", Scopes: []string{"system/Patient.rs", "system/Appointment.rs"},
				Operations: []string{"fhir.Patient.search", "fhir.Patient.read", "fhir.Appointment.search"},
			},
		},
		FHIRBase: smart.FHIRBase(),
	})
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("platforms with launches: %w", err)
	}
	cfg.Platforms = append(cfg.Platforms, one, two)
	cfg.Administrators = []string{people[0].Login}
	cfg.Embedded = &config.Embedded{FrameAncestors: []string{athena.EHROrigin(), smart.EHROrigin()}}
	return nil
}

// registerFaces makes Locum known to both, and secrets and keys to Locum.
func (d *Demo) registerFaces() error {
	athena, smart := d.Sandbox.Athena(), d.Sandbox.SMART()
	edge := func(id, leaf string) string { return d.URL + "/connect/" + id + "/" + leaf }
	app, err1 := athena.Register(sandbox.App{
		ID: athenaClient, Name: "Locum demo", RedirectURIs: []string{edge(AthenaID, "callback")}, LaunchURL: edge(AthenaID, "launch"),
	})
	service, err2 := athena.Register(sandbox.App{ID: athenaService, Name: "Locum demo", Service: true})
	_, err3 := smart.Register(sandbox.App{
		ID: smartClient, Name: "Locum demo", Auth: oauth.AuthKey, JWKSURL: edge(SMARTID, "jwks.json"),
		RedirectURIs: []string{edge(SMARTID, "callback")}, LaunchURL: edge(SMARTID, "launch"),
	})
	_, err4 := smart.Register(sandbox.App{ID: smartService, Name: "Locum demo", Service: true, Auth: oauth.AuthKey, JWKSURL: edge(SMARTID, "jwks.json")})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	return errors.Join(
		d.Server.SetClientSecret(AthenaID, secret.New(app.Secret)), d.Server.SetServiceSecret(AthenaID, secret.New(service.Secret)),
		d.signWith(keys.Target{Platform: SMARTID}), d.signWith(keys.Target{Platform: SMARTID, Service: true}),
	)
}

// signWith makes the first key of a target, which may be there already in a directory that was kept.
func (d *Demo) signWith(target keys.Target) error {
	list, err := d.Server.Keys().List(target)
	if err == nil && len(list) == 0 {
		_, err = d.Server.Keys().Create(target, 0)
	}
	return err
}
