package ask

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// Settings stands for everything that the configuration says of a platform and that is asked about: two of the same value are
// asked the same questions. It holds no secret.
func Settings(p *platform.Platform) string {
	text, err := json.Marshal(struct {
		Kind, ClientID, FHIRBase, RedirectURI, KeysURI    string
		Server                                            oauth.Server
		Auth                                              oauth.Auth
		Scopes, MoreScopes, LaunchScopes, Standalone, IDs []string
		Since                                             time.Time
		Service                                           *platform.Service
		Clinics                                           []platform.ClinicLink
	}{p.Kind, p.ClientID, p.FHIRBase, p.RedirectURI, p.KeysURI, p.Server, p.Auth, p.Scopes, p.MoreScopes, p.LaunchScopes, p.Standalone,
		p.IDAlgorithms, p.MetadataSince, p.Service, p.Clinics})
	if err != nil {
		return "" // nothing of it can fail to be written
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// stale is what a running Locum says that works with other settings than those that are being checked.
func stale() Answers {
	return Answers{Findings: []Finding{{Warning, "live.stale", "",
		"the running Locum was started with other settings of this platform than stand here, so nothing was asked",
		"start Locum again, or stop it; then check again"}}}
}
