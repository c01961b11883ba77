package secret_test

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"locum/bff/secret"
)

const hush = "hush-4711"

// traces are what a leak of hush would look like: as it is, quoted, in hex, as bytes, as code points.
var traces = []string{
	hush, "hush", hex.EncodeToString([]byte(hush)), strings.ToUpper(hex.EncodeToString([]byte(hush))),
	"104 117 115 104", "0x68 0x75", "0x68, 0x75", "U+0068", "68 75", "1101000 1110101", "150 165",
}

func wantNoTrace(t *testing.T, how, text string) {
	t.Helper()
	for _, trace := range traces {
		if strings.Contains(text, trace) {
			t.Errorf("%s shows %q: %s", how, trace, text)
		}
	}
}

type (
	exported   struct{ Secret secret.String }
	unexported struct{ secret secret.String }
	embedded   struct{ secret.String }
	nested     struct {
		in  unexported
		ptr *unexported
		any any
		all []unexported
		m   map[string]unexported
	}
	failed struct{ secret secret.String }
)

func (f failed) Error() string { return fmt.Sprintf("failed with %+v", f.secret) }

// holders are ways for a secret to be in something that is printed.
func holders() map[string]any {
	s := secret.New(hush)
	in := unexported{s}
	return map[string]any{
		"value": s, "pointer": &s, "exported field": exported{s}, "pointer to exported field": &exported{s},
		"unexported field": in, "pointer to unexported field": &in, "embedded": embedded{s}, "pointer to embedded": &embedded{s},
		"slice": []secret.String{s}, "slice of pointers": []*secret.String{&s}, "array": [1]secret.String{s},
		"slice of unexported": []unexported{in}, "map": map[string]secret.String{"k": s}, "map of unexported": map[string]unexported{"k": in},
		"nested": nested{in, &in, in, []unexported{in}, map[string]unexported{"k": in}}, "pointer to nested": &nested{in, &in, &in, nil, nil},
		"any": any(s), "slice of any": []any{s, &s, in}, "error": failed{s}, "pointer to error": &failed{s},
		"wrapped error": fmt.Errorf("sign in: %w", &failed{s}), "joined error": errors.Join(failed{s}, failed{s}),
	}
}

func TestNoVerbShowsASecret(t *testing.T) {
	for name, holder := range holders() {
		for c := 'A'; c <= 'z'; c++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "# ", "+#", "40", "-40", ".2", "40.3"} {
				verb := "%" + flags + string(c)
				wantNoTrace(t, name+" "+verb, fmt.Sprintf(verb, holder))
			}
		}
		wantNoTrace(t, name+" Sprint", fmt.Sprint(holder))
		wantNoTrace(t, name+" Sprintln", fmt.Sprintln(holder))
		for _, wrong := range []string{"no verb", "%*d", "%.*d", "%[2]v", "%!", "%"} {
			wantNoTrace(t, name+" "+wrong, fmt.Sprintf(wrong, holder))
		}
	}
}

func TestPrintsAsRedacted(t *testing.T) {
	for _, s := range []secret.String{secret.New(hush), {}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%40s"} {
			if got := fmt.Sprintf(verb, s); got != "[redacted]" {
				t.Errorf("%s: %s", verb, got)
			}
		}
		if s.String() != "[redacted]" || s.GoString() != "[redacted]" || s.LogValue().String() != "[redacted]" {
			t.Error("a method shows something else")
		}
	}
}

func TestNoLogShowsASecret(t *testing.T) {
	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}),
		"json": slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}),
	} {
		for what, holder := range holders() {
			out.Reset()
			log := slog.New(handler).With("with", holder).WithGroup("group")
			log.Debug("message", "key", holder, slog.Any("any", holder), slog.Group("g", "k", holder))
			if out.Len() == 0 {
				t.Fatal("nothing logged")
			}
			wantNoTrace(t, name+" "+what, out.String())
		}
	}
}

func TestNoEncoderTakesASecret(t *testing.T) {
	s := secret.New(hush)
	var yaml interface{ MarshalYAML() (any, error) } = s
	var binary encoding.BinaryMarshaler = s
	for name, encode := range map[string]func() ([]byte, error){
		"json":            func() ([]byte, error) { return json.Marshal(s) },
		"json pointer":    func() ([]byte, error) { return json.Marshal(&s) },
		"json field":      func() ([]byte, error) { return json.Marshal(exported{s}) },
		"json embedded":   func() ([]byte, error) { return json.Marshal(embedded{s}) },
		"json in a slice": func() ([]byte, error) { return json.Marshal([]any{s}) },
		"xml":             func() ([]byte, error) { return xml.Marshal(s) },
		"xml field":       func() ([]byte, error) { return xml.Marshal(exported{s}) },
		"text":            s.MarshalText,
		"binary":          binary.MarshalBinary,
		"gob":             func() ([]byte, error) { var b bytes.Buffer; err := gob.NewEncoder(&b).Encode(s); return b.Bytes(), err },
		"gob field": func() ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(exported{s})
			return b.Bytes(), err
		},
		"yaml":               func() ([]byte, error) { v, err := yaml.MarshalYAML(); return fmt.Append(nil, v), err },
		"an empty one, json": func() ([]byte, error) { return json.Marshal(secret.String{}) },
	} {
		out, err := encode()
		if !errors.Is(err, secret.ErrMarshal) {
			t.Errorf("%s: %v", name, err)
		}
		wantNoTrace(t, name, string(out))
		wantNoTrace(t, name+", its error", fmt.Sprint(err))
	}
	for name, holder := range holders() { // what encodes without an error leaves the secret out
		out, err := json.Marshal(holder)
		wantNoTrace(t, "json "+name, string(out)+fmt.Sprint(err))
	}
}

func TestNoTemplateShowsASecret(t *testing.T) {
	page := template.Must(template.New("").Parse(`{{.}} {{printf "%s %q %x %v" . . . .}} {{print .}} {{html .}} {{js .}} {{urlquery .}}`))
	for name, holder := range holders() {
		var out bytes.Buffer
		err := page.Execute(&out, holder)
		wantNoTrace(t, name, out.String()+fmt.Sprint(err))
	}
}

func TestRevealEmptyEqual(t *testing.T) {
	s := secret.New(hush)
	if s.Reveal() != hush || s.Empty() {
		t.Error("a secret does not give back its value")
	}
	for _, empty := range []secret.String{{}, secret.New("")} {
		if !empty.Empty() || empty.Reveal() != "" || !empty.Equal(secret.String{}) || empty.Equal(s) || s.Equal(empty) {
			t.Error("an empty secret is not empty")
		}
	}
	for other, equal := range map[string]bool{hush: true, hush + " ": false, hush[1:]: false, strings.ToUpper(hush): false, "": false} {
		if s.Equal(secret.New(other)) != equal {
			t.Errorf("Equal(%q) is not %v", other, equal)
		}
	}
}

func TestRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		v := secret.Random().Reveal()
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(v) || seen[v] {
			t.Fatalf("%q", v)
		}
		seen[v] = true
	}
}
