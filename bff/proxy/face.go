package proxy

import (
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

// face is what a clinic shows of itself where it speaks FHIR, and athenaOne beside it: at every platform but Jane.
type face struct {
	base     base
	practice string // athenahealth: the clinic's number
	// Every FHIR search gets this parameter; "" where there is none.
	name, value string
}

// faceOf is nil for Jane.
func faceOf(live *platform.Live, address string) (*face, bool) {
	if live.Kind == platform.KindJane {
		return nil, true
	}
	b, ok := baseOf(live.FHIRBase)
	f := &face{base: b, practice: live.Practice(address)}
	f.name, f.value = live.SearchParam(address)
	return f, ok
}

// shaped is what a call to such a clinic sends in the place of what the caller wrote.
type shaped struct {
	target   string // of the request
	body     []byte
	patient  string // whom the connection was launched for; "" where it was not
	named    string // the patient that the request names, as it names them; "" where none or several
	confined bool   // the request is about the launched patient
}

// shape reads what the caller wrote and writes what is sent: the clinic's own practice, pages that were signed here, bodies
// that the operation takes, and nobody but the patient for whom the connection was launched.
func (c *call) shape(patient string) error {
	f := c.upstream.face
	c.patient = patient
	if c.operation.Practice != "" && c.operation.Practice != f.practice {
		return &Error{Code: codeClinic}
	}
	params, page, err := c.parameters()
	if err != nil {
		return err
	}
	fields, err := c.foreignBody()
	if err != nil {
		return err
	}
	params = append(params, fields...)
	if err := c.ownPractice(params); err != nil {
		return err
	}
	return c.confine(params, page)
}

// param is one parameter of a query or field of a form, decoded.
type param struct{ name, value string }

// parameters reads the query and writes the request target.
func (c *call) parameters() ([]param, *page, error) {
	f, raw := c.upstream.face, c.request.Query
	p, found, ok := c.proxy.links.opened(c.request.Connection, c.operation.Path, raw)
	search := c.operation.FHIR && c.operation.Interaction == "s"
	switch {
	case found && !(ok && search && c.operation.Method == fasthttp.MethodGet):
		return nil, nil, &Error{Code: codeBadRequest, Params: map[string]string{"reason": "link"}}
	case found:
		params := decoded(p.query)
		if search && f.name != "" && !slices.ContainsFunc(params, func(p param) bool { return p.name == f.name }) {
			p.query = joined(p.query, escaped(f.name)+"="+escaped(f.value))
		}
		c.target = p.target(f.base, c.operation.Resource)
		return params, &p, nil
	case c.operation.Form && raw != "":
		return nil, nil, &platform.QueryError{Reason: "this operation takes a form"}
	}
	rest, err := f.withoutOwn(raw)
	if err != nil {
		return nil, nil, err
	}
	query, err := c.operation.Query(rest)
	if err != nil {
		return nil, nil, err
	}
	params := decoded(query)
	if search && f.name != "" {
		query = joined(query, escaped(f.name)+"="+escaped(f.value))
	}
	if c.target = c.operation.Path; query != "" {
		c.target += "?" + query
	}
	return params, nil, nil
}

// withoutOwn takes the clinic's own search parameter out of a caller's query, if it says what Locum says.
func (f *face) withoutOwn(raw string) (string, error) {
	if f.name == "" || !strings.Contains(raw, "=") {
		return raw, nil
	}
	var rest []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != f.name {
			rest = append(rest, pair)
		} else if value, err := url.QueryUnescape(value); err != nil || value != f.value {
			return "", &Error{Code: codeClinic}
		}
	}
	return strings.Join(rest, "&"), nil
}

// decoded reads a query that was canonical. What cannot be read there stands for itself.
func decoded(query string) []param {
	if query == "" {
		return nil
	}
	var params []param
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		params = append(params, param{unescaped(name), unescaped(value)})
	}
	return params
}

func unescaped(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}

func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func joined(query, pair string) string {
	if query == "" {
		return pair
	}
	return query + "&" + pair
}

// ownPractice refuses records of another practice than the connection's, in the path and in every parameter: at
// athenahealth ids say whose they are.
func (c *call) ownPractice(params []param) error {
	f, live, address := c.upstream.face, c.upstream.live, c.lease.Clinic
	if f.practice == "" {
		return nil
	}
	for segment := range strings.SplitSeq(c.operation.Path, "/") {
		if !live.Belongs(address, segment) {
			return &Error{Code: codeClinic}
		}
	}
	for _, p := range params {
		if p.name == f.name && p.value != f.value {
			return &Error{Code: codeClinic}
		}
		for value := range strings.SplitSeq(p.value, ",") {
			if !live.Belongs(address, value) {
				return &Error{Code: codeClinic}
			}
		}
	}
	return nil
}

// foreignBody reads the body and writes the one that is sent; of a form it gives the fields.
func (c *call) foreignBody() ([]param, error) {
	o, r := c.operation, c.request
	switch o.Method {
	case fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodPatch:
	default:
		if len(r.Body) > 0 {
			return nil, badBody("body")
		}
		return nil, nil
	}
	if r.IfMatch != "" && (!c.versioned() || !isFieldValue(r.IfMatch)) {
		return nil, badBody("if_match") // without it the platform would overwrite what the caller wanted to keep
	}
	switch {
	case o.Multipart:
		return nil, &Error{Code: codeUnsupported}
	case o.Form:
		return c.form()
	case len(r.Body) > 0 && !isJSON(r.ContentType):
		return nil, &Error{Code: codeUnsupported}
	case !o.FHIR:
		c.body = r.Body
		return nil, nil
	case len(r.Body) == 0:
		return nil, badBody("body")
	}
	return nil, c.outgoing()
}

func badBody(reason string) error {
	return &Error{Code: codeBadRequest, Params: map[string]string{"reason": reason}}
}

// versioned says whether the operation can be made to depend on the version it changes (FHIR R4 §3.1.0.5, Managing Resource
// Contention).
func (c *call) versioned() bool {
	return c.operation.FHIR && (c.operation.Interaction == "u" || c.operation.Interaction == "d")
}
