package platform_test

import (
	"fmt"

	"locum/bff/platform"
)

// A request for the platform's own path is matched with the one operation that allows it.
func ExamplePlatform_Match() {
	jane, err := platform.Jane(platform.JaneConfig{
		ID: "jane", Issuer: "https://login.id.janeapp.com/realms/jane", ClientID: "locum", PublicURL: "https://locum.example.org",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	path, err := platform.ParsePath("/proxy/v1/c1/api/2026-01-01/patients/63f92dc2")
	if err != nil {
		fmt.Println(err)
		return
	}
	call, err := jane.Match("GET", path.After(3))
	fmt.Println(call.ID, call.Scope, call.Record, err)
	_, err = jane.Match("DELETE", path.After(3))
	fmt.Println(err)
	clinic, err := jane.Clinic("north")
	fmt.Println(clinic.Origin, err)
	// Output:
	// getPatient patients:read 63f92dc2 <nil>
	// method not allowed; allowed: GET
	// https://north.janeapp.com <nil>
}
