package proxy_test

import (
	"slices"
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/bff/proxy"
)

// TestLaunchedForOnePatient: a connection that was launched for a patient is asked for no other, wherever a request names
// one, and for nothing that names nobody it is in the way.
func TestLaunchedForOnePatient(t *testing.T) {
	anyField := func(p *platform.Platform) {
		for i := range p.Operations {
			if p.Operations[i].Form {
				p.Operations[i].Params = nil
			}
		}
	}
	r, f := athena(t, setup{patient: ada, change: anyField})
	subject := func(ref string) string {
		return `{"resourceType":"Observation","subject":{"reference":"` + ref + `"}}`
	}
	for _, c := range []struct {
		name    string
		request *proxy.Request
		fine    bool
	}{
		{"the patient", r.search(fhirPatient+"/"+ada, ""), true},
		{"another patient", r.search(fhirPatient+"/"+grace, ""), false},
		{"her record", r.search(fhirRecord, "patient="+ada), true},
		{"another's record", r.search(fhirRecord, "patient="+grace), false},
		{"her record, typed", r.search(fhirRecord, "patient=Patient/"+ada), true},
		{"another's, typed", r.search(fhirRecord, "patient=Patient/"+grace), false},
		{"another's, by address", r.search(fhirRecord, "patient=http://127.0.0.1:7001/fhir/r4/Patient/"+grace), false},
		{"another's elsewhere", r.search(fhirRecord, "patient=http://evil.example/Patient/"+grace), false},
		{"another's, encoded", r.search(fhirRecord, "p%61tient="+strings.ReplaceAll(grace, "-", "%2D")), false},
		{"another's behind hers", r.search(fhirRecord, "subject=http://127.0.0.1:7001/fhir/r4/Patient/"+ada+"/Patient/"+grace), false},
		{"hers and another's", r.search(fhirRecord, "patient="+ada+","+grace), false},
		{"hers, and another's", r.search(fhirRecord, "patient="+ada+"&patient="+grace), false},
		{"hers as the subject", r.search(fhirRecord, "subject=Patient/"+ada), true},
		{"another's as the subject", r.search(fhirRecord, "subject=Patient/"+grace), false},
		{"a subject without a type", r.search(fhirRecord, "subject="+grace), false},
		{"a group as the subject", r.search(fhirRecord, "subject=Group/g1"), true},
		{"another's, with a version", r.search(fhirRecord, "subject=Patient/"+grace+"/_history/1"), false},
		{"another's, with a bar", r.search(fhirRecord, "subject=Patient/"+grace+"|1"), false},
		{"in capitals, which is another id", r.search(fhirRecord, "patient="+strings.ToUpper(ada)), false},
		{"nobody", r.search(fhirRecord, "patient="), false},
		{"the whole clinic", r.search(fhirRecord, "category=vital-signs"), true},
		{"a record by its id", r.search(fhirRecord+"/o1", ""), true},
		{"her, by a search", r.search(fhirPatient, "_id="+ada), true},
		{"another, by a search", r.search(fhirPatient, "_id="+grace), false},
		{"both, by a search", r.search(fhirPatient, "_id="+ada+","+grace), false},
		{"people", r.search(fhirPatient, "name=a"), false},
		{"all people", r.search(fhirPatient, ""), false},
		{"today", r.search("/fhir/r4/Appointment", "date=2026-01-01"), true},
		{"her appointments, by who takes part", r.search("/fhir/r4/Appointment", "actor=Patient/"+ada), true},
		{"another's appointments", r.search("/fhir/r4/Appointment", "actor=Patient/"+grace), false},
		{"somebody's appointments", r.search("/fhir/r4/Appointment", "actor=a-195900.X-1"), false},
		{"a practitioner's appointments", r.search("/fhir/r4/Appointment", "actor=Practitioner/p1"), true},
		{"a practitioner", r.search("/fhir/r4/Practitioner/p1", ""), true},
		{"writing about her", r.write("POST", fhirRecord, subject("Patient/"+ada)), true},
		{"writing about another", r.write("POST", fhirRecord, subject("Patient/"+grace)), false},
		{"writing about another, in capitals", r.write("POST", fhirRecord, strings.ReplaceAll(subject("Patient/"+grace), "reference", "Reference")), false},
		{"writing about another, escaped", r.write("POST", fhirRecord, subject(`Pati\u0065nt\/`+grace)), false},
		{"writing about another, by address", r.write("PUT", fhirRecord+"/o1", subject("http://127.0.0.1:7001/fhir/r4/Patient/"+grace)), false},
		{"writing about another, as it was read", r.write("PUT", fhirRecord+"/o1", subject("/proxy/v1/c0/fhir/r4/Patient/"+grace)), false},
		{"writing about her, as it was read", r.write("PUT", fhirRecord+"/o1", subject("/proxy/v1/c0/fhir/r4/Patient/"+ada)), true},
		{"naming another beside her", r.write("POST", fhirRecord, strings.TrimSuffix(subject("Patient/"+ada), "}")+`,"performer":[{"reference":"Patient/`+grace+`"}]}`), false},
		{"two subjects", r.write("POST", fhirRecord, `{"resourceType":"Observation","subject":{"reference":"Patient/`+ada+`","reference":"Patient/`+grace+`"}}`), false},
		{"athenaOne, her", r.search(onePatients+"/60178", ""), true},
		{"athenaOne, another", r.search(onePatients+"/60179", ""), false},
		{"athenaOne, people", r.search(onePatients, "lastname=a"), false},
		{"athenaOne, a new patient", r.form("POST", onePatients, "firstname=a"), false},
		{"athenaOne, her data", r.form("PUT", onePatients+"/60178", "email=a"), true},
		{"athenaOne, another's data", r.form("PUT", onePatients+"/60179", "email=a"), false},
		{"athenaOne, another in the form", r.form("PUT", onePatients+"/60178", "patientid=60179"), false},
		{"athenaOne, another in the query", r.search("/v1/195900/appointments/booked", "patientid=60179"), false},
		{"athenaOne, hers in the query", r.search("/v1/195900/appointments/booked", "patientid=60178"), true},
		{"athenaOne, today", r.search("/v1/195900/appointments/booked", "startdate=01/01/2026"), true},
		{"athenaOne's number in FHIR", r.search(fhirRecord, "patient=60178"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := len(f.seen())
			f.always(fhirReply(200, `{"resourceType":"Basic"}`))
			_, err := r.do(c.request)
			if c.fine {
				must(t, err)
				return
			}
			wantCode(t, err, "wrong_patient")
			if len(f.seen()) != n {
				t.Error("it arrived")
			}
		})
	}
	t.Run("a connection of nobody's", func(t *testing.T) {
		q := r.search(strings.ReplaceAll(fhirPatient, "195900", "195901")+"/a-195901.E-1", "")
		q.Connection = "c1"
		must(t, errOf(r.do(r.search(fhirPatient+"/"+ada, ""))))
		wantCode(t, errOf(r.do(q)), "wrong_patient") // c1 has the same launch in this rig
	})
}

func errOf[T any](_ T, err error) error { return err }

// TestLaunchedIndirectly: what names a patient in a way that cannot be compared is refused where a catalogue would allow it;
// a connection of no launch may ask so.
func TestLaunchedIndirectly(t *testing.T) {
	indirect := []string{"patient.name=a", "patient:identifier=a", "patient:Patient.name=a", "subject.identifier=a", "subject:missing=true", "actor.name=a",
		"encounter.patient=a", "encounter:Encounter.subject=a", "_has:Observation:patient:code=a", "_filter=a", "_list=a", "performer=p1", "code:Patient=" + grace}
	all := func(p *platform.Platform) {
		for i := range p.Operations {
			for _, pair := range indirect {
				name, _, _ := strings.Cut(pair, "=")
				p.Operations[i].Params = append(slices.Clone(p.Operations[i].Params), name)
			}
		}
	}
	for _, patient := range []string{ada, ""} {
		r, _ := athena(t, setup{patient: patient, change: all})
		for _, query := range indirect {
			_, err := r.do(r.search(fhirRecord, query))
			if patient == "" {
				must(t, err)
				continue
			}
			if wantCode(t, err, "wrong_patient"); t.Failed() {
				t.Fatal(query)
			}
		}
		must(t, errOf(r.do(r.search(fhirRecord, "performer=Practitioner/p1"))))
	}
}

// TestAnsweredAboutAnother: a launched connection that asks for its patient and is told about another is told nothing: a server
// may ignore a parameter that it does not know, and the page has the other patient's name above it.
func TestAnsweredAboutAnother(t *testing.T) {
	allergy := func(member, ref string) string {
		return `{"resource":{"resourceType":"AllergyIntolerance","id":"1","` + member + `":{"reference":"` + ref + `"}}}`
	}
	person := func(id string) string { return `{"resource":{"id":"` + id + `","resourceType":"Patient"}}` }
	for _, c := range []struct {
		name, entries string
		fine          bool
	}{
		{"hers", allergy("patient", "Patient/"+ada), true},
		{"another's", allergy("patient", "Patient/"+grace), false},
		{"another's as the subject", allergy("subject", "Patient/"+grace), false},
		{"another's, by address", allergy("patient", "http://127.0.0.1:7001/fhir/r4/Patient/"+grace), false},
		{"another's among hers", allergy("patient", "Patient/"+ada) + "," + allergy("patient", "Patient/"+grace), false},
		{"somebody contained", `{"resource":{"contained":[{"resourceType":"Patient","id":"p1"}],"subject":{"reference":"#p1"}}}`, true},
		{"another takes part", allergy("recorder", "Patient/"+grace), true},
		{"her", person(ada), true},
		{"another person", person(grace), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, f := athena(t, setup{patient: ada})
			f.always(fhirReply(200, bundle(c.entries, "next Observation?cursor=2")))
			check := func(err error) {
				t.Helper()
				if c.fine {
					must(t, err)
				} else if own := wantCode(t, err, "platform_bad_answer"); own.Params["reason"] != "wrong_patient" {
					t.Errorf("%v", own.Params)
				}
			}
			check(errOf(r.do(r.search(fhirRecord, "patient="+ada))))
			must(t, errOf(r.do(r.search(fhirRecord, "code=x")))) // named nobody: anybody may be in it
			// A page of a confined search is as confined.
			f.always(fhirReply(200, bundle("", "next Observation?cursor=2")))
			link := linkOf(t, r.mustDo(r.search(fhirRecord, "patient="+ada)).Body(), "next")
			f.always(fhirReply(200, bundle(c.entries)))
			check(errOf(r.do(r.follow(link))))
		})
	}
	t.Run("a patient who is read", func(t *testing.T) {
		r, f := athena(t, setup{patient: ada})
		f.always(fhirReply(200, `{"resourceType":"Patient","id":"`+grace+`"}`))
		wantCode(t, errOf(r.do(r.search(fhirPatient+"/"+ada, ""))), "platform_bad_answer")
	})
	t.Run("a record that is read by its id", func(t *testing.T) {
		r, f := athena(t, setup{patient: ada})
		f.always(fhirReply(200, observationA))
		r.mustDo(r.search(fhirRecord+"/o1", ""))
		f.always(fhirReply(200, strings.ReplaceAll(observationA, ada, grace)))
		wantCode(t, errOf(r.do(r.search(fhirRecord+"/o1", ""))), "platform_bad_answer")
	})
	t.Run("a page of a confined search of people", func(t *testing.T) {
		r, f := athena(t, setup{patient: ada})
		f.always(fhirReply(200, bundle("", "next Patient?cursor=2")))
		link := linkOf(t, r.mustDo(r.search(fhirPatient, "_id="+ada)).Body(), "next")
		r.mustDo(r.follow(link))
	})
}

// TestOneRecordIsOnePatients: what asks for one record, or for what belongs to one, is asked for the launched patient.
func TestOneRecordIsOnePatients(t *testing.T) {
	for _, query := range []string{"_id=o1", "encounter=e1", "encounter=Encounter/e1", "code=x&_id=o1"} {
		r, f := athena(t, setup{patient: ada})
		for _, c := range []struct {
			patient string
			fine    bool
		}{{ada, true}, {grace, false}} {
			f.always(fhirReply(200, bundle(`{"resource":{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/`+c.patient+`"}}}`)))
			err := errOf(r.do(r.search(fhirRecord, query)))
			if c.fine {
				must(t, err)
			} else if own := wantCode(t, err, "platform_bad_answer"); own.Params["reason"] != "wrong_patient" {
				t.Errorf("%s: %v", query, own.Params)
			}
		}
	}
}
