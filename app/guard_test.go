package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// sources parses the package's own files, tests left out.
func sources(t *testing.T) (*token.FileSet, map[string]*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set, files := token.NewFileSet(), map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[name], err = parser.ParseFile(set, name, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	return set, files
}

func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// literals are the strings that stand in an expression.
func literals(e ast.Expr) (all []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if index, ok := n.(*ast.IndexExpr); ok { // A key is no sentence.
			all = append(all, literals(index.X)...)
			return false
		}
		if call, ok := n.(*ast.CallExpr); ok && called(call) == "Fill" { // Only the sentence; the rest are names.
			all = append(all, literals(call.Args[0])...)
			return false
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			text, _ := strconv.Unquote(l.Value)
			all = append(all, text)
		}
		return true
	})
	return all
}

// read are the calls whose arguments a person reads, and the attributes that they read.
var (
	read           = map[string]bool{"text": true, "say": true, "SetTitle": true, "label": true, "empty": false}
	readAttributes = map[string]bool{"title": true, "aria-label": true, "placeholder": true, "alt": true}
	sentence       = regexp.MustCompile(`\p{L}{2,}`)
)

// TestNoSentenceOutsideWords: what a person reads comes from app/words, in their language.
func TestNoSentenceOutsideWords(t *testing.T) {
	set, files := sources(t)
	checked := 0
	check := func(e ast.Expr) {
		checked++
		for _, text := range literals(e) {
			if sentence.MatchString(text) {
				t.Errorf("%s: %q is read by a person and stands outside app/words", set.Position(e.Pos()), text)
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch name := called(call); {
			case read[name]:
				for _, arg := range call.Args {
					check(arg)
				}
			case name == "attr" && len(call.Args) == 2:
				if key := literals(call.Args[0]); len(key) == 1 && readAttributes[key[0]] {
					check(call.Args[1])
				}
			case (name == "tag" || name == "elem") && len(call.Args) == 1:
				for _, text := range literals(call.Args[0]) {
					for attribute := range readAttributes {
						if strings.Contains(text, "["+attribute+"=") {
							t.Errorf("%s: %q holds words", set.Position(call.Pos()), text)
						}
					}
				}
			}
			return true
		})
	}
	if checked < 100 {
		t.Errorf("only %d places were looked at: the walk is broken", checked)
	}
}

// TestHandlersHaveScopes: go-app tells our handlers apart by scope alone, and one made in a loop by the row's id.
func TestHandlersHaveScopes(t *testing.T) {
	set, files := sources(t)
	handlers := 0
	for _, file := range files {
		var loops []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.RangeStmt, *ast.ForStmt:
				loops = append(loops, n)
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || called(call) != "on" {
				return true
			}
			handlers++
			if len(call.Args) < 4 {
				t.Errorf("%s: a handler without a scope", set.Position(call.Pos()))
				return true
			}
			for _, loop := range loops {
				if loop.Pos() <= call.Pos() && call.End() <= loop.End() && onlyLiterals(call.Args[3:]) {
					t.Errorf("%s: a handler in a loop without the row's id in its scope", set.Position(call.Pos()))
				}
			}
			return true
		})
	}
	if handlers < 20 {
		t.Errorf("only %d handlers were found: the walk is broken", handlers)
	}
}

func onlyLiterals(args []ast.Expr) bool {
	for _, arg := range args {
		if _, ok := arg.(*ast.BasicLit); !ok {
			return false
		}
	}
	return true
}

// TestWhatGoAppMustNotDo: no style attribute (the policy refuses it), no raw HTML, no store but the attempt's, no HTTP
// outside the client, no wall clock of the machine.
func TestWhatGoAppMustNotDo(t *testing.T) {
	set, files := sources(t)
	banned := map[string]string{
		"ui.Raw": "raw HTML", "ui.Style": "a style attribute", "time.Local": "the machine's zone", "ctx.LocalStorage": "localStorage",
		"ctx.SessionStorage": "sessionStorage", "ctx.SetState": "go-app's state", "ctx.Encrypt": "go-app's store",
	}
	for name, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok {
				if why := banned[x.Name+"."+selector.Sel.Name]; why != "" {
					t.Errorf("%s: %s", set.Position(n.Pos()), why)
				}
			}
			if x, ok := selector.X.(*ast.Ident); selector.Sel.Name == "Style" && !(ok && x.Name == "shared") {
				t.Errorf("%s: a style attribute", set.Position(n.Pos()))
			}
			return true
		})
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && (l.Value == `"fetch"` || l.Value == `"localStorage"`) && name != "client_wasm.go" {
				t.Errorf("%s: %s", set.Position(n.Pos()), l.Value)
			}
			return true
		})
	}
}

// TestImports: what would swell the browser's half, or speak HTTP beside the client, is not imported by any file of it.
func TestImports(t *testing.T) {
	for _, target := range []string{"GOOS=js GOARCH=wasm", ""} {
		for _, folder := range []string{".", "./words", "../shared", "../cmd/wasm"} {
			if folder == "../cmd/wasm" && target == "" {
				continue
			}
			cmd := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, folder)
			cmd.Env = append(cmd.Environ(), strings.Fields(target)...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("go list %s: %v", folder, err)
			}
			for _, path := range strings.Fields(string(out)) {
				switch path {
				case "net/http", "regexp", "text/template", "html/template", "crypto/tls", "time/tzdata", "net":
					t.Errorf("%s imports %s", folder, path)
				}
			}
		}
	}
}

// TestPatterns: go-app's route of a page fits what shared.MatchPage fits.
func TestPatterns(t *testing.T) {
	for _, path := range []string{"/", "/schedule/c1", "/patients/c1", "/patients/c1/p-1._~", "/connections", "/connections/new", "/connections/outcome",
		"/patients/", "/patients/c1/", "/patients/c1/p1/x", "/schedule/" + strings.Repeat("x", 65), "/schedule/a%20b", "/x"} {
		fits := ""
		for _, one := range shared.Pages {
			if regexp.MustCompile(pagePattern(one.Pattern)).MatchString(path) {
				fits += one.Name
			}
		}
		want, _, _ := shared.MatchPage(path)
		if fits != want.Name {
			t.Errorf("%q fits %q, want %q", path, fits, want.Name)
		}
	}
}

var falsehood = regexp.MustCompile(`(disabled|checked|required|selected|hidden|open)="false"`)

// TestRegister: every page has a component, in the language that was registered last.
func TestRegister(t *testing.T) {
	for _, lang := range words.Languages {
		Register(lang)
		s := newShell(words.For(lang), fetch, false)
		for _, one := range shared.Pages {
			html := ui.HTMLString(s.component(one.Name).Render())
			if !strings.Contains(html, "page-"+one.Name) || !strings.Contains(html, words.For(lang).Header.SignOut) {
				t.Errorf("%s in %s: %s", one.Name, lang, html)
			}
			if found := falsehood.FindString(html); found != "" {
				t.Errorf("%s: %s is true to a browser", one.Name, found)
			}
		}
	}
}
