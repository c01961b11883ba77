package platform

// athenaMDP begins the scopes of athenaOne's own API (athenahealth guide, Token Endpoint: 2-legged).
const athenaMDP = "athena/service/Athenanet.MDP."

// athenaOperations are the slice of athenaOne that Locum knows. A practitioner's token is good for them by its scopes on the
// FHIR resource that they are about, a service's by those of the API. Bodies are forms, whose fields stand in Params.
var athenaOperations = []Operation{
	{ID: "athena.ping", Method: "GET", Path: "/v1/{practiceid}/ping", Class: "ping"},
	{ID: "athena.patients.search", Method: "GET", Path: "/v1/{practiceid}/patients", Class: "patients", Resource: "Patient", Interaction: "s", ServiceScope: athenaMDP,
		Params: []string{"lastname", "firstname", "dob", "departmentid", "status", "limit", "offset"}},
	{ID: "athena.patients.create", Method: "POST", Path: "/v1/{practiceid}/patients", Class: "patients", Resource: "Patient", Interaction: "c", ServiceScope: athenaMDP, Write: true, Form: true,
		Params: athenaPatient},
	{ID: "athena.patients.read", Method: "GET", Path: "/v1/{practiceid}/patients/{patientid}", Class: "patients", Resource: "Patient", Interaction: "r", ServiceScope: athenaMDP, RecordParam: "patientid",
		Params: []string{"departmentid"}},
	{ID: "athena.patients.update", Method: "PUT", Path: "/v1/{practiceid}/patients/{patientid}", Class: "patients", Resource: "Patient", Interaction: "u", ServiceScope: athenaMDP, Write: true, Form: true, RecordParam: "patientid",
		Params: athenaPatient},
	{ID: "athena.appointments.booked", Method: "GET", Path: "/v1/{practiceid}/appointments/booked", Class: "appointments", Resource: "Appointment", Interaction: "s", ServiceScope: athenaMDP,
		Params: []string{"startdate", "enddate", "departmentid", "providerid", "patientid", "limit", "offset"}},
	{ID: "athena.appointments.read", Method: "GET", Path: "/v1/{practiceid}/appointments/{appointmentid}", Class: "appointments", Resource: "Appointment", Interaction: "r", ServiceScope: athenaMDP, RecordParam: "appointmentid"},
	{ID: "athena.appointments.notes", Method: "GET", Path: "/v1/{practiceid}/appointments/{appointmentid}/notes", Class: "appointments", Resource: "Appointment", Interaction: "r", ServiceScope: athenaMDP, RecordParam: "appointmentid",
		Params: []string{"limit", "offset"}},
	{ID: "athena.appointments.addNote", Method: "POST", Path: "/v1/{practiceid}/appointments/{appointmentid}/notes", Class: "appointments", Resource: "Appointment", Interaction: "u", ServiceScope: athenaMDP, Write: true, Form: true, RecordParam: "appointmentid",
		Params: []string{"notetext", "displayonschedule"}},
}

// athenaPatient are the fields of a patient that may be written.
var athenaPatient = []string{
	"firstname", "middlename", "lastname", "suffix", "dob", "sex", "departmentid", "email", "homephone", "mobilephone", "address1",
	"address2", "city", "state", "zip", "contactname", "contactrelationship", "contacthomephone",
}
