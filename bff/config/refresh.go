package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"locum/bff/platform"
)

// Bounds of what may stand under refresh; the platform's constructor judges what fits together.
const (
	maxReuse      = 100
	maxPerMinute  = 10_000
	leastSession  = 10 * time.Minute
	longestLogin  = 366 * 24 * time.Hour
	longestLeeway = 5 * time.Minute
)

// rotations are the words for what a refresh does to the refresh token that was presented.
var rotations = []struct{ word, kind string }{
	{"learn", platform.KindUnknown}, {"none", platform.KindNone}, {"strict", platform.KindStrict},
	{"reuse", platform.KindReuse}, {"static", platform.KindStatic}, {"leeway", platform.KindRotating},
}

var (
	keepAlives = []string{platform.KeepAlways, platform.KeepHours, platform.KeepSignedIn}
	endings    = []string{platform.EndingRevoke, platform.EndingEndSession, platform.EndingForget}
	weekdays   = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // by time.Weekday
)

// refresh reads a policy. windowed allows window too: what an answer of Jane's says by itself.
func (r *reader) refresh(path string, node ast.Node, windowed bool) platform.RefreshPolicy {
	var p platform.RefreshPolicy
	keys := []key{
		{"rotation", func(path string, n ast.Node) { p.Kind = r.rotation(path, n) }},
		{"reuse", func(path string, n ast.Node) { p.Reuse = r.whole(CodeRefresh, path, n, 1, maxReuse) }},
		{"leeway", func(path string, n ast.Node) {
			p.Leeway = r.duration(CodeRefresh, path, n, time.Second, longestLeeway)
		}},
		{"per_minute", func(path string, n ast.Node) { p.PerMinute = r.whole(CodeRefresh, path, n, 1, maxPerMinute) }},
		{"keep_alive", func(path string, n ast.Node) { p.KeepAlive = r.oneOf(CodeRefresh, path, n, keepAlives) }},
		{"hours", func(path string, n ast.Node) { p.Hours = r.hours(path, n) }},
		{"session_max", func(path string, n ast.Node) {
			p.SessionMax = r.duration(CodeRefresh, path, n, leastSession, longestLogin)
		}},
	}
	if windowed {
		keys = append(keys, key{"window", func(path string, n ast.Node) {
			p.Window = r.duration(CodeRefresh, path, n, leastSession, longestLogin)
		}})
	}
	r.mapping(path, node, nil, keys...)
	return p
}

func (r *reader) rotation(path string, node ast.Node) string {
	words := make([]string, len(rotations))
	for i, known := range rotations {
		words[i] = known.word
	}
	word := r.oneOf(CodeRefresh, path, node, words)
	if i := slices.Index(words, word); i >= 0 {
		return rotations[i].kind
	}
	return platform.KindUnknown
}

func (r *reader) hours(path string, node ast.Node) *platform.Hours {
	hours := &platform.Hours{From: -1} // none, until it is read
	r.mapping(path, node, nil,
		key{"zone", func(path string, n ast.Node) { hours.Zone = r.zone(path, n) }},
		key{"days", func(path string, n ast.Node) {
			r.list(path, n, func(path string, n ast.Node) {
				if day := r.oneOf(CodeRefresh, path, n, weekdays); day != "" {
					hours.Days[slices.Index(weekdays, day)] = true
				}
			})
		}},
		key{"from", func(path string, n ast.Node) { hours.From = r.clock(path, n) }},
		key{"to", func(path string, n ast.Node) { hours.To = r.clock(path, n) }},
	)
	return hours
}

// zone reads the name of a time zone. "Local" is none: a machine that is moved would keep other hours.
func (r *reader) zone(path string, node ast.Node) *time.Location {
	name := r.text(path, node)
	if name == "" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		r.find(CodeRefresh, path, "no time zone that this machine knows", "write its name, such as America/Vancouver")
		return time.UTC // found once
	}
	return zone
}

// clock reads a time of day, 00:00 to 24:00.
func (r *reader) clock(path string, node ast.Node) time.Duration {
	text := r.text(path, node)
	if text == "" {
		return 0
	}
	if text == "24:00" {
		return 24 * time.Hour
	}
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		r.find(CodeRefresh, path, "no time of day", "write hours and minutes, such as 08:00")
		return 0
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

func (r *reader) ending(path string, node ast.Node) string {
	return r.oneOf(CodeEnding, path, node, endings)
}

// oneOf reads one of a few words; "" after a finding.
func (r *reader) oneOf(code, path string, node ast.Node, words []string) string {
	text := r.text(path, node)
	if text != "" && !slices.Contains(words, text) {
		r.find(code, path, fmt.Sprintf("%q is not known here", start(text)), "write one of: "+strings.Join(words, ", "))
		return ""
	}
	return text
}
