package platform

import "slices"

// The two versions of Jane's API ("Jane guide, Before you begin": the date is a major version). The version stands in
// each row, because Jane moves its resources one by one: extensions are still beta.
const (
	janeStable = "2026-01-01"
	janeBeta   = "2025-02-28-beta"
)

// Query parameters that several operations share.
var (
	paging = []string{"page[limit]", "page[cursor]", "sort"}
	record = []string{"page[limit]", "page[cursor]", "sort", "patient_id[eq]", "category[eq]", "encounter_id[eq]"}
	plain  = join(paging, text("public_id"), when("created_at"), when("updated_at"))
)

// janeOperations is all of Jane's API that Locum knows: the reference of version 2026-01-01 with the Extensions API, and
// the paths of the guide's beta version, which older registrations still use. A row's scope is empty where the
// reference states none.
var janeOperations = []Operation{
	// The clinic and its day.
	{ID: "listAppointments", Method: "GET", Path: "/appointments", Version: janeStable, Scope: "appointments:read", Class: "appointments", Params: join(plain, when("start_at"), when("end_at"), id("patient_id"), id("staff_member_id"), id("location_id"), id("treatment_id"))},
	{ID: "getAppointment", Method: "GET", Path: "/appointments/{appointment_id}", Version: janeStable, Scope: "appointments:read", Class: "appointments", RecordParam: "appointment_id"},
	{ID: "listPatients", Method: "GET", Path: "/patients", Version: janeStable, Scope: "patients:read", Class: "patients", Params: plain},
	{ID: "getPatient", Method: "GET", Path: "/patients/{patient_id}", Version: janeStable, Scope: "patients:read", Class: "patients", RecordParam: "patient_id"},
	{ID: "searchPatients", Method: "POST", Path: "/patients/search", Version: janeStable, Scope: "patients:read", Class: "patients"},
	{ID: "listStaffMembers", Method: "GET", Path: "/staff_members", Version: janeStable, Scope: "staff_members:read", Class: "staff_members", Params: plain},
	{ID: "getStaffMember", Method: "GET", Path: "/staff_members/{staff_member_id}", Version: janeStable, Scope: "staff_members:read", Class: "staff_members", RecordParam: "staff_member_id"},
	{ID: "listTreatments", Method: "GET", Path: "/treatments", Version: janeStable, Scope: "treatments:read", Class: "treatments", Params: join(paging, id("public_id"), id("staff_member_ids"), when("created_at"), when("updated_at"))},
	{ID: "getTreatment", Method: "GET", Path: "/treatments/{treatment_id}", Version: janeStable, Scope: "treatments:read", Class: "treatments", RecordParam: "treatment_id"},
	{ID: "listDisciplines", Method: "GET", Path: "/disciplines", Version: janeStable, Scope: "disciplines:read", Class: "disciplines", Params: plain},
	{ID: "getDiscipline", Method: "GET", Path: "/disciplines/{discipline_id}", Version: janeStable, Scope: "disciplines:read", Class: "disciplines", RecordParam: "discipline_id"},
	{ID: "listLocations", Method: "GET", Path: "/locations", Version: janeStable, Scope: "locations:read", Class: "locations", Params: plain},
	{ID: "getLocation", Method: "GET", Path: "/locations/{location_id}", Version: janeStable, Scope: "locations:read", Class: "locations", RecordParam: "location_id"},
	{ID: "getCompany", Method: "GET", Path: "/company", Version: janeStable, Scope: "companies:read", Class: "company"},

	// The medical record.
	{ID: "listObservations", Method: "GET", Path: "/medical-record/observations", Version: janeStable, Scope: "observations:read", Class: "observations", Params: record},
	{ID: "getObservation", Method: "GET", Path: "/medical-record/observations/{observation_id}", Version: janeStable, Scope: "observations:read", Class: "observations", RecordParam: "observation_id"},
	{ID: "createObservation", Method: "POST", Path: "/medical-record/observations", Version: janeStable, Scope: "observations:create", Class: "observations", Write: true},
	{ID: "updateObservation", Method: "PATCH", Path: "/medical-record/observations/{observation_id}", Version: janeStable, Scope: "observations:update", Class: "observations", Write: true, RecordParam: "observation_id"},
	{ID: "listCarePlans", Method: "GET", Path: "/medical-record/care-plans", Version: janeStable, Scope: "care_plans:read", Class: "care_plans", Params: record},
	{ID: "getCarePlan", Method: "GET", Path: "/medical-record/care-plans/{care_plan_id}", Version: janeStable, Scope: "care_plans:read", Class: "care_plans", RecordParam: "care_plan_id"},
	{ID: "createCarePlan", Method: "POST", Path: "/medical-record/care-plans", Version: janeStable, Scope: "care_plans:create", Class: "care_plans", Write: true},
	{ID: "updateCarePlan", Method: "PATCH", Path: "/medical-record/care-plans/{care_plan_id}", Version: janeStable, Scope: "care_plans:update", Class: "care_plans", Write: true, RecordParam: "care_plan_id"},
	{ID: "createCarePlanActivity", Method: "POST", Path: "/medical-record/care-plans/{care_plan_id}/activities", Version: janeStable, Scope: "care_plans:create", Class: "care_plans", Write: true, RecordParam: "care_plan_id"},
	{ID: "getCarePlanActivity", Method: "GET", Path: "/medical-record/care-plans/{care_plan_id}/activities/{care_plan_activity_id}", Version: janeStable, Scope: "care_plans:read", Class: "care_plans", RecordParam: "care_plan_activity_id"},
	{ID: "updateCarePlanActivity", Method: "PATCH", Path: "/medical-record/care-plans/{care_plan_id}/activities/{care_plan_activity_id}", Version: janeStable, Scope: "care_plans:update", Class: "care_plans", Write: true, RecordParam: "care_plan_activity_id"},
	{ID: "listMedications", Method: "GET", Path: "/medical-record/medications", Version: janeStable, Scope: "medications:read", Class: "medications", Params: paging},
	{ID: "getMedication", Method: "GET", Path: "/medical-record/medications/{medication_id}", Version: janeStable, Scope: "medications:read", Class: "medications", RecordParam: "medication_id"},
	{ID: "getMedicationHistory", Method: "GET", Path: "/medical-record/medications/{medication_id}/history", Version: janeStable, Scope: "medications:read", Class: "medications", RecordParam: "medication_id"},
	{ID: "createMedication", Method: "POST", Path: "/medical-record/medications", Version: janeStable, Scope: "medications:create", Class: "medications", Write: true},
	{ID: "updateMedication", Method: "PATCH", Path: "/medical-record/medications/{medication_id}", Version: janeStable, Scope: "medications:update", Class: "medications", Write: true, RecordParam: "medication_id"},
	{ID: "createDocumentUpload", Method: "POST", Path: "/document-uploads", Version: janeStable, Scope: "document_uploads:create", Class: "document_uploads", Write: true, Multipart: true},
	{ID: "getDocumentUpload", Method: "GET", Path: "/document-uploads/{document_id}", Version: janeStable, Scope: "document_uploads:read", Class: "document_uploads", RecordParam: "document_id"},

	// Webhooks and extensions.
	{ID: "listWebhooks", Method: "GET", Path: "/webhooks", Version: janeStable, Scope: "webhooks:read", Class: "webhooks"},
	{ID: "getWebhook", Method: "GET", Path: "/webhooks/{webhook_id}", Version: janeStable, Scope: "webhooks:read", Class: "webhooks", RecordParam: "webhook_id"},
	{ID: "createWebhook", Method: "POST", Path: "/webhooks", Version: janeStable, Scope: "webhooks:create", Class: "webhooks", Write: true},
	{ID: "deleteWebhook", Method: "DELETE", Path: "/webhooks/{webhook_id}", Version: janeStable, Scope: "webhooks:delete", Class: "webhooks", Write: true, RecordParam: "webhook_id"},
	{ID: "listExtensions", Method: "GET", Path: "/extensions", Version: janeBeta, Scope: "", Class: "extensions"},
	{ID: "getExtension", Method: "GET", Path: "/extensions/{extension_id}", Version: janeBeta, Scope: "", Class: "extensions", RecordParam: "extension_id"},
	{ID: "createExtension", Method: "POST", Path: "/extensions", Version: janeBeta, Scope: "", Class: "extensions", Write: true},
	{ID: "updateExtension", Method: "PUT", Path: "/extensions/{extension_id}", Version: janeBeta, Scope: "", Class: "extensions", Write: true, RecordParam: "extension_id"},
	{ID: "deleteExtension", Method: "DELETE", Path: "/extensions/{extension_id}", Version: janeBeta, Scope: "", Class: "extensions", Write: true, RecordParam: "extension_id"},
	{ID: "listCatalogExtensions", Method: "GET", Path: "/catalog/extensions", Version: janeBeta, Scope: "", Class: "catalog_extensions"},
	{ID: "getCatalogExtension", Method: "GET", Path: "/catalog/extensions/{extension_id}", Version: janeBeta, Scope: "", Class: "catalog_extensions", RecordParam: "extension_id"},

	// The beta version of the guide ("Rate Limits, Affected Endpoints"; "Making a Request").
	{ID: "listAppointmentsBeta", Method: "GET", Path: "/appointments", Version: janeBeta, Scope: "appointments:read", Class: "appointments", Params: join(plain, when("start_at"), when("end_at"), id("patient_id"), id("staff_member_id"), id("location_id"), id("treatment_id"))},
	{ID: "getAppointmentBeta", Method: "GET", Path: "/appointments/{appointment_id}", Version: janeBeta, Scope: "appointments:read", Class: "appointments", RecordParam: "appointment_id"},
	{ID: "listPatientsBeta", Method: "GET", Path: "/patients", Version: janeBeta, Scope: "patients:read", Class: "patients", Params: plain},
	{ID: "getPatientBeta", Method: "GET", Path: "/patients/{patient_id}", Version: janeBeta, Scope: "patients:read", Class: "patients", RecordParam: "patient_id"},
	{ID: "listStaffMembersBeta", Method: "GET", Path: "/staff_members", Version: janeBeta, Scope: "staff_members:read", Class: "staff_members", Params: plain},
	{ID: "getStaffMemberBeta", Method: "GET", Path: "/staff_members/{staff_member_id}", Version: janeBeta, Scope: "staff_members:read", Class: "staff_members", RecordParam: "staff_member_id"},
	{ID: "listTreatmentsBeta", Method: "GET", Path: "/treatments", Version: janeBeta, Scope: "treatments:read", Class: "treatments", Params: join(paging, id("public_id"), id("staff_member_ids"), when("created_at"), when("updated_at"))},
	{ID: "getTreatmentBeta", Method: "GET", Path: "/treatments/{treatment_id}", Version: janeBeta, Scope: "treatments:read", Class: "treatments", RecordParam: "treatment_id"},
	{ID: "listDisciplinesBeta", Method: "GET", Path: "/disciplines", Version: janeBeta, Scope: "disciplines:read", Class: "disciplines", Params: plain},
	{ID: "getDisciplineBeta", Method: "GET", Path: "/disciplines/{discipline_id}", Version: janeBeta, Scope: "disciplines:read", Class: "disciplines", RecordParam: "discipline_id"},
	{ID: "listLocationsBeta", Method: "GET", Path: "/locations", Version: janeBeta, Scope: "locations:read", Class: "locations", Params: plain},
	{ID: "getLocationBeta", Method: "GET", Path: "/locations/{location_id}", Version: janeBeta, Scope: "locations:read", Class: "locations", RecordParam: "location_id"},
	{ID: "getCompanyBeta", Method: "GET", Path: "/company", Version: janeBeta, Scope: "companies:read", Class: "company"},
	{ID: "listObservationsBeta", Method: "GET", Path: "/medical-record/observations", Version: janeBeta, Scope: "observations:read", Class: "observations", Params: record},
	{ID: "getObservationBeta", Method: "GET", Path: "/medical-record/observations/{observation_id}", Version: janeBeta, Scope: "observations:read", Class: "observations", RecordParam: "observation_id"},
	{ID: "createObservationBeta", Method: "POST", Path: "/medical-record/observations", Version: janeBeta, Scope: "observations:create", Class: "observations", Write: true},
	{ID: "updateObservationBeta", Method: "PATCH", Path: "/medical-record/observations/{observation_id}", Version: janeBeta, Scope: "observations:update", Class: "observations", Write: true, RecordParam: "observation_id"},
}

// text, when and id are the filters of a text, a time and an identifier: field[operator].
func text(field string) []string {
	return filter(field, "eq", "ne", "co", "gt", "gte", "lt", "lte", "sw")
}

func when(field string) []string { return filter(field, "eq", "ne", "gt", "gte", "lt", "lte") }

func id(field string) []string { return filter(field, "eq") }

func filter(field string, operators ...string) []string {
	params := make([]string, len(operators))
	for i, operator := range operators {
		params[i] = field + "[" + operator + "]"
	}
	return params
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }
