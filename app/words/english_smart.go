package words

var englishLaunch = Launch{
	Title: "Open Locum", Asks: "{platform} asks to open Locum", AsFrom: "You came here from your record system, for the patient who is open there.",
	Who: "You are signed in as {name}.", Nobody: "Nobody is signed in to Locum here.",
	NobodyText: "Go on, and {platform} says who you are. If Locum does not know you from there yet, it asks you to sign in once.",
	Wants:      "Locum will ask to", Continue: "Continue", Opening: "Opening…", SignIn: "Sign in to Locum first",
	Framed:    "The sign-in opens in a window of its own.",
	Remembers: "Locum does not know your account there yet. If you say yes, {platform} can open Locum for you from now on, and sign you in here.",
	Person:    "At {platform} you are {person}.", Here: "Here you are signed in as {name}.",
	ThisIsMe: "Yes, both are me", NotMe: "No, that is not me", GoOnAs: "Continue as {name}", SignOut: "Sign out of Locum",
	Window: "Go on in the other window", WindowText: "The sign-in has opened in a window of its own. This page goes on by itself when you are done there.",
	WindowOpen: "Open the sign-in",
}

var englishChart = Chart{
	Title: "Patient record", Nav: "Record", Problems: "Problems", Medications: "Medications", Allergies: "Allergies and intolerances",
	Measurements: "Measurements", Visit: "This visit",
	NoProblems: "No problem is listed.", NoMedications: "No medication is listed.",
	NoAllergies: "No allergy is listed. That does not say that there is none.", NoMeasurements: "Nothing has been measured yet.",
	NoVisit: "This record was not opened from a visit.",
	NotHere: "Not allowed here: {scope}.", More: "Show more", Incomplete: "There is more than is shown here.",
	Latest: "Latest", Trend: "Trend of {name}", TrendText: "{n} values from {first} to {last}, between {low} and {high}. The same values stand in the table below it.",
	Table: "All values", Day: "When", Measure: "What", Value: "Value",
	Since: "since {date}", Reaction: "Reaction", Reason: "Reason", NoPatient: "No patient was opened",
	NoPatientText: "Locum was opened without a patient. Find one here, or open Locum again on a patient’s chart.",
	FindPatient:   "Find a patient", Only: "Opened for one patient", OnlyText: "This connection was opened for one patient, so no other can be looked up with it.",
	Open: "Open the record", Ended: "This launch has ended",
	EndedText: "It was good for one visit to the record. Open Locum again from your record system, on the patient’s chart.",
	ByEHR:     "Opened from the record system.", ByChoice: "The patient was chosen at the platform.", ForPatient: "Good for one patient: {patient}.", ByEHREnds: "It ends by itself on {date}.",
	Again: "Open Locum again from your record system.", Deceased: "Deceased", Unnamed: "Name not recorded",
	Unreadable: "This part cannot be shown", Device: "Times are those of this device.",
	Unread: Plural{"{n} entry could not be read and is missing here.", "{n} entries could not be read and are missing here."},
	Statuses: Table{
		{"active", "Active"}, {"recurrence", "Came back"}, {"relapse", "Relapse"}, {"inactive", "Inactive"}, {"remission", "In remission"}, {"resolved", "Resolved"},
	},
	Verifications: Table{
		{"unconfirmed", "Unconfirmed"}, {"provisional", "Provisional"}, {"differential", "Under consideration"}, {"refuted", "Ruled out"}, {"presumed", "Presumed"},
	},
	Criticalities: Table{{"low", "Low risk"}, {"high", "High risk"}, {"unable-to-assess", "Risk not assessed"}},
	Encounters: Table{
		{"planned", "Planned"}, {"arrived", "Arrived"}, {"triaged", "Triaged"}, {"in-progress", "In progress"}, {"onleave", "On leave"},
		{"finished", "Finished"}, {"cancelled", "Cancelled"}, {"unknown", "Status not known"},
	},
	MedicationStates: Table{
		{"active", "Active"}, {"on-hold", "On hold"}, {"cancelled", "Cancelled"}, {"completed", "Completed"}, {"stopped", "Stopped"},
		{"draft", "Draft"}, {"unknown", "Status not known"},
	},
	Preliminary: Table{
		{"registered", "No result yet"}, {"preliminary", "Preliminary"}, {"cancelled", "Cancelled"}, {"unknown", "Status not known"},
	},
	Genders: Table{{"male", "Male"}, {"female", "Female"}, {"other", "Other"}, {"unknown", "Not known"}},
}

var englishFinder = Finder{
	Name: "Name", NameHint: "Family name, given name or the beginning of one", Born: "Date of birth", Find: "Find",
	Needed: "Enter a name of two letters or more, or a date of birth.", None: "No patient was found",
	NoneText: "Check the spelling, or search by the date of birth alone.", Start: "Find a patient by name, by date of birth, or both.", More: "Show more",
}

var englishChoose = Choose{
	Practice: "Practice", Server: "Server", ServerText: "There is nothing to choose: this platform is one server.",
	Context: "Begin with", ContextNone: "No patient yet: I search for one here", ContextPatient: "One patient, whom I choose at the platform",
	ContextEncounter: "One visit, which I choose at the platform",
	EHR:              "This platform can also open Locum by itself, from a patient’s chart.",
}

var englishServices = Services{
	Title: "Connections of the application", Lead: "These belong to Locum itself and to nobody’s account. Only administrators see them.",
	Empty: "There is none", EmptyText: "Whoever runs this Locum adds one with “service:” in a platform’s block of the configuration.",
	Scopes: "Permissions", Operations: "May call", Fresh: "Access is fresh for another {time}.", Stale: "Access is fetched with the next call.",
	Link: "Connections of the application", For: "For administrators",
}

var englishLocked = Locked{
	Title: "Another patient is open in the record system",
	Text:  "Nothing of the earlier patient is shown here any more, so that nothing is read or written for the wrong person.",
	Next:  "Open Locum again from the record system, on the chart of the patient who is open there now.",
}

var englishFHIR = FHIR{
	See: "See {what}", Write: "See and change {what}", All: "whole records", OfApp: "without a signed-in person",
	SeeOne: "See the patient’s {what}", WriteOne: "See and change the patient’s {what}", AllOne: "whole record",
	Things: Table{
		{"Patient", "identity data"}, {"Practitioner", "practitioners"}, {"Encounter", "visits"}, {"Observation", "measurements"},
		{"Condition", "problems"}, {"MedicationRequest", "medications"}, {"AllergyIntolerance", "allergies"}, {"Appointment", "appointments"},
		{"Organization", "practice details"}, {"Location", "locations"}, {"DiagnosticReport", "reports"}, {"DocumentReference", "documents"},
		{"Immunization", "immunizations"}, {"Procedure", "procedures"}, {"CarePlan", "care plans"}, {"Medication", "medications"},
	},
}

// englishRefusals say why a platform refused a call, by the proxy's reason.
var englishRefusals = Table{
	{"invalid", "The record system did not understand the request."},
	{"not_found", "The record system does not know this record."},
	{"deleted", "This record was deleted in the record system."},
	{"forbidden", "Your account in the record system may not see this."},
	{"conflict", "Something changed at the same moment. Look again, then repeat it."},
	{"changed", "Somebody has changed this record meanwhile. Look again, then repeat it."},
	{"practice_missing", "The record system could not tell which practice is meant. Tell whoever runs this Locum."},
	{"global_search", "The record system searches only with a patient named. Enter more to search for."},
	{"not_registered", "Locum is not registered for this part of the record system. Tell whoever runs this Locum."},
	{"unsupported", "The record system does not offer this."},
	{"too_costly", "That search is too wide for the record system. Enter more to search for."},
	{"rejected", "The record system refused this."},
	{"wrong_patient", "The record system answered with another patient’s record, so none of it is shown."},
	{"foreign_page", "The rest of this list lies at another place, so the list would be incomplete and is not shown."},
}
