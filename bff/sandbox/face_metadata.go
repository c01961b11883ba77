package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
)

// capabilities are those of both faces (SMART App Launch 2.2, Capabilities).
var capabilities = []string{
	"launch-ehr", "launch-standalone", "client-public", "client-confidential-symmetric", "client-confidential-asymmetric",
	"sso-openid-connect", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
	"context-standalone-encounter", "context-banner", "context-style", "authorize-post", "permission-offline",
	"permission-patient", "permission-user", "permission-v1", "permission-v2",
}

// athenaLacks are those that athenahealth's metadata does not list.
var athenaLacks = []string{"context-standalone-encounter"}

// describe is the metadata document. athenahealth's has its order of things: no refresh_token among the grants though
// refreshing works, and methods that nobody should use.
func (f *Face) describe(sw switches) map[string]any {
	at := f.Endpoints()
	can := slices.DeleteFunc(slices.Clone(capabilities), func(name string) bool {
		return slices.Contains(sw.without, name) || f.athena && slices.Contains(athenaLacks, name)
	})
	document := map[string]any{
		"issuer": f.issuer, "authorization_endpoint": at.Authorize, "token_endpoint": at.Token, "jwks_uri": at.Keys,
		"introspection_endpoint": at.Introspect, "revocation_endpoint": at.Revoke,
		"code_challenge_methods_supported": []string{"S256"}, "response_types_supported": []string{"code"},
		"grant_types_supported":                 []string{grantCode, grantService},
		"token_endpoint_auth_methods_supported": []string{authBasic, authPost, authKey, authNone},
		"capabilities":                          can,
	}
	if f.athena {
		methods := []string{authBasic, authPost, "client_secret_jwt", authKey, authNone}
		document["token_endpoint_auth_methods_supported"], document["token_endpoint_auth_methods"] = methods, methods
		document["response_types_supported"] = []string{"code", "token", "id_token", "code id_token", "code token", "id_token token", "code id_token token"}
	} else {
		document["token_endpoint_auth_signing_alg_values_supported"] = []string{"RS384", "ES384"}
		document["scopes_supported"] = []string{"openid", "fhirUser", "launch", "launch/patient", "launch/encounter",
			"patient/*.rs", "user/*.cruds", "offline_access"}
	}
	if sw.metadata != nil {
		sw.metadata(document)
	}
	return document
}

// writeMetadata answers with the document, or with 304 to who has it (RFC 9110 §13.1.2).
func writeMetadata(w http.ResponseWriter, r *http.Request, document map[string]any, tagged bool) {
	body, err := json.Marshal(document)
	if err != nil {
		http.Error(w, "the metadata could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if tagged {
		sum := sha256.Sum256(body)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = w.Write(body)
}

// style is the document behind smart_style_url (SMART App Launch 2.2, Styling).
func (f *Face) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "max-age=3600")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"color_background": "#f4f6fa", "color_error": "#9b1c1c", "color_highlight": "#2a5db0", "color_modal_backdrop": "",
		"color_success": "#1d7a46", "color_text": "#1b2430", "dim_border_radius": "6px", "dim_font_size": "15px",
		"dim_spacing_size": "12px", "font_family_body": "system-ui, sans-serif", "font_family_heading": "system-ui, sans-serif",
	})
}
