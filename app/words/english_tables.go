package words

// englishReasons say why an address is no clinic's: platform's codes.
var englishReasons = Table{
	{"empty", "Enter the address of your clinic."},
	{"too_long", "That is too long for an address."},
	{"scheme", "The address has to begin with https://."},
	{"userinfo", "An address of a clinic holds no @."},
	{"port", "An address of a clinic has no port, no “:” and number."},
	{"path", "Only the address itself, please: nothing after the first “/”."},
	{"query", "Only the address itself, please: nothing after the “?”."},
	{"fragment", "Only the address itself, please: nothing after the “#”."},
	{"encoding", "An address of a clinic holds no %."},
	{"uppercase", "Write the address in small letters."},
	{"character", "The address holds a character that no clinic’s address has. Type it by hand rather than copy it."},
	{"ip_address", "Enter the clinic’s name on the platform, not a number."},
	{"name", "This is not a complete address. Check the spelling."},
	{"not_allowed", "This is not an address of a clinic on this platform. Check the spelling."},
	{"", "This is not an address of a clinic on this platform. Check the spelling."},
}

// englishCauses say why a connection is not as it should be: tokens' codes.
var englishCauses = Table{
	{"invalid_grant", "The platform does not accept it any more. It was withdrawn there, or not used for too long."},
	{"expired", "It was not used for longer than the platform keeps it."},
	{"session_ended", "Your sign-in at the platform is over: it was idle for too long, was signed out, or was ended there."},
	{"session_max", "Your sign-in at the platform has reached its longest time. No sign-in there lasts longer, used or not."},
	{"logged_out", "You were signed out at the platform, perhaps in another window or by its administrator."},
	{"detached", "Another connection of the same sign-in was ended or used twice, and the platform closed them all."},
	{"superseded", "The platform saw an older key than its newest and took it for a stolen one. If this happens again, tell whoever runs this Locum: a second copy may be running."},
	{"user_disabled", "Your account at the clinic’s platform may not sign in any more."},
	{"consent_withdrawn", "The permission you gave Locum at the platform was taken back."},
	{"other_client", "Locum has a new registration at the platform, and the permission belonged to the old one."},
	{"lost_answer", "The platform renewed the access, but its answer never reached Locum, and the key before it is spent."},
	{"restored", "Locum was put back from a backup, and the key in it is not known to be the newest."},
	{"no_refresh_token", "Access has run out, and the platform gave nothing to renew it with."},
	{"wrong_person", "The platform answered for another account. That answer was not used."},
	{"wrong_clinic", "The platform answered for another clinic. That answer was not used."},
	{"bad_token", "The platform’s answer did not pass Locum’s checks."},
	{"invalid_client", "The platform does not accept Locum’s own credentials."},
	{"unauthorized_client", "The platform does not allow Locum this kind of access."},
	{"invalid_scope", "The platform does not know a permission that Locum asks for."},
	{"invalid_request", "The platform did not understand Locum’s request."},
	{"unsupported_grant_type", "The platform does not offer this kind of access."},
	{"unreachable", "The platform could not be reached."},
	{"unavailable", "The platform is overloaded or under repair."},
	{"no_answer", "The platform was asked and has not answered. Locum finds out what became of it before it asks again."},
	{"storage", "Locum cannot save at the moment."},
	{"damaged", "What Locum kept of it is damaged, so none of it is used."},
	{"invalid_token", "The clinic’s system refuses a key that its own sign-in service has just given."},
	{"unknown_platform", "This platform is no longer set up in Locum."},
}

// englishClasses name the endpoint classes of a rate budget.
var englishClasses = Table{
	{"appointments", "Appointments"},
	{"patients", "Patients"},
	{"staff_members", "Staff members"},
	{"treatments", "Treatments"},
	{"disciplines", "Disciplines"},
	{"locations", "Locations"},
	{"company", "Clinic details"},
	{"observations", "Observations"},
	{"care_plans", "Care plans"},
	{"medications", "Medications"},
	{"document_uploads", "Documents"},
	{"webhooks", "Notifications"},
	{"extensions", "Extensions"},
	{"catalog_extensions", "Catalogue"},
}

// englishRefused says what keeps an account from being created, by the field or by what is wrong with the password.
var englishRefused = Table{
	{"login", "That user name cannot be used. Take letters, digits and . _ - @ +, at most 64 of them."},
	{"name", "That name cannot be used. Take at most 100 characters that can be seen."},
	{"short", "The password is too short: at least 15 characters. A few words make a good one."},
	{"long", "The password is too long: at most 256 characters."},
	{"text", "The password holds something that is not text."},
	{"common", "That password is among the ones that are tried first. Choose another."},
	{"pattern", "That password repeats itself or follows a sequence. Choose another."},
	{"personal", "That password is mostly your name, your user name or the name of this service. Choose another."},
}
