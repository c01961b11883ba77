package words

import "strings"

// Launch is the page where an EHR asks to open Locum, and what is asked after it.
type Launch struct {
	_ incomparable

	Title, Asks, AsFrom, Who, Nobody, NobodyText, Wants, Continue, Opening, SignIn, Framed    string
	Remembers, Person, Here, ThisIsMe, NotMe, GoOnAs, SignOut, Window, WindowText, WindowOpen string
}

// Chart is a patient's record at a FHIR server.
type Chart struct {
	_ incomparable

	Title, Nav, Problems, Medications, Allergies, Measurements, Visit                 string
	NoProblems, NoMedications, NoAllergies, NoMeasurements, NoVisit                   string
	NotHere, More, Incomplete, Latest, Trend, TrendText, Table, Day, Measure, Value   string
	Since, Reaction, Reason, NoPatient, NoPatientText, FindPatient, Only, OnlyText    string
	Open, Ended, EndedText, ByEHR, ByEHREnds, Again, Deceased, Unnamed, Unreadable    string
	ByChoice, ForPatient                                                              string
	Device                                                                            string
	Unread                                                                            Plural
	Statuses, Verifications, Criticalities, Encounters, MedicationStates, Preliminary Table
	Genders                                                                           Table
}

// Finder is the search for a patient at a FHIR server.
type Finder struct {
	_ incomparable

	Name, NameHint, Born, Find, Needed, None, NoneText, Start, More string
}

// Choose is what the connect page says of platforms other than Jane.
type Choose struct {
	_ incomparable

	Practice, Server, ServerText, Context, ContextNone, ContextPatient, ContextEncounter, EHR string
}

// Services is the page of what the application itself may do.
type Services struct {
	_ incomparable

	Title, Lead, Empty, EmptyText, Scopes, Operations, Fresh, Stale, Link, For string
}

// Locked covers a view whose patient is not the EHR's any more.
type Locked struct{ Title, Text, Next string }

// FHIR names what a scope on a FHIR API allows: one sentence of an act, a thing and whose it is.
type FHIR struct {
	_ incomparable

	See, Write, All          string // of everything that the practitioner may see
	SeeOne, WriteOne, AllOne string // of the patient who is open
	OfApp                    string // stands behind what the application itself may do
	Things                   Table
}

// FHIRScope takes a scope on a FHIR API apart (SMART App Launch 2.2, "Scopes for requesting FHIR Resources"): "patient",
// "Observation" and "rs" of "patient/Observation.rs?category=laboratory". Anything else answers false.
func FHIRScope(scope string) (level, target, said string, ok bool) {
	scope, _, _ = strings.Cut(scope, "?")
	level, rest, slash := strings.Cut(scope, "/")
	target, said, dot := strings.Cut(rest, ".")
	switch level {
	case "patient", "user", "system":
		return level, target, said, slash && dot && target != "" && said != ""
	}
	return "", "", "", false
}

// fhir says a scope on a FHIR API in words; "" for one that is none.
func (w *Words) fhir(scope string) string {
	level, target, said, ok := FHIRScope(scope)
	if !ok {
		return ""
	}
	thing, see, write, all := w.FHIR.Things.or(target), w.FHIR.See, w.FHIR.Write, w.FHIR.All
	if level == "patient" {
		see, write, all = w.FHIR.SeeOne, w.FHIR.WriteOne, w.FHIR.AllOne
	}
	if target == "*" {
		thing = all
	}
	act := see
	if said == "write" || said == "*" || said != "read" && strings.ContainsAny(said, "cud") {
		act = write
	}
	sentence := Fill(act, "what", thing)
	if level == "system" {
		sentence += " " + w.FHIR.OfApp
	}
	return sentence
}
