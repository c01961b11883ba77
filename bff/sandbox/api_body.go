package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// decode reads the body strictly: UTF-8, one JSON value, known members only,
// each once and spelled exactly (RFC 8259 §4, §8.1), and null for nothing,
// since no schema that is written allows it. The door bounds its length.
func (x *call) decode(into any) *issue {
	raw, err := io.ReadAll(x.r.Body)
	if err != nil || !utf8.Valid(raw) {
		return &issue{ID: "INVALID_JSON", Message: "The body cannot be read as UTF-8."}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return &issue{ID: "INVALID", Message: "The member " + wrong.Field[strings.LastIndex(wrong.Field, ".")+1:] + " must be of another type."}
		}
		var broken *json.SyntaxError
		if errors.As(err, &broken) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &issue{ID: "INVALID_JSON", Message: "The body is not valid JSON."}
		}
		return &issue{ID: "UNKNOWN", Message: "The body has a member that is not known."}
	}
	if _, err := d.Token(); err != io.EOF {
		return &issue{ID: "INVALID_JSON", Message: "The body has more than one value."}
	}
	return inspect(json.NewDecoder(bytes.NewReader(raw)))
}

// inspect walks one value of valid JSON and says what encoding/json lets pass:
// a null, a member given twice, and a member that is known in other letters.
func inspect(d *json.Decoder) *issue {
	token, err := d.Token()
	if err != nil {
		return nil // the end of an empty body, which decode has refused
	}
	if token == nil {
		return &issue{ID: "INVALID", Message: "A member is null."}
	}
	opened, nested := token.(json.Delim)
	seen := map[string]bool{}
	for nested && d.More() {
		if opened == '{' {
			name, _ := d.Token()
			text, _ := name.(string)
			switch {
			case strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") != "": // all that are known
				return &issue{ID: "UNKNOWN", Message: "The body has a member that is not known."}
			case seen[text]:
				return &issue{ID: "DUPLICATE", Message: "The member " + text + " is given twice."}
			}
			seen[text] = true
		}
		if wrong := inspect(d); wrong != nil {
			return wrong
		}
	}
	if nested {
		_, _ = d.Token() // what closes it
	}
	return nil
}
