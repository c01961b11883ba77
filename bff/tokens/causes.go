package tokens

import (
	"time"

	"locum/bff/vault"
)

// What can be done next: the closed list of Remedy.Next. The first setting to look at follows Tell after a colon.
const (
	NextNone      = "none"       // it works
	NextWait      = "wait"       // it heals by itself
	NextReconnect = "reconnect"  // the practitioner signs in at the platform once more; the connection keeps its id
	NextConnect   = "connect"    // it is gone: a new connection
	NextLaunch    = "launch"     // it is opened from the EHR once more: a new connection
	NextClinic    = "ask_clinic" // somebody at the clinic has to let the account in again, then reconnect
	NextTell      = "tell_operator"
)

// Who can repair it: the closed list of Remedy.By.
const (
	ByNobody       = "nobody" // there is nothing to repair
	ByPractitioner = "practitioner"
	ByClinic       = "clinic"   // whoever administers its platform
	ByOperator     = "operator" // whoever runs this Locum
	ByPlatform     = "platform"
	ByLocum        = "locum" // by itself
)

// Settings that an operator is told to look at first: the rest of a Next that begins with NextTell.
const (
	SettingSecret       = "client_secret" // `locum secret set PLATFORM`
	SettingRegistration = "client"        // what the platform has registered for Locum: client id, grants, redirect URI
	SettingScopes       = "scopes"
	SettingPlatforms    = "platforms" // the platform's block of the configuration
	SettingNetwork      = "network"   // name resolution, firewall, proxy, certificates on the way out
	SettingIssuer       = "issuer"    // the issuer or the keys do not fit what the platform signs
	SettingStorage      = "storage"   // the disk
	SettingAuth         = "auth.method"
	SettingAudience     = "auth.audience" // of assertions; then the keys that the platform knows, and the clock
	SettingMetadata     = "fhir_base"     // and issuer: where the server's metadata stands, and whose it is
	SettingKeys         = "keys"          // `locum keys create PLATFORM`
	SettingPolicy       = "policy"        // scopes, client id and auth of the platform's block: what the app is registered for
	SettingClock        = "clock"         // of this machine
)

// Remedy is what a cause means to whoever asks: what to do next, and who can repair it. Where waiting is the answer, it is
// for Patience only; then Late is.
type Remedy struct {
	Next, By string
	Patience time.Duration
	Late     string
}

// remedies is the one table from causes to remedies.
var remedies = map[string]Remedy{
	"": {Next: NextNone, By: ByNobody},

	// The chain is over. Only a person can begin a new one.
	CauseInvalidGrant:    {Next: NextReconnect, By: ByPractitioner}, // RFC 6749 §5.2, and the platform says no more
	CauseExpired:         {Next: NextReconnect, By: ByPractitioner}, // View.shown: unused for longer than the refresh token lives
	CauseNoRefresh:       {Next: NextReconnect, By: ByPractitioner}, // RFC 6749 §5.1: a refresh token is optional
	CauseWrongPerson:     {Next: NextReconnect, By: ByPractitioner}, // OpenID Connect Core §12.2: another sub
	CauseWrongPatient:    {Next: NextReconnect, By: ByPractitioner}, // SMART App Launch 2.2: another patient in the launch context
	CauseLinkedElsewhere: {Next: NextConnect, By: ByPractitioner},   // as oneself
	CauseLaunchEnded:     {Next: NextLaunch, By: ByPractitioner},    // no offline_access was asked for
	CauseWrongClinic:     {Next: NextReconnect, By: ByPractitioner}, // RFC 8707 §2: another audience
	CauseSessionEnded:    {Next: NextReconnect, By: ByPractitioner}, // platform.EndSession: idle too long, signed out, or ended by an administrator
	CauseSessionMax:      {Next: NextReconnect, By: ByPractitioner}, // the record's EndsAt has passed
	CauseLoggedOut:       {Next: NextReconnect, By: ByPractitioner}, // OpenID Connect Back-Channel Logout 1.0 §2.6
	CauseDetached:        {Next: NextReconnect, By: ByPractitioner}, // platform.EndDetached: a sibling reused a token, or was revoked
	CauseSuperseded:      {Next: NextReconnect, By: ByPractitioner}, // platform.EndSuperseded: RFC 9700 §4.14.2, a spent token was presented
	CauseLostAnswer:      {Next: NextReconnect, By: ByPractitioner}, // the probe of a doubt says that the token is spent
	CauseRestored:        {Next: NextReconnect, By: ByPractitioner}, // the token in the backup is not the newest
	CauseConsent:         {Next: NextReconnect, By: ByPractitioner}, // platform.EndConsent: the consent page comes again
	CauseOtherClient:     {Next: NextReconnect, By: ByPractitioner}, // platform.EndOtherClient: the client id was changed
	CauseUserDisabled:    {Next: NextClinic, By: ByClinic},          // platform.EndUserDisabled
	CauseDamaged:         {Next: NextReconnect, By: ByPractitioner}, // the vault's record does not authenticate; nothing of it is used

	// The platform refuses Locum itself (RFC 6749 §5.2). It heals with the next refresh after the repair.
	CauseInvalidClient:  {Next: tell(SettingSecret), By: ByOperator},
	CauseUnauthorized:   {Next: tell(SettingRegistration), By: ByOperator},
	CauseInvalidScope:   {Next: tell(SettingScopes), By: ByOperator},
	CauseInvalidRequest: {Next: tell(SettingRegistration), By: ByOperator},
	CauseGrantType:      {Next: tell(SettingRegistration), By: ByOperator},
	CausePolicy:         {Next: tell(SettingPolicy), By: ByOperator},   // athenahealth guide, Token Endpoint: the scope, or a 2-legged app
	CausePosted:         {Next: tell(SettingAuth), By: ByOperator},     // athenahealth guide, Troubleshooting: it must be Basic
	CauseAssertion:      {Next: tell(SettingAudience), By: ByOperator}, // RFC 7523 §3.2: its aud, its key, or its dates
	CauseClock:          {Next: tell(SettingClock), By: ByOperator},    // RFC 7523 §3, point 4
	CauseMetadata:       {Next: tell(SettingMetadata), By: ByOperator}, // SMART App Launch 2.2, Conformance
	CauseNoKey:          {Next: tell(SettingKeys), By: ByOperator},
	CauseUnknownSystem:  {Next: tell(SettingPlatforms), By: ByOperator}, // the configuration lost its block

	// The platform, or the way to it. Locum asks again by itself; what lasts is looked at by somebody.
	CauseUnreachable:  {Next: NextWait, By: ByPlatform, Patience: 15 * time.Minute, Late: tell(SettingNetwork)},   // dial, TLS: nothing was sent
	CauseUnavailable:  {Next: NextWait, By: ByPlatform, Patience: 2 * time.Hour, Late: tell(SettingPlatforms)},    // 429, 503
	CauseNoAnswer:     {Next: NextWait, By: ByLocum, Patience: 2 * time.Hour, Late: tell(SettingNetwork)},         // time-out, reset, 5xx: probed or repeated
	CauseBadToken:     {Next: NextWait, By: ByPlatform, Patience: 15 * time.Minute, Late: tell(SettingIssuer)},    // keys that change heal in minutes
	CauseInvalidToken: {Next: NextWait, By: ByPlatform, Patience: 15 * time.Minute, Late: tell(SettingPlatforms)}, // RFC 6750 §3.1: its API and its token endpoint disagree

	// Locum's own.
	CauseStorage: {Next: tell(SettingStorage), By: ByOperator}, // the vault takes no record: nothing new is asked for
}

func tell(setting string) string { return NextTell + ":" + setting }

// RemedyOf gives what helps against a cause that has lasted for a while.
func RemedyOf(cause string, lasted time.Duration) Remedy { return remedy(cause, lasted) }

// remedy gives what helps against a cause that has lasted for a while. A cause that is not in the table is one more that
// the practitioner can try: nothing is lost by reconnecting.
func remedy(cause string, lasted time.Duration) Remedy {
	r, known := remedies[cause]
	if !known {
		return Remedy{Next: NextReconnect, By: ByPractitioner}
	}
	if r.Patience > 0 && lasted > r.Patience {
		r.Next, r.By = r.Late, ByOperator
	}
	return r
}

// since is when what a connection shows began, by its timeline: the first of the steps that led to it without a success
// between; zero where the timeline does not reach back.
func since(steps []vault.Step, cause string) time.Time {
	var began time.Time
	for i := len(steps) - 1; i >= 0; i-- {
		switch s := steps[i]; s.What {
		case StepConnected, StepReconnected, StepRefreshed, StepRecovered:
			if cause == "" { // how long it has worked: the beginning of the unbroken run
				began = s.At
				continue
			}
			return began
		case StepFailed, StepNoAnswer, StepRefused, StepEnded, StepDamaged, StepRestored, StepDisconnected:
			if cause == "" {
				return began
			}
			if s.Code == cause || s.What == StepDamaged || s.What == StepDisconnected || s.What == StepRestored {
				began = s.At
			}
		}
	}
	return began
}
