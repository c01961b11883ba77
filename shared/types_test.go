package shared_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretWords are what a field that holds a credential would be called, as words of a Go or JSON name.
var secretWords = regexp.MustCompile(`(?i)(token|secret|verifier|password|passphrase|credential|cookie|nonce|bearer|authorization_?code|jwt)`)

// TestNoTypeCanHoldAToken walks every type of the package: no field is named after a credential, and none is a container
// that takes anything (bytes, any, raw JSON, a type of another package but time.Time).
func TestNoTypeCanHoldAToken(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					fields++
					checkField(t, field)
				}
			}
			return true
		})
	}
	if fields < 40 {
		t.Errorf("only %d fields were seen", fields)
	}
}

func checkField(t *testing.T, field *ast.Field) {
	t.Helper()
	name := ""
	for _, n := range field.Names {
		name += n.Name + " "
	}
	if field.Tag != nil {
		name += field.Tag.Value
	}
	if word := secretWords.FindString(name); word != "" {
		t.Errorf("the field %s speaks of a %s", name, word)
	}
	ast.Inspect(field.Type, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.InterfaceType:
			t.Errorf("the field %s takes anything", name)
		case *ast.Ident:
			if x.Name == "byte" || x.Name == "any" || x.Name == "RawMessage" {
				t.Errorf("the field %s takes anything: %s", name, x.Name)
			}
		case *ast.SelectorExpr:
			if from, ok := x.X.(*ast.Ident); !ok || from.Name+"."+x.Sel.Name != "time.Time" {
				t.Errorf("the field %s is of another package's type %s", name, x.Sel.Name)
			}
			return false
		}
		return true
	})
}
