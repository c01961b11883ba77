package proxy

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// contentForm is what athenaOne takes in the place of JSON.
const contentForm = "application/x-www-form-urlencoded"

// Bounds of a form.
const (
	maxFields     = 200
	maxFieldName  = 64
	maxFieldBytes = 32 << 10 // of one value, decoded
)

// form reads a form and writes it anew, so that there is one way to read what is sent: each field once, in the caller's
// order, names of plain characters, values of UTF-8 without control characters but tabs and ends of lines, and everything
// but unreserved characters percent-encoded (WHATWG URL §5.1, with %20 for the space). Where the operation names its fields,
// no others.
func (c *call) form() ([]param, error) {
	r := c.request
	if len(r.Body) == 0 {
		return nil, nil
	}
	if !isMedia(r.ContentType, contentForm) {
		return nil, &Error{Code: codeUnsupported}
	}
	var fields []param
	var out strings.Builder
	for pair := range strings.SplitSeq(string(r.Body), "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !isFieldName(name) || len(fields) == maxFields {
			return nil, badBody("form")
		}
		value, err := url.QueryUnescape(rawValue)
		twice := slices.ContainsFunc(fields, func(f param) bool { return strings.EqualFold(f.name, name) })
		if err != nil || twice || !isFormValue(value) || c.operation.Params != nil && !slices.Contains(c.operation.Params, name) {
			return nil, badBody("form")
		}
		if len(fields) > 0 {
			out.WriteByte('&')
		}
		out.WriteString(escaped(name) + "=" + escaped(value))
		fields = append(fields, param{name, value})
	}
	c.body = []byte(out.String())
	return fields, nil
}

func isFieldName(s string) bool {
	const bytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
	return s != "" && len(s) <= maxFieldName && strings.Trim(s, bytes) == ""
}

func isFormValue(s string) bool {
	return len(s) <= maxFieldBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\r' && r != '\n' || r >= 0x7f && r < 0xa0
	})
}

// isMedia says whether a content type is the media type given, in UTF-8 where it names a charset.
func isMedia(contentType, media string) bool {
	name, params, _ := strings.Cut(contentType, ";")
	params = strings.ToLower(strings.ReplaceAll(params, " ", ""))
	return strings.EqualFold(strings.TrimSpace(name), media) && (params == "" || strings.Trim(strings.TrimPrefix(params, "charset="), `"`) == "utf-8")
}
