package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader walks a YAML document and collects findings. It reads the plain part of YAML: mappings, lists and scalars, no
// anchors, aliases, tags or merge keys, so that what the file says is what it shows.
type reader struct {
	findings []Finding
	lines    map[string]int // of each key read, by its path
	last     int            // line of the file

	platformID string // of the entry that is being read
}

// key is a key of a mapping and what reads its value.
type key struct {
	name string
	read func(path string, node ast.Node)
}

// parse is the document's one mapping, or nil with a finding.
func (r *reader) parse(data []byte) ast.Node {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil:
		// The library's own text shows the lines around, which may hold what nobody should see.
		r.add(CodeSyntax, syntax.Token.Position.Line, "", "not YAML here", "check the indentation, quotes and colons")
		return nil
	case err != nil:
		r.add(CodeSyntax, 1, "", "not YAML", "check the indentation, quotes and colons")
		return nil
	}
	var bodies []ast.Node
	for _, document := range file.Docs {
		if document.Body != nil {
			bodies = append(bodies, document.Body)
		}
	}
	switch len(bodies) {
	case 0:
		r.add(CodeSyntax, 1, "", "the file is empty", "write at least public_url and platforms")
		return nil
	case 1:
		return bodies[0]
	}
	r.add(CodeSyntax, line(bodies[1]), "", "a second document begins here", "keep one")
	return nil
}

// find adds a finding at the line of the key at path, or of the nearest key above it.
func (r *reader) find(code, path, cause, fix string) {
	r.add(code, lineOf(r.lines, path), path, cause, fix)
}

func (r *reader) add(code string, line int, path, cause, fix string) {
	line = min(max(line, 1), r.last) // the parser counts on where a file ends in the middle of something
	r.findings = append(r.findings, Finding{Code: code, Line: line, Path: path, Cause: cause, Fix: fix})
}

// shapeCode: the document itself is no mapping, or a value in it is not.
func shapeCode(path string) string {
	if path == "" {
		return CodeSyntax
	}
	return CodeValue
}

// parent is the path of the key above: platforms[1].issuer, platforms[1], platforms.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// mapping reads the known keys of a mapping in the order of the file and finds unknown and repeated ones. unknown, where
// set, may explain a key itself.
func (r *reader) mapping(path string, node ast.Node, unknown func(path, name string) bool, keys ...key) {
	values, ok := mappingValues(node)
	if !ok {
		r.find(shapeCode(path), path, "another shape is expected", "write keys and values here")
		return
	}
	seen := map[string]bool{}
	for _, pair := range values {
		name, plain := keyName(pair)
		at := join(path, name)
		r.lines[at] = line(pair.Key)
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
		switch {
		case !plain:
			r.add(CodeSyntax, line(pair.Key), path, "this key is not plain text", "write plain keys: no anchors, aliases or merge keys")
		case seen[name]:
			r.find(CodeRepeatedKey, at, "stands twice", "keep one")
		case i >= 0:
			keys[i].read(at, pair.Value)
		case unknown == nil || !unknown(at, name):
			r.find(CodeUnknownKey, at, "unknown key", suggestion(name, keys))
		}
		seen[name] = true
	}
}

func mappingValues(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// keyName is the name of a plain key.
func keyName(pair *ast.MappingValueNode) (string, bool) {
	name, ok := pair.Key.(*ast.StringNode)
	if !ok {
		return "?", false
	}
	return start(name.Value), true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// list reads each item of a list.
func (r *reader) list(path string, node ast.Node, read func(path string, node ast.Node)) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		r.find(CodeValue, path, "another shape is expected", "write a list here")
		return
	}
	for i, item := range sequence.Values {
		at := path + "[" + strconv.Itoa(i) + "]"
		r.lines[at] = line(item)
		read(at, item)
	}
}

// text reads a string; a number or a boolean in its place is taken as it is written.
func (r *reader) text(path string, node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		if n.Value != "" {
			return n.Value
		}
	case *ast.IntegerNode:
		return n.Token.Value
	case *ast.FloatNode:
		return n.Token.Value
	case *ast.BoolNode:
		return n.Token.Value
	case *ast.NullNode:
	default:
		r.find(CodeValue, path, "another shape is expected", "write a single plain value here")
		return ""
	}
	r.find(CodeValue, path, "has no value", "give it one, or leave the key out")
	return ""
}

func (r *reader) texts(path string, node ast.Node) []string {
	values := []string{}
	r.list(path, node, func(path string, node ast.Node) { values = append(values, r.text(path, node)) })
	return values
}

func (r *reader) yes(path string, node ast.Node) bool {
	value, ok := node.(*ast.BoolNode)
	if !ok {
		r.find(CodeValue, path, "neither yes nor no", "write true or false")
		return false
	}
	return value.Value
}

func (r *reader) count(path string, node ast.Node) int {
	return r.whole(CodeLimits, path, node, 1, 1_000_000)
}

// whole reads a whole number; 0 after a finding.
func (r *reader) whole(code, path string, node ast.Node, least, most int) int {
	text := r.text(path, node)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.find(code, path, "no number in range", fmt.Sprintf("write a whole number from %d to %d", least, most))
		return 0
	}
	return n
}

func (r *reader) duration(code, path string, node ast.Node, least, most time.Duration) time.Duration {
	text := r.text(path, node)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		r.find(code, path, "not a duration in range", fmt.Sprintf("write one from %s to %s, such as %s", short(least), short(most), short(least)))
		return 0
	}
	return d
}

// short writes a duration without its zero parts: 5m, not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// line is where a node begins.
func line(node ast.Node) int {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

// suggestion names the known key that is nearest to an unknown one, or all of them when none is near.
func suggestion(name string, keys []key) string {
	best, distance := "", 1+len(name)/3
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
		if d := editDistance(strings.ToLower(name), k.name); d <= distance {
			best, distance = k.name, d-1
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(all, ", ")
}

// editDistance is the number of insertions, deletions and substitutions from a to b (Levenshtein).
func editDistance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
