package tokens_test

import (
	"locum/bff/sandbox"
)

// revocations counts the refresh tokens that were given back.
func (b *bench) revocations() (n int) {
	for _, r := range b.sandbox.Requests(sandbox.EndpointRevoke) {
		if r.Form().Get("token_type_hint") == "refresh_token" {
			n++
		}
	}
	return n
}
