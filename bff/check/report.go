package check

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"locum/bff/config"
)

// Severity says what a finding means for the installation.
type Severity string

// Severities. With an Error something does not work, or is not safe; a Warning is to be decided by the operator; a Note
// is for information.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one thing that is wrong. Code is stable: tools branch on it. File, Line, Key and Platform say where, as far
// as each applies. Neither Cause nor Fix holds a secret.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Key      string   `json:"key,omitempty"`
	Platform string   `json:"platform,omitempty"`
	Cause    string   `json:"cause"`
	Fix      string   `json:"fix"`
}

// Unseen is something that could not be looked at. It is no finding: nothing is known to be wrong there.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Report is what was found. Config is nil where the file cannot be read as one.
type Report struct {
	File     string
	Config   *config.Config
	Findings []Finding
	Unseen   []Unseen
}

// Options say how far to look.
type Options struct {
	Live bool // also ask the platforms; nothing is changed there
}

// Run looks at the installation that the configuration file at path describes. It ends within the deadline of ctx, and
// without one within a few minutes.
func Run(ctx context.Context, path string, o Options) *Report {
	c := &checker{report: &Report{File: path}}
	c.look(ctx, o)
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(rank(a.Severity)-rank(b.Severity), cmp.Compare(a.Line, b.Line))
	})
	return c.report
}

func rank(s Severity) int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// Settings looks at the values of a configuration alone, without reading a file. What it says of a line is about path.
func Settings(path string, cfg *config.Config) []Finding {
	c := &checker{report: &Report{File: path, Config: cfg}, cfg: cfg}
	c.settings()
	return c.report.Findings
}

// Count is how many findings have the severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Summary is one line: 2 errors, 1 warning.
func (r *Report) Summary() string {
	var parts []string
	for _, s := range []Severity{Error, Warning, Note} {
		switch n := r.Count(s); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+string(s))
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	if parts == nil {
		return "nothing found"
	}
	return strings.Join(parts, ", ")
}

// Write writes the report for people: a paragraph per finding, then what could not be looked at, then the summary.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s\n  %s %s: %s\n  fix: %s\n\n", f.where(), f.Severity, f.Code, f.Cause, f.Fix)
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "not looked at: %s: %s\n", u.What, u.Why)
	}
	fmt.Fprintf(&b, "%s: %s\n", r.File, r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// where is locum.yaml:12: platforms[0].client_id, a file, or a platform.
func (f Finding) where() string {
	place := f.File
	if f.Line > 0 {
		place += fmt.Sprintf(":%d", f.Line)
	}
	for _, part := range []string{f.Key, f.Platform} {
		if part != "" && place != "" {
			place += ": "
		}
		place += part
	}
	return place
}

// WriteJSON writes the report as one JSON object: file, errors, warnings, notes, findings, unseen, extension and
// registrations, the last two as the registration sheet has them.
func (r *Report) WriteJSON(w io.Writer) error {
	body := struct {
		File          string                `json:"file"`
		Errors        int                   `json:"errors"`
		Warnings      int                   `json:"warnings"`
		Notes         int                   `json:"notes"`
		Findings      []Finding             `json:"findings"`
		Unseen        []Unseen              `json:"unseen"`
		Extension     *config.Extension     `json:"extension,omitempty"`
		Registrations []config.Registration `json:"registrations,omitempty"`
	}{
		File: r.File, Errors: r.Count(Error), Warnings: r.Count(Warning), Notes: r.Count(Note),
		Findings: append([]Finding{}, r.Findings...), Unseen: append([]Unseen{}, r.Unseen...),
	}
	if r.Config != nil {
		body.Extension, body.Registrations = &r.Config.Extension, r.Config.Registrations()
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(body)
}
