package sandbox

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// FuzzInspect: whatever valid JSON comes, inspect reads it to its end or names what is wrong, and what it lets pass says
// the same to a reader that takes the first of two members as to one that takes the last.
func FuzzInspect(f *testing.F) {
	for _, body := range []string{
		`{}`, `[]`, `7`, `{"a":[{"b":""},{"b":[]}],"c":{"a":true}}`, `{"a":1,"a":1}`, `{"a":{"b":1,"\u0062":2}}`, `[null]`, `{"A":1}`,
		strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var whole any
		if json.Unmarshal([]byte(body), &whole) != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(body))
		if inspect(d) != nil {
			return
		}
		if _, err := d.Token(); err != io.EOF {
			t.Errorf("%q is not read to its end: %v", body, err)
		}
		if got, want := membersIn(t, body), membersOf(whole); got != want {
			t.Errorf("%q has %d members, a map of it %d", body, got, want)
		}
	})
}

// membersIn counts the members that stand in the text, repeated ones too.
func membersIn(t *testing.T, body string) (n int) {
	var open []json.Delim
	name := false // the next string is a name
	for d := json.NewDecoder(strings.NewReader(body)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		if name && token != json.Delim('}') {
			n, name = n+1, false
			continue
		}
		switch delim, _ := token.(json.Delim); delim {
		case '{', '[':
			open = append(open, delim)
		case '}', ']':
			open = open[:len(open)-1]
		}
		name = len(open) > 0 && open[len(open)-1] == '{'
	}
}

func membersOf(value any) (n int) {
	switch v := value.(type) {
	case map[string]any:
		n = len(v)
		for name, inner := range v {
			if inner == nil || strings.ToLower(name) != name {
				return -1
			}
			n += membersOf(inner)
		}
	case []any:
		for _, inner := range v {
			n += membersOf(inner)
		}
	}
	return n
}
