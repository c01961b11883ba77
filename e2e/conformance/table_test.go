package conformance_test

// row is one SHALL or SHALL NOT of SMART App Launch 2.2 that is asked of clients: the tests that show it, or why it does not
// apply. A test is a package's folder, a dot and the test's name; behind a slash stands how the name of its case begins.
type row struct {
	id      int
	shown   []string
	because string
}

func by(tests ...string) []string { return tests }

const wireTest = "e2e/conformance.TestWire/"

// launchRows are those of the launch, its scopes and its contexts, by their ids; the others stand in table_client_test.go.
var launchRows = []row{
	{1, by("bff/oauth.TestT030FourWaysTLS", "bff/oauth.TestT030NoTLS", "bff/oauth.TestT030Addresses", "bff/proxy.TestClinicOverTLS"), ""},
	{2, by(wireTest+"@2 ", "bff/connect.TestT009T010Fresh"), ""},
	{3, by(wireTest + "@3 "), ""},
	{4, by(wireTest+"@4 ", "bff/connect.TestT016State"), ""},
	{5, by("e2e.TestT099DataIsText", "bff.TestT096ContentSecurityPolicy", "bff.TestT077AnswersAreNoContent"), ""},
	{6, by(wireTest+"@6 ", "bff.TestT024NoOpenRedirect"), ""},
	{7, by(wireTest+"@7 ", "bff.TestT004NoRouteReturnsTokenMaterial"), ""},
	{13, by(wireTest + "@13 "), ""},
	{20, by("bff/config.TestEveryKeyOfApps", "bff.TestT026ALaunchBeginsNothing"), ""},
	{21, by(wireTest+"@34 ", "bff/connect.TestT019MixUp"), ""},
	{22, by(wireTest+"@302 ", "bff/keys.TestImportedByHand"), ""},
	{23, by(wireTest+"@345 ", "cmd/locum.TestT118SecretsAreNeverSeen"), ""},
	{29, by(wireTest+"@29 ", "bff/oauth.TestFetchMetadata", "bff/oauth.TestT015Parse"), ""},
	{32, by(wireTest + "@32 "), ""},
	{33, by(wireTest + "@33 "), ""},
	{34, by(wireTest + "@34 "), ""},
	{35, by(wireTest+"@35 ", "bff.TestLaunchLinkAndSignIn"), ""},
	{36, by(wireTest + "@36 "), ""},
	{37, by(wireTest + "@37 "), ""},
	{39, by(wireTest+"@39 ", "bff/connect.TestT018Bound"), ""},
	{40, by(wireTest+"@40 ", "bff/connect.TestT009T010Fresh", "bff/connect.TestT011WeakClientState"), ""},
	{41, by(wireTest + "@41 "), ""},
	{42, nil, "asked of servers; that Locum sends aud is row 41"},
	{44, by(wireTest+"@44 ", "bff/oauth.TestT027Sandbox"), ""},
	{45, by(wireTest + "@45 "), ""},
	{47, by(wireTest+"@47 ", "bff/tokens.TestFHIRUser"), ""},
	{50, by(wireTest+"@50 ", "bff/oauth.TestT027Sandbox"), ""},
	{51, by(wireTest+"@51 ", "bff/oauth.TestT008AuthorizationURL"), ""},
	{52, by("bff.TestLongRequestsArePosted", "bff/oauth.TestAuthorizationForm", "bff/oauth.TestT027Sandbox"), ""},
	{60, by(wireTest+"@60 ", "bff/connect.TestT016State"), ""},
	{61, by(wireTest+"@61 ", "bff/connect.TestT018Bound"), ""},
	{62, by(wireTest+"@62 ", "bff/oauth.TestT027FourWays"), ""},
	{63, by(wireTest + "@63 "), ""},
	{64, by(wireTest + "@64 "), ""},
	{67, by(wireTest + "@67 "), ""},
	{68, by(wireTest + "@68 "), ""},
	{69, by(wireTest + "@69 "), ""},
	{70, by(wireTest + "@70 "), ""},
	{71, by(wireTest + "@71 "), ""},
	{72, by(wireTest+"@72 ", "bff/oauth.TestT027FourWays"), ""},
	{93, by(wireTest+"@93 ", "bff/proxy.TestT075FHIRRequest"), ""},
	{105, by(wireTest + "@105 "), ""},
	{106, by(wireTest + "@106 "), ""},
	{108, by(wireTest+"@108 ", "bff/tokens.TestT053Athena"), ""},
	{120, by("e2e/conformance.TestScopeLetters/@120 "), ""},
	{121, by("e2e/conformance.TestScopeLetters/@121 "), ""},
	{122, by("e2e/conformance.TestScopeLetters/@122 "), ""},
	{124, by("e2e/conformance.TestScopeLetters/@124 "), ""},
	{125, by("e2e/conformance.TestScopeLetters/@125 "), ""},
	{132, by("e2e/conformance.TestScopeLetters/@132 "), ""},
	{135, by("e2e/conformance.TestScopeLanguage/@135 ", "bff/platform.TestT053CoversByMeaning"), ""},
	{137, by("e2e/conformance.TestScopeLetters/@137 "), ""},
	{141, by("e2e/conformance.TestScopeLetters/@141 "), ""},
	{143, by(wireTest + "@143 "), ""},
	{146, by("e2e/conformance.TestScopeLetters/@146 "), ""},
	{150, by(wireTest + "@150 "), ""},
	{151, by(wireTest + "@151 "), ""},
	{152, by(wireTest + "@152 "), ""},
	{153, by(wireTest + "@153 "), ""},
	{155, nil, "Locum asks for a patient and an encounter alone; other context comes unasked and is read (row 191)"},
	{156, nil, "as row 155: it asks for no context by a role"},
	{161, by(wireTest+"@161 ", "bff.TestT026ALaunchBeginsNothing"), ""},
	{166, by(wireTest + "@166 "), ""},
	{191, by("bff/oauth.TestLaunchContext/SMART @191"), ""},
	{196, by(wireTest + "@196 "), ""},
	{201, by(wireTest+"@201 ", "bff/oauth.TestVerifyID", "bff/oauth.TestT036Configured"), ""},
	{202, by(wireTest+"@202 ", "bff/tokens.TestFHIRUser"), ""},
	{211, by(wireTest + "@211 "), ""},
	{215, by("e2e/conformance.TestScopeLanguage/@215 ", "bff/tokens.TestOnlineAccess"), ""},
	{216, by(wireTest + "@216 "), ""},
	// The keys are those of the SMART configuration's jwks_uri, which a server with sso-openid-connect has to name there.
	{218, by(wireTest+"@218 ", wireTest+"@202 ", "bff/oauth.TestVerifyID"), ""},
	{219, by("e2e/conformance.TestScopeLanguage/@219 "), ""},
	{220, nil, "nothing that Locum does needs a scope of OpenID written as a URI, and it writes none"},
}
