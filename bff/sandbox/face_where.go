package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

// apiHandler is everything behind the API host.
func (f *Face) apiHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+f.base+"/.well-known/smart-configuration", f.metadata)
	mux.HandleFunc("GET "+f.auth+"authorize", f.authorize)
	mux.HandleFunc("POST "+f.auth+"authorize", f.authorize)
	mux.HandleFunc("GET "+f.auth+"login", f.showStep)
	mux.HandleFunc("POST "+f.auth+"login", f.takeStep)
	mux.HandleFunc("POST "+f.auth+"token", f.token)
	mux.HandleFunc("GET "+f.auth+"introspect", f.introspect)
	mux.HandleFunc("POST "+f.auth+"introspect", f.introspect)
	mux.HandleFunc("POST "+f.auth+"revoke", f.revoke)
	mux.HandleFunc("GET "+f.auth+"keys", f.keys)
	mux.HandleFunc("GET "+f.auth+"logout", f.logout)
	mux.HandleFunc("GET /style.json", f.style)
	mux.HandleFunc("GET /sandbox.css", f.s.stylesheet)
	mux.HandleFunc(f.base+"/", f.fhir)
	if f.athena {
		mux.HandleFunc("/v1/{practice}/", f.athenaOne)
		mux.HandleFunc("/", unrouted)
	}
	return mux
}

// unrouted is what athenahealth's gateway says of a path that it does not know: text, and no JSON.
func unrouted(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Service not registered with API gateway.", http.StatusNotFound)
}

// where reads the endpoint off a request to the API host.
func (f *Face) where(r *http.Request, body []byte) Endpoint {
	path := r.URL.Path
	if path == f.base+"/.well-known/smart-configuration" {
		return f.At("metadata")
	}
	if leaf, found := strings.CutPrefix(path, f.base+"/"); found {
		kind, _, _ := strings.Cut(leaf, "/")
		return f.At("fhir/" + kind)
	}
	if leaf, found := strings.CutPrefix(path, f.auth); found {
		return f.whereAuth(leaf, body)
	}
	if parts := strings.Split(path, "/"); len(parts) > 3 && parts[1] == "v1" {
		return f.At("v1/" + parts[3])
	}
	return f.At("")
}

func (f *Face) whereAuth(leaf string, body []byte) Endpoint {
	switch leaf {
	case "token":
		form, _ := url.ParseQuery(string(body))
		switch kind := form.Get("grant_type"); kind {
		case grantCode, grantRefresh, grantService:
			return f.At("token/" + kind)
		}
		return f.At("token")
	case "authorize", "login", "introspect", "revoke", "keys", "logout":
		return f.At(leaf)
	}
	return f.At("")
}

func (f *Face) whereEHR(*http.Request, []byte) Endpoint { return f.At("ehr") }

// metadata is {FHIR base}/.well-known/smart-configuration (SMART App Launch 2.2, Conformance), shaped as athenahealth's.
func (f *Face) metadata(w http.ResponseWriter, r *http.Request) {
	f.s.mu.Lock()
	sw := f.switches
	f.s.mu.Unlock()
	writeMetadata(w, r, f.describe(sw), sw.etag)
}
