package proxy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// What a platform's refusal means, in words of Locum's own: the closed list of a call_refused's reasons. The platform's text
// is written for its developers and may hold anything; it reaches neither the caller nor the log (T086).
const (
	reasonInvalid       = "invalid"          // the request says something that the platform does not take
	reasonNotFound      = "not_found"        // no such record
	reasonDeleted       = "deleted"          // no such record any more
	reasonForbidden     = "forbidden"        // this person may not
	reasonConflict      = "conflict"         // it contradicts what is there
	reasonChanged       = "changed"          // the record is not the one that was read (If-Match)
	reasonPractice      = "practice_missing" // athenahealth does not know which practice is meant
	reasonGlobalSearch  = "global_search"    // a search has to name a patient
	reasonNotRegistered = "not_registered"   // Locum is not registered for this part of the API
	reasonUnsupported   = "unsupported"      // the platform does not do this
	reasonTooCostly     = "too_costly"       // the request asks for too much
	reasonRejected      = "rejected"         // anything else
)

// reasonStatus is the HTTP status that goes with a reason. None of them has a browser or the app do anything by itself.
var reasonStatus = map[string]int{
	reasonInvalid: fasthttp.StatusUnprocessableEntity, reasonNotFound: fasthttp.StatusNotFound, reasonDeleted: fasthttp.StatusGone,
	reasonForbidden: fasthttp.StatusForbidden, reasonConflict: fasthttp.StatusConflict, reasonChanged: fasthttp.StatusPreconditionFailed,
	reasonPractice: fasthttp.StatusBadRequest, reasonGlobalSearch: fasthttp.StatusBadRequest, reasonNotRegistered: fasthttp.StatusForbidden,
	reasonUnsupported: fasthttp.StatusBadRequest, reasonTooCostly: fasthttp.StatusBadRequest, reasonRejected: fasthttp.StatusBadRequest,
}

// statusReasons are what a status says by itself (RFC 9110 §15.5, FHIR R4 §3.1.0.1.8).
var statusReasons = map[int]string{
	fasthttp.StatusNotFound: reasonNotFound, fasthttp.StatusGone: reasonDeleted, fasthttp.StatusConflict: reasonConflict,
	fasthttp.StatusPreconditionFailed: reasonChanged, fasthttp.StatusLocked: reasonConflict,
	fasthttp.StatusMethodNotAllowed: reasonUnsupported, fasthttp.StatusNotAcceptable: reasonUnsupported,
	fasthttp.StatusUnsupportedMediaType: reasonUnsupported, fasthttp.StatusRequestEntityTooLarge: reasonTooCostly,
}

// issueReasons are what the codes of an OperationOutcome's issue say (FHIR R4, IssueType).
var issueReasons = map[string]string{
	"invalid": reasonInvalid, "structure": reasonInvalid, "required": reasonInvalid, "value": reasonInvalid, "invariant": reasonInvalid,
	"code-invalid": reasonInvalid, "extension": reasonInvalid, "business-rule": reasonInvalid, "processing": reasonInvalid,
	"security": reasonForbidden, "forbidden": reasonForbidden, "suppressed": reasonForbidden,
	"not-found": reasonNotFound, "deleted": reasonDeleted, "not-supported": reasonUnsupported,
	"duplicate": reasonConflict, "conflict": reasonConflict, "multiple-matches": reasonConflict, "lock-error": reasonConflict,
	"too-costly": reasonTooCostly, "too-long": reasonTooCostly,
}

// Words that athenahealth's refusals have been seen to hold where no code tells them apart. They only make a reason more
// exact; where they change, the reason is the status's.
const (
	wordsPractice   = "determine what practice"
	wordsUnrouted   = "Service not registered with API gateway"
	wordsDeveloper  = "Developer Inactive"
	maxRefusalWords = 4 << 10
)

// explained is a 4xx of a platform that speaks FHIR, as a refusal in Locum's words.
func (c *call) explained(status int) error {
	reason := c.reason(status)
	c.proxy.log.Info("platform refused a call", "request_id", c.request.RequestID, "platform", c.lease.Platform,
		"clinic", c.lease.Clinic, "operation", c.operation.ID, "status", status, "reason", reason)
	return &Error{Code: codeRefused, Status: reasonStatus[reason], Params: map[string]string{"reason": reason},
		Err: fmt.Errorf("status %d", status)}
}

func (c *call) reason(status int) string {
	body := c.out.Body()
	if len(body) > maxRefusal || len(c.out.Header.ContentEncoding()) > 0 {
		body = nil
	}
	if !isJSON(string(c.out.Header.ContentType())) {
		text := string(body[:min(len(body), maxRefusalWords)])
		if strings.Contains(text, wordsUnrouted) || strings.Contains(text, wordsDeveloper) {
			return reasonNotRegistered
		}
		body = nil
	}
	said := readRefusal(body)
	byIssue := issueReasons[said.code]
	switch {
	case c.upstream.face.practice != "" && strings.Contains(said.words, wordsPractice):
		return reasonPractice
	case status == fasthttp.StatusBadRequest && byIssue == reasonForbidden && c.operation.Interaction == "s":
		return reasonGlobalSearch // athenahealth: a search by nothing that names a patient
	case statusReasons[status] != "":
		return statusReasons[status]
	case byIssue != "":
		return byIssue
	case status == fasthttp.StatusForbidden:
		return reasonForbidden
	case status == fasthttp.StatusBadRequest, status == fasthttp.StatusUnprocessableEntity:
		return reasonInvalid
	}
	return reasonRejected
}

// said is what is read of a refusal's body, to be compared and then forgotten.
type said struct{ code, words string }

// issue is one of an OperationOutcome's.
type issue struct {
	Severity, Code, Diagnostics string
	Details                     struct{ Text string }
}

func (i issue) isError() bool { return i.Severity == "error" || i.Severity == "fatal" }

// readRefusal reads an OperationOutcome, of which the first issue that is an error counts, or athenaOne's error.
func readRefusal(body []byte) said {
	var r struct {
		Issue                  []issue
		Error, DetailedMessage string
	}
	if len(body) == 0 || json.Unmarshal(body, &r) != nil {
		return said{}
	}
	s := said{words: r.Error + " " + r.DetailedMessage}
	if at := slices.IndexFunc(r.Issue, issue.isError); at >= 0 {
		i := r.Issue[at]
		s.code, s.words = i.Code, s.words+" "+i.Diagnostics+" "+i.Details.Text
	}
	return s
}
