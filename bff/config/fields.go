package config

import (
	"errors"

	"locum/bff/platform"
)

// fields are the keys that hold the fields of a platform's configuration, with the code and the cause of what its
// constructor finds.
var fields = map[string]struct{ key, code, cause string }{
	"ID":            {"id", CodePlatformID, "cannot be an id"},
	"Name":          {"name", CodePlatformName, "cannot be a name"},
	"Issuer":        {"issuer", CodeIssuer, "no issuer"},
	"ClientID":      {"client_id", CodeClientID, "no client id"},
	"Scopes":        {"scopes", CodeScopes, "cannot be asked for"},
	"MoreScopes":    {"more_scopes", CodeScopes, "cannot be asked for"},
	"ClinicDomains": {"clinic_domains", CodeClinicDomains, "no clinic can be found by this"},
	"Clinics":       {"clinics", CodeClinics, "no clinic can be found by this"},
	"Limits":        {"limits", CodeLimits, "no limits"},

	"Environment":         {"environment", CodeEnvironment, "is not known"},
	"Base":                {"base", CodeEnvironment, "no place of an API"},
	"Practices":           {"practices", CodePractices, "no practice can be found by this"},
	"FHIRBase":            {"fhir_base", CodeFHIRBase, "no FHIR server can be found by this"},
	"IDAlgorithms":        {"id_token_algorithms", CodeAuth, "cannot be verified"},
	"IntrospectionMethod": {"introspection", CodeIntrospection, "cannot be used"},
	"LaunchScopes":        {"launch.scopes", CodeScopes, "cannot be asked for"},
	"Standalone":          {"standalone", CodeLaunch, "cannot be asked for"},
	"JWKSCache":           {"auth.jwks_cache", CodeAuth, "no time"},

	"Auth.Method":    {"auth.method", CodeAuth, "is not known"},
	"Auth.RawBasic":  {"auth.encoding", CodeAuth, "contradicts the rest"},
	"Auth.Audience":  {"auth.audience", CodeAuth, "contradicts the rest"},
	"Auth.Algorithm": {"auth.algorithm", CodeAuth, "contradicts the rest"},

	"Service.ClientID":       {"service.client_id", CodeService, "no client of its own"},
	"Service.Name":           {"service.name", CodeService, "cannot be a name"},
	"Service.Scopes":         {"service.scopes", CodeService, "cannot be asked for"},
	"Service.Operations":     {"service.operations", CodeService, "cannot be called"},
	"Service.Auth.Method":    {"service.auth.method", CodeService, "cannot authenticate a service"},
	"Service.Auth.RawBasic":  {"service.auth.encoding", CodeService, "contradicts the rest"},
	"Service.Auth.Audience":  {"service.auth.audience", CodeService, "contradicts the rest"},
	"Service.Auth.Algorithm": {"service.auth.algorithm", CodeService, "contradicts the rest"},

	"Refresh.Kind":       {"refresh.rotation", CodeRefresh, "is not known"},
	"Refresh.Reuse":      {"refresh.reuse", CodeRefresh, "does not fit the rotation"},
	"Refresh.Leeway":     {"refresh.leeway", CodeRefresh, "does not fit the rotation"},
	"Refresh.PerMinute":  {"refresh.per_minute", CodeRefresh, "no budget"},
	"Refresh.KeepAlive":  {"refresh.keep_alive", CodeRefresh, "is not known"},
	"Refresh.Hours":      {"refresh.hours", CodeRefresh, "no working hours"},
	"Refresh.SessionMax": {"refresh.session_max", CodeRefresh, "no length of a login"},
	"Refresh.Window":     {"refresh.window", CodeRefresh, "no life of a refresh token"},
	"Ending":             {"on_disconnect", CodeEnding, "is not known"},
}

// build makes the platforms and turns what their constructors find into findings.
func (r *reader) build(c *Config, entries []platformEntry) {
	if _, present := r.lines["platforms"]; !present {
		r.find(CodeMissing, "platforms", "is missing", "list at least one platform")
	} else if len(entries) == 0 && len(r.findings) == 0 {
		r.find(CodeMissing, "platforms", "is empty", "list at least one platform")
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		// A public_url that is missing or wrong has been found already, and once is enough.
		publicURL := "https://locum.invalid"
		if c.PublicURL != nil {
			publicURL = c.PublicURL.String()
		}
		p, err := entry.build(publicURL)
		for _, fault := range faults(err) {
			field := fields[fault.Field]
			r.find(field.code, join(entry.path, field.key), field.cause, fault.Message)
		}
		if id := *entry.id; id != "" && seen[id] {
			r.find(CodePlatformID, join(entry.path, "id"), "another platform has this id", "choose a different one")
		}
		seen[*entry.id] = true
		if err == nil {
			c.Platforms = append(c.Platforms, p)
		}
	}
}

// faults are the *platform.FieldError values in an error of a constructor.
func faults(err error) []*platform.FieldError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var all []*platform.FieldError
	for _, err := range joined.Unwrap() {
		var fault *platform.FieldError
		if errors.As(err, &fault) {
			all = append(all, fault)
		}
	}
	return all
}
