package sandbox

import "net/http"

// The versions of the API: the reference's, and the guide's, which survives
// for the Manifest API and serves the guide's endpoints here too.
const (
	versionCurrent = "2026-01-01"
	versionBeta    = "2025-02-28-beta"
)

var (
	current = []string{versionCurrent}
	beta    = []string{versionBeta}
	both    = []string{versionCurrent, versionBeta}
)

// route is one operation. path follows the version; {} is a placeholder.
type route struct {
	method   string
	versions []string
	path     string
	scope    string // "" where the reference names none
	class    string
	shapes   shapes
	serve    func(*call)
	form     bool // takes multipart/form-data instead of JSON
}

func (rt *route) media() string {
	if rt.form {
		return "multipart/form-data"
	}
	return "application/json"
}

// routes holds every operation of the reference. What the sandbox has no data
// for answers as an empty clinic would: empty lists, 404, and 400 or 403 to
// whoever wants to create something.
var routes = []route{
	{"GET", both, "appointments", "appointments:read", "appointments", errorsShapes, appointments.list, false},
	{"GET", both, "appointments/{}", "appointments:read", "appointments", errorsShapes, appointments.get, false},
	{"GET", both, "patients", "patients:read", "patients", patientShapes, patients.list, false},
	{"POST", current, "patients/search", "patients:read", "patients", patientShapes, searchPatients, false},
	{"GET", both, "patients/{}", "patients:read", "patients", patientShapes, patients.get, false},
	{"GET", both, "staff_members", "staff_members:read", "staff_members", errorsShapes, staffMembers.list, false},
	{"GET", both, "staff_members/{}", "staff_members:read", "staff_members", errorsShapes, staffMembers.get, false},
	{"GET", both, "treatments", "treatments:read", "treatments", errorsShapes, treatments.list, false},
	{"GET", both, "treatments/{}", "treatments:read", "treatments", errorsShapes, treatments.get, false},
	{"GET", both, "disciplines", "disciplines:read", "disciplines", recordShapes, disciplines.list, false},
	{"GET", both, "disciplines/{}", "disciplines:read", "disciplines", recordShapes, disciplines.get, false},
	{"GET", both, "locations", "locations:read", "locations", placesShapes, locations.list, false},
	{"GET", both, "locations/{}", "locations:read", "locations", placeShapes, locations.get, false},
	{"GET", both, "company", "companies:read", "company", companyShapes, getCompany, false},

	{"GET", both, "medical-record/observations", "observations:read", "observations", recordShapes, observations.list, false},
	{"POST", both, "medical-record/observations", "observations:create", "observations", recordShapes, createObservation, false},
	{"GET", both, "medical-record/observations/{}", "observations:read", "observations", recordShapes, observations.get, false},
	{"PATCH", both, "medical-record/observations/{}", "observations:update", "observations", recordShapes, updateObservation, false},

	{"GET", current, "medical-record/care-plans", "care_plans:read", "care_plans", recordShapes, carePlans.list, false},
	{"POST", current, "medical-record/care-plans", "care_plans:create", "care_plans", recordShapes, notTaken, false},
	{"GET", current, "medical-record/care-plans/{}", "care_plans:read", "care_plans", recordShapes, (*call).missing, false},
	{"PATCH", current, "medical-record/care-plans/{}", "care_plans:update", "care_plans", recordShapes, (*call).missing, false},
	{"POST", current, "medical-record/care-plans/{}/activities", "care_plans:create", "care_plans", recordShapes, notTaken, false},
	{"GET", current, "medical-record/care-plans/{}/activities/{}", "care_plans:read", "care_plans", recordShapes, (*call).missing, false},
	{"PATCH", current, "medical-record/care-plans/{}/activities/{}", "care_plans:update", "care_plans", recordShapes, (*call).missing, false},

	{"GET", current, "medical-record/medications", "medications:read", "medications", recordShapes, listMedications, false},
	{"POST", current, "medical-record/medications", "medications:create", "medications", recordShapes, notTaken, false},
	{"GET", current, "medical-record/medications/{}", "medications:read", "medications", recordShapes, (*call).missing, false},
	{"PATCH", current, "medical-record/medications/{}", "medications:update", "medications", recordShapes, (*call).missing, false},
	{"GET", current, "medical-record/medications/{}/history", "medications:read", "medications", recordShapes, (*call).missing, false},

	{"POST", current, "document-uploads", "document_uploads:create", "document_uploads", recordShapes, notTaken, true},
	{"GET", current, "document-uploads/{}", "document_uploads:read", "document_uploads", recordShapes, (*call).missing, false},

	{"GET", current, "webhooks", "webhooks:read", "webhooks", webhookShapes, emptyArray, false},
	{"POST", current, "webhooks", "webhooks:create", "webhooks", webhookShapes, notYours, false},
	{"GET", current, "webhooks/{}", "webhooks:read", "webhooks", webhookShapes, (*call).missing, false},
	{"DELETE", current, "webhooks/{}", "webhooks:delete", "webhooks", webhookShapes, (*call).missing, false},

	{"GET", beta, "extensions", "", "extensions", manifestShapes, emptyItems, false},
	{"POST", beta, "extensions", "", "extensions", manifestShapes, notYours, false},
	{"GET", beta, "extensions/{}", "", "extensions", manifestShapes, (*call).missing, false},
	{"PUT", beta, "extensions/{}", "", "extensions", manifestShapes, (*call).missing, false},
	{"DELETE", beta, "extensions/{}", "", "extensions", manifestShapes, (*call).missing, false},
	{"GET", beta, "catalog/extensions", "", "catalog_extensions", manifestShapes, emptyItems, false},
	{"GET", beta, "catalog/extensions/{}", "", "catalog_extensions", manifestShapes, (*call).missing, false},
}

// notTaken answers 400 to the creation of what the sandbox does not simulate.
func notTaken(x *call) {
	x.bad(issue{ID: "NOT_SIMULATED", Message: "The sandbox clinic does not take these records."})
}

// notYours answers 403: only owners and full-permission staff may do this, and
// nobody at a sandbox clinic is one.
func notYours(x *call) {
	x.refuse(http.StatusForbidden, issue{ID: "FORBIDDEN", Message: "You do not have permission to do this."})
}

func emptyArray(x *call) { x.write(http.StatusOK, []struct{}{}) }

func emptyItems(x *call) {
	x.write(http.StatusOK, struct {
		Items []struct{} `json:"items"`
	}{[]struct{}{}})
}
