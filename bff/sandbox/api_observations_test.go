package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
)

const observationsPath = version + "medical-record/observations"

func TestWrittenIsReadBack(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	patient := a.all("patients", "")[4]["id"].(string)
	made := a.send("POST", observationsPath, `{"data":{"patient_id":"`+patient+`","category":"vital_signs","note":"Felt <well> & said so",
		"issued_at":"2026-01-02T03:04:05-03:30","id":"`+noID+`",
		"values":[{"code":"8480-6","system":"http://loinc.org","display":"Systolic","value":"121.5","value_type":"numeric","unit":"mm[Hg]"},
		          {"code":"x","system":"https://codes.example.test","value":"true","value_type":"boolean"}]}}`)
	if made.status != 201 {
		t.Fatalf("status %d %s", made.status, made.raw)
	}
	id := made.body["id"].(string)
	read := func() answer { return a.send("GET", observationsPath+"/"+id, "") }
	if got := read(); got.raw != made.raw {
		t.Errorf("read back %s, written %s", got.raw, made.raw)
	}
	if id == noID || made.body["issued_at"] != "2026-01-02T06:34:05Z" || made.body["note"] != "Felt <well> & said so" || len(made.body["values"].([]any)) != 2 {
		t.Errorf("written %s", made.raw)
	}
	robin := a.all("staff_members", "sort=created_at")[0]["id"]
	if made.body["practitioner_id"] != robin {
		t.Errorf("practitioner %v, want %v", made.body["practitioner_id"], robin)
	}
	last := a.all("medical-record/observations", "sort=-created_at&patient_id[eq]="+patient)[0]
	if last["id"] != id {
		t.Errorf("the newest observation is %v", last)
	}
	a.s.Advance(90 * time.Second)
	changed := a.send("PATCH", observationsPath+"/"+id, `{"data":{"note":"Corrected","values":[]}}`)
	if changed.status != 200 || changed.body["note"] != "Corrected" || len(changed.body["values"].([]any)) != 0 ||
		changed.body["issued_at"] != made.body["issued_at"] || changed.body["created_at"] != made.body["created_at"] ||
		!instant(changed.body, "updated_at").After(instant(made.body, "updated_at")) {
		t.Errorf("status %d %s", changed.status, changed.raw)
	}
	if got := read(); got.raw != changed.raw {
		t.Errorf("read back %s, changed %s", got.raw, changed.raw)
	}
	if got := a.at(1).send("GET", observationsPath+"/"+id, ""); got.status != 404 {
		t.Errorf("the other clinic has it too: status %d", got.status)
	}
	if got := a.send("PATCH", strings.Replace(observationsPath, "2026-01-01", "2025-02-28-beta", 1)+"/"+id, `{"data":{}}`); got.status != 200 {
		t.Errorf("guide's version: status %d", got.status)
	}
}

func TestWritesAreChecked(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	patient := a.all("patients", "")[4]["id"].(string)
	id := items(a.get("medical-record/observations?page[limit]=1"))[0]["id"].(string)
	head := `{"data":{"patient_id":"` + patient + `","category":"exam"`
	value := `{"code":"c","system":"s","value":"1","value_type":"numeric"}`
	for _, c := range []struct {
		name, method, body string
		status             int
		at                 string // how the path or message begins
	}{
		{"fine", "POST", head + `}}`, 201, ""},
		{"no data", "POST", `{}`, 400, "/data"},
		{"not wrapped", "POST", `{"patient_id":"` + patient + `","category":"exam"}`, 400, ""},
		{"no JSON", "POST", `patient`, 400, ""},
		{"cut JSON", "POST", head, 400, ""},
		{"two bodies", "POST", head + `}} {}`, 400, ""},
		{"no patient", "POST", `{"data":{"category":"exam"}}`, 400, "/data/patient_id"},
		{"a stranger", "POST", `{"data":{"category":"exam","patient_id":"` + noID + `"}}`, 400, "/data/patient_id"},
		{"no category", "POST", `{"data":{"patient_id":"` + patient + `"}}`, 400, "/data/category"},
		{"another category", "POST", `{"data":{"patient_id":"` + patient + `","category":"x-ray"}}`, 400, "/data/category"},
		{"unknown member", "POST", head + `,"colour":"red"}}`, 400, ""},
		{"RFC 8259 §4 a member in other letters", "POST", head + `,"Note":"x"}}`, 400, "The body has a member"},
		{"RFC 8259 §4 a member in letters that fold", "POST", head + `,"iſsued_at":"2026-01-02T03:04:05Z"}}`, 400, "The body has a member"},
		{"RFC 8259 §4 data in other letters", "POST", strings.Replace(head, "data", "DATA", 1) + `}}`, 400, "The body has a member"},
		{"RFC 8259 §4 a member twice", "POST", head + `,"category":"exam"}}`, 400, "The member category is given twice"},
		{"RFC 8259 §4 a member twice, once escaped", "POST", head + `,"category":"exam"}}`, 400, "The member category is given twice"},
		{"RFC 8259 §4 data twice", "PATCH", `{"data":{},"data":{"note":"x"}}`, 400, "The member data is given twice"},
		{"RFC 8259 §4 a member of a value twice", "PATCH", `{"data":{"values":[` + value + `,` + strings.Replace(value, `}`, `,"code":"d"}`, 1) + `]}}`, 400, "The member code is given twice"},
		{"two values have the same members", "PATCH", `{"data":{"values":[` + value + `,` + value + `],"note":"x"}}`, 200, ""},
		{"RFC 8259 §8.1 not UTF-8", "POST", head + ",\"note\":\"\xff\"}}", 400, "The body cannot be read as UTF-8"},
		{"null in a list", "PATCH", `{"data":{"values":[` + value + `],"document_ids":[null]}}`, 400, "A member is null"},
		{"null", "POST", head + `,"note":null}}`, 400, ""},
		{"note of another type", "POST", head + `,"note":5}}`, 400, "The member note must"},
		{"day without time", "POST", head + `,"issued_at":"2026-01-02"}}`, 400, "/data/issued_at"},
		{"encounter", "POST", head + `,"encounter_id":"7"}}`, 400, "/data/encounter_id"},
		{"foreign practitioner", "POST", head + `,"practitioner_id":"` + noID + `"}}`, 400, "/data/practitioner_id"},
		{"unknown document", "POST", head + `,"document_ids":["` + noID + `"]}}`, 400, "/data/document_ids/0"},
		{"value", "POST", head + `,"values":[` + value + `]}}`, 201, ""},
		{"value without code", "POST", head + `,"values":[` + value + `,{"system":"s","value":"1","value_type":"numeric"}]}}`, 400, "/data/values/1/code"},
		{"value as a number", "POST", head + `,"values":[{"code":"c","system":"s","value":1,"value_type":"numeric"}]}}`, 400, "The member value must"},
		{"number in words", "POST", head + `,"values":[{"code":"c","system":"s","value":"NaN","value_type":"numeric"}]}}`, 400, "/data/values/0/value"},
		{"boolean in words", "POST", head + `,"values":[{"code":"c","system":"s","value":"yes","value_type":"boolean"}]}}`, 400, "/data/values/0/value"},
		{"another value type", "POST", head + `,"values":[{"code":"c","system":"s","value":"1","value_type":"integer"}]}}`, 400, "/data/values/0/value_type"},
		{"change nothing", "PATCH", `{"data":{}}`, 200, ""},
		{"change the patient", "PATCH", `{"data":{"patient_id":"` + patient + `"}}`, 400, ""},
		{"change without data", "PATCH", `{}`, 400, "/data"},
		{"change to a bad value", "PATCH", `{"data":{"values":[{"code":"c","system":"s","value":"x","value_type":"numeric"}]}}`, 422, "/data/values/0/value"},
		{"change to a bad time", "PATCH", `{"data":{"issued_at":"yesterday"}}`, 422, "/data/issued_at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := observationsPath
			if c.method == "PATCH" {
				path += "/" + id
			}
			got := a.send(c.method, path, c.body)
			if got.status != c.status || (c.at != "" && !strings.Contains(fmt.Sprint(got.body["errors"]), ":"+c.at)) {
				t.Errorf("status %d %s; want %d at %s", got.status, got.raw, c.status, c.at)
			}
		})
	}
	huge := head + `,"note":"` + strings.Repeat("x", 2<<20) + `"}}`
	if got := a.send("POST", observationsPath, huge); got.status != 413 && got.status != 400 {
		t.Errorf("2 MB: status %d", got.status)
	}
}

// TestRefusedWritesLeaveNothing looks at the patient's chart, and at the newest
// of all, before and after.
func TestRefusedWritesLeaveNothing(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	patient := a.all("patients", "")[4]["id"].(string)
	poor := *a
	poor.signIn("alex@example.test", "observations:read patients:read")
	charts := func() string {
		newest := items(a.get("medical-record/observations?sort=-created_at&page[limit]=1"))
		return ids(append(newest, a.all("medical-record/observations", "patient_id[eq]="+patient)...))
	}
	before := charts()
	body := `{"data":{"patient_id":"` + patient + `","category":"exam"}}`
	if got := poor.send("POST", observationsPath, body); got.status != 403 {
		t.Errorf("without the scope: status %d", got.status)
	}
	if got := a.send("POST", observationsPath, body, without("Content-Type")); got.status != 415 {
		t.Errorf("without a type: status %d", got.status)
	}
	if got := a.send("POST", observationsPath, strings.Replace(body, "exam", "x", 1)); got.status != 400 {
		t.Errorf("bad category: status %d", got.status)
	}
	if after := charts(); after != before || len(before) < 2*len(noID) {
		t.Errorf("observations %s became %s", before, after)
	}
	if got := a.send("POST", observationsPath, body); got.status != 201 || charts() == before {
		t.Errorf("what is not refused leaves nothing either: status %d", got.status)
	}
}
