package conformance_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const top = "../.."

// requirementsFile is where the requirements stand, where they are at hand.
const requirementsFile = top + "/../shared/platforms/data/smart-client-requirements.csv"

// howMany are asked of clients as SHALL and SHALL NOT, and howManyMore as SHOULD and SHOULD NOT.
const howMany, howManyMore = 121, 28

// tables are the two halves of the requirements, by what the file calls them.
func tables() map[string][]row {
	return map[string][]row{"SHALL": slices.Concat(launchRows, clientRows), "SHOULD": adviceRows}
}

// TestConformance: every SHALL, SHALL NOT, SHOULD and SHOULD NOT names a test that exists, or says why it does not apply.
func TestConformance(t *testing.T) {
	sources := map[string]*source{}
	for word, rows := range tables() {
		shown, open := 0, 0
		for i, r := range rows {
			if i > 0 && rows[i-1].id >= r.id {
				t.Errorf("@%d stands behind @%d", r.id, rows[i-1].id)
			}
			switch {
			case len(r.shown) > 0 && r.because != "":
				t.Errorf("@%d is shown, and does not apply", r.id)
			case len(r.shown) == 0 && r.because == "":
				open++
				t.Errorf("@%d is open", r.id)
			case len(r.shown) > 0:
				shown++
			}
			for _, name := range r.shown {
				if !exists(t, sources, name) {
					t.Errorf("@%d: there is no test %s", r.id, name)
				}
			}
		}
		if want := map[string]int{"SHALL": howMany, "SHOULD": howManyMore}[word]; len(rows) != want {
			t.Errorf("%d rows of %s, want %d", len(rows), word, want)
		}
		t.Logf("SMART App Launch 2.2, %s and %s NOT of clients: %d shown, %d not applicable, %d open", word, word, shown, len(rows)-shown-open, open)
	}
	compare(t)
}

// compare holds the tables against the file, where that is at hand.
func compare(t *testing.T) {
	file, err := os.Open(requirementsFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("the requirements are not at hand; the tables were not compared with them")
		return
	}
	must(t, err)
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	must(t, err)
	column := func(name string) int {
		return slices.IndexFunc(lines[0], func(s string) bool { return strings.TrimPrefix(s, "\ufeff") == name })
	}
	for word, rows := range tables() {
		var wanted, have []int
		for _, line := range lines[1:] {
			if c := line[column("Conformance")]; c == word || c == word+" NOT" {
				id, err := strconv.Atoi(line[column("ID")])
				must(t, err)
				wanted = append(wanted, id)
			}
		}
		for _, r := range rows {
			have = append(have, r.id)
		}
		if slices.Sort(wanted); !slices.Equal(wanted, have) {
			t.Errorf("%s: the file has %v, the table %v", word, wanted, have)
		}
	}
}

// source is what the tests of a package are called, and every text that stands in them.
type source struct {
	tests map[string]bool
	texts []string
}

// split takes a test's name apart: folder, function, and how its case begins.
func split(name string) (folder, function, begins string) {
	name, begins, _ = strings.Cut(name, "/@")
	if begins != "" {
		begins = "@" + begins
	}
	dot := strings.LastIndexByte(name, '.')
	folder, function = name[:dot], name[dot+1:]
	if function, rest, ok := strings.Cut(function, "/"); ok {
		return folder, function, rest
	}
	return folder, function, begins
}

func exists(t *testing.T, sources map[string]*source, name string) bool {
	t.Helper()
	folder, function, begins := split(name)
	s := sources[folder]
	if s == nil {
		s = read(t, folder)
		sources[folder] = s
	}
	return s.tests[function] && (begins == "" || slices.ContainsFunc(s.texts, func(text string) bool { return strings.HasPrefix(text, begins) }))
}

// read parses the tests of a package.
func read(t *testing.T, folder string) *source {
	t.Helper()
	s := &source{tests: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(top, folder, "*_test.go"))
	must(t, err)
	for _, name := range files {
		if strings.HasPrefix(filepath.Base(name), "table_") {
			continue // names no tests but these
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
					s.tests[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.texts = append(s.texts, text)
				}
			}
			return true
		})
	}
	return s
}

// TestEveryNamedTest runs every test that the table names, and wants each row to be shown by tests that passed; it is asked for
// with LOCUM_CONFORMANCE=1, as `make conformance` does.
func TestEveryNamedTest(t *testing.T) {
	if os.Getenv("LOCUM_CONFORMANCE") == "" {
		t.Skip("run by make conformance")
	}
	wanted := map[string][]string{} // functions by folder
	for _, rows := range tables() {
		for _, r := range rows {
			for _, name := range r.shown {
				folder, function, _ := split(name)
				if !slices.Contains(wanted[folder], function) {
					wanted[folder] = append(wanted[folder], function)
				}
			}
		}
	}
	passed := map[string][]string{}
	for folder, functions := range wanted {
		passed[folder] = runTests(t, folder, functions)
	}
	for word, rows := range tables() {
		shown, not := 0, 0
		for _, r := range rows {
			switch {
			case r.because != "":
				not++
			case isShown(t, r, passed):
				shown++
			}
		}
		t.Logf("SMART App Launch 2.2, %s and %s NOT of clients: %d of %d shown by tests that passed just now, %d not applicable", word, word, shown, len(rows), not)
	}
}

// isShown says whether every test that a row names has passed.
func isShown(t *testing.T, r row, passed map[string][]string) bool {
	t.Helper()
	good := true
	for _, name := range r.shown {
		folder, function, begins := split(name)
		if !slices.ContainsFunc(passed[folder], func(test string) bool {
			return begins == "" && test == function || begins != "" && strings.HasPrefix(test, function+"/"+spelt(begins))
		}) {
			good = false
			t.Errorf("@%d is not shown by %s", r.id, name)
		}
	}
	return good
}

// spelt is a case's name as the testing package writes it.
func spelt(name string) string { return strings.ReplaceAll(name, " ", "_") }

// runTests runs some tests of a package and gives the names of those that passed, cases included.
func runTests(t *testing.T, folder string, functions []string) []string {
	t.Helper()
	command := exec.Command("go", "test", "-count=1", "-timeout", "10m", "-json", "-run", "^("+strings.Join(functions, "|")+")$", "./"+folder)
	command.Dir = top
	command.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "LOCUM_CONFORMANCE=") })
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	var passed []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		switch event.Action {
		case "pass":
			passed = append(passed, event.Test)
		case "fail", "skip":
			t.Logf("%s.%s: %s", folder, event.Test, event.Action)
		case "output":
			if strings.Contains(event.Output, "_test.go:") {
				t.Log(strings.TrimSpace(event.Output))
			}
		}
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%s: %v", folder, err)
	}
	return passed
}
