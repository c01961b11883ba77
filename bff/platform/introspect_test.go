package platform_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"locum/bff/platform"
	"locum/bff/secret"
)

// TestNoTokenInAURL: a server that answers a posted question with 404, as one does that is being deployed, is not asked again
// with the token in a URL, unless the operator says that it wants it so.
func TestNoTokenInAURL(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Query().Get("token"))
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(at.Close)
	for configured, want := range map[string]string{"": "POST ", "POST": "POST ", "GET": "GET refresh"} {
		asked = nil
		f := newFHIRServer(t)
		f.change(false, func(m map[string]any) { m["introspection_endpoint"] = at.URL + "/introspect" })
		p := smartAt(t, f.base(), func(c *platform.SMARTConfig) { c.IntrospectionMethod = configured })
		p.Clinics = append(p.Clinics, platform.ClinicLink{Name: "its server on loopback", URL: at.URL})
		r, live := discovering(t, p, newPins())
		if err := r.Discover(t.Context(), "ehr"); err != nil {
			t.Fatal(err)
		}
		if _, err := live.OAuth.Introspect(t.Context(), secret.New("refresh"), "refresh_token"); err == nil {
			t.Error("a 404 is an answer")
		}
		mu.Lock()
		if !slices.Equal(asked, []string{want}) {
			t.Errorf("configured %q, asked by %q", configured, asked)
		}
		mu.Unlock()
	}
}
