package platform_test

import (
	"testing"

	"locum/bff/platform"
)

func TestT053CoversByMeaning(t *testing.T) {
	cases := []struct {
		name    string
		granted []string
		wanted  string
		want    bool
	}{
		{"the same", []string{"user/Patient.rs"}, "user/Patient.rs", true},
		{"v1 read is rs", []string{"user/Patient.read"}, "user/Patient.rs", true},
		{"rs is v1 read", []string{"user/Patient.rs"}, "user/Patient.read", true},
		{"v1 write is cud", []string{"patient/Observation.write"}, "patient/Observation.cud", true},
		{"v1 write is no read", []string{"patient/Observation.write"}, "patient/Observation.r", false},
		{"v1 star is all", []string{"patient/Observation.*"}, "patient/Observation.cruds", true},
		{"all is v1 star", []string{"patient/Observation.cruds"}, "patient/Observation.*", true},
		{"less is not more", []string{"patient/Observation.r"}, "patient/Observation.rs", false},
		{"split", []string{"patient/Observation.r", "patient/Observation.s"}, "patient/Observation.rs", true},
		{"merged", []string{"patient/Observation.cruds"}, "patient/Observation.u", true},
		{"wildcard type", []string{"user/*.read"}, "user/Condition.s", true},
		{"a type is no wildcard", []string{"user/Condition.rs"}, "user/*.rs", false},
		{"wildcard for wildcard", []string{"user/*.cruds"}, "user/*.read", true},
		{"another type", []string{"user/Condition.rs"}, "user/Patient.r", false},
		{"user is not patient", []string{"user/Patient.rs"}, "patient/Patient.r", false},
		{"system is not user", []string{"system/*.cruds"}, "user/Patient.r", false},
		{"URI", []string{"http://smarthealthit.org/fhir/scopes/patient/*.read"}, "patient/Patient.r", true},
		{"unfiltered covers filtered", []string{"patient/Observation.rs"}, "patient/Observation.rs?category=laboratory", true},
		{"filtered does not cover unfiltered", []string{"patient/Observation.rs?category=laboratory"}, "patient/Observation.rs", false},
		{"another filter", []string{"patient/Observation.rs?category=laboratory"}, "patient/Observation.rs?category=vital-signs", false},
		{"filters in any order", []string{"patient/Observation.rs?b=2&a=1"}, "patient/Observation.rs?a=1&b=2", true},
		{"fewer filters cover more", []string{"patient/Observation.rs?a=1"}, "patient/Observation.rs?a=1&b=2", true},
		{"letters out of order are no scope", []string{"patient/Observation.sr"}, "patient/Observation.r", false},
		{"wanted out of order", []string{"patient/Observation.rs"}, "patient/Observation.sr", false},
		{"repeated letters", []string{"patient/Observation.rr"}, "patient/Observation.r", false},
		{"no letters", []string{"patient/Observation."}, "patient/Observation.r", false},
		{"v1 with a filter is no scope", []string{"patient/Observation.read?a=1"}, "patient/Observation.r?a=1", false},
		{"launch", []string{"launch/patient"}, "launch/patient", true},
		{"launch is exact", []string{"launch"}, "launch/patient", false},
		{"offline", []string{"openid", "offline_access"}, "offline_access", true},
		{"case", []string{"user/patient.rs"}, "user/Patient.rs", false},
		{"a code as filter", []string{"patient/Observation.rs"}, "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory", true},
		{"nothing granted", nil, "user/Patient.r", false},
	}
	for _, c := range cases {
		t.Run("T053 "+c.name, func(t *testing.T) {
			if got := platform.Covers(c.granted, c.wanted); got != c.want {
				t.Errorf("%v covers %s: %v", c.granted, c.wanted, got)
			}
		})
	}
}

func TestGranted(t *testing.T) {
	read := platform.Operation{Resource: "Observation", Interaction: "r", Scope: "user/Observation.rs"}
	create := platform.Operation{Resource: "Observation", Interaction: "c"}
	mdp := platform.Operation{Resource: "Patient", Interaction: "u", ServiceScope: "athena/service/Athenanet.MDP."}
	jane := platform.Operation{Scope: "patients:read"}
	for _, c := range []struct {
		name      string
		operation platform.Operation
		scopes    []string
		want      bool
	}{
		{"any level", read, []string{"patient/Observation.rs"}, true},
		{"system level", read, []string{"system/Observation.r"}, true},
		{"filtered", read, []string{"patient/Observation.r?category=laboratory"}, true},
		{"search alone", read, []string{"patient/Observation.s"}, false},
		{"another type", read, []string{"patient/Condition.rs"}, false},
		{"wildcard", read, []string{"user/*.read"}, true},
		{"read is no create", create, []string{"user/*.read"}, false},
		{"write is a create", create, []string{"user/Observation.write"}, true},
		{"service", mdp, []string{"athena/service/Athenanet.MDP.*"}, true},
		{"another service", mdp, []string{"athena/service/Athenanet.Other.*"}, false},
		{"service scopes open nothing else", read, []string{"athena/service/Athenanet.MDP.*"}, false},
		{"jane", jane, []string{"patients:read"}, true},
		{"jane without", jane, []string{"patients:update"}, false},
		{"none needed", platform.Operation{}, nil, true},
	} {
		if got := c.operation.Granted(c.scopes); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzCovers(f *testing.F) {
	for _, seed := range []string{"patient/Observation.rs?a=b", "user/*.*", "http://smarthealthit.org/fhir/scopes/user/*.read", "launch", "system/Patient.cud", "//.?&="} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, granted, wanted string) {
		covered := platform.Covers([]string{granted}, wanted)
		if wanted == granted && platform.PlainScope(wanted) == wanted && !covered {
			t.Errorf("%q does not cover itself", wanted)
		}
		if covered && platform.Covers(nil, wanted) {
			t.Errorf("%q is covered by nothing", wanted)
		}
	})
}
