package bff

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/shared"
)

// pathReports is where browsers report violations of the Content-Security-Policy (Reporting API; CSP3 §5). A violation
// means an injection or a fault of ours: either way the operator should know.
const pathReports = "/csp-reports"

// Bounds: whoever can load a page can send reports.
const (
	reportsEach  = 10 // logged of one request
	reportsEvery = time.Minute
	reportsMax   = 20 // logged in reportsEvery
)

// takeReports is POST /csp-reports. Of a report only the directive and the kind of what was blocked are logged: its
// addresses hold the ids of patients.
func (s *Server) takeReports(c *fiber.Ctx) error {
	if !s.fromOurOrigin(c) || mediaType(c.Get(fiber.HeaderContentType)) != "application/reports+json" {
		return errForbidden
	}
	var reports []struct {
		Type string `json:"type"`
		Body struct {
			Directive string `json:"effectiveDirective"`
			Blocked   string `json:"blockedURL"`
		} `json:"body"`
	}
	if err := json.Unmarshal(c.Request().Body(), &reports); err != nil {
		return &failure{code: shared.CodeBadRequest, err: err}
	}
	for i, report := range reports {
		if i < reportsEach && report.Type == "csp-violation" && s.reports.take(time.Now()) {
			s.log.Warn("a page broke its content security policy", "directive", directive(report.Body.Directive),
				"blocked", s.blockedKind(report.Body.Blocked))
		}
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// directive is the name of a directive, and nothing else that somebody may have put in its place.
func directive(name string) string {
	if name == "" || len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return "unreadable"
	}
	return name
}

// blockedKind tells an address of ours from a foreign one and from CSP3's keywords.
func (s *Server) blockedKind(blocked string) string {
	switch blocked {
	case "inline", "eval", "wasm-eval", "data", "blob", "trusted-types-policy", "trusted-types-sink":
		return blocked
	}
	if strings.HasPrefix(blocked, s.origin+"/") {
		return "same origin"
	}
	return "another origin"
}

// reportBudget counts what was logged since.
type reportBudget struct {
	mu    sync.Mutex
	since time.Time
	taken int
}

// take says whether one more may be logged now.
func (r *reportBudget) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= reportsEvery {
		r.since, r.taken = now, 0
	}
	r.taken++
	return r.taken <= reportsMax
}
