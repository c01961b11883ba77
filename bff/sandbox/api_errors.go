package sandbox

import "net/http"

// shape is how an endpoint words an error. The platform has no one form: the
// reference gives four, and for some answers none.
type shape int

const (
	shapeErrors   shape = iota // {errors:[{id?, path?, message}]}
	shapePlain                 // {error}
	shapeMessages              // {error, messages:[]}
	shapeObject                // {object:"error", code, message}
	shapeOpen                  // an object without defined properties: {} for 404, else like shapeErrors
	shapeNone                  // no body
)

// shapes of one endpoint's client errors. bad covers 400, 415 and 422.
type shapes struct{ bad, unauthorized, forbidden, missing shape }

// The shapes by resource, from the reference. Where it documents none for a
// status, the resource's shape of 400 stands in (403), or no body (401).
var (
	errorsShapes   = shapes{shapeErrors, shapeNone, shapeErrors, shapeErrors}   // appointments, staff members, treatments
	patientShapes  = shapes{shapePlain, shapePlain, shapePlain, shapePlain}     // patients, and extensions but for their 400
	recordShapes   = shapes{shapeOpen, shapeNone, shapeNone, shapeOpen}         // disciplines, the medical record, documents
	placesShapes   = shapes{shapePlain, shapeObject, shapeObject, shapeObject}  // the list of locations
	placeShapes    = shapes{shapeObject, shapeObject, shapeObject, shapeObject} // one location
	companyShapes  = shapes{shapeMessages, shapePlain, shapePlain, shapePlain}  // the company
	webhookShapes  = shapes{shapeErrors, shapeErrors, shapeErrors, shapeErrors} // webhooks
	manifestShapes = shapes{shapeOpen, shapePlain, shapePlain, shapePlain}      // extensions and their catalogue
)

func (s shapes) of(status int) shape {
	switch status {
	case http.StatusUnauthorized:
		return s.unauthorized
	case http.StatusForbidden:
		return s.forbidden
	case http.StatusNotFound:
		return s.missing
	default:
		return s.bad
	}
}

// issue is one thing that is wrong with a request; Path is a JSON pointer
// (RFC 6901) into its body, or the name of a query parameter.
type issue struct {
	ID      string `json:"id,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

type listError struct {
	Errors []issue `json:"errors"`
}

type plainError struct {
	Error string `json:"error"`
}

type messagesError struct {
	Error    string   `json:"error"`
	Messages []string `json:"messages"`
}

type objectError struct {
	Object  string `json:"object"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// refuse answers with the endpoint's own shape of an error.
func (x *call) refuse(status int, issues ...issue) {
	first := issues[0]
	switch x.route.shapes.of(status) {
	case shapeNone:
		x.w.Header().Set("Content-Length", "0")
		x.w.WriteHeader(status)
	case shapePlain:
		x.write(status, plainError{first.text()})
	case shapeObject:
		x.write(status, objectError{"error", first.ID, first.text()})
	case shapeMessages:
		all := messagesError{Error: http.StatusText(status)}
		for _, i := range issues {
			all.Messages = append(all.Messages, i.text())
		}
		x.write(status, all)
	default:
		if x.route.shapes.of(status) == shapeOpen && status == http.StatusNotFound {
			x.write(status, struct{}{})
			return
		}
		x.write(status, listError{issues})
	}
}

// text names the parameter for shapes that have no place for it.
func (i issue) text() string {
	if i.Path == "" {
		return i.Message
	}
	return i.Path + " " + i.Message
}

// bad answers 400 with one or more issues.
func (x *call) bad(issues ...issue) { x.refuse(http.StatusBadRequest, issues...) }

// missing answers 404.
func (x *call) missing() {
	x.refuse(http.StatusNotFound, issue{ID: "NOT_FOUND", Message: "Not found"})
}
