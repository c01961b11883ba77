package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"locum/bff/secret"
)

// CallbackParams are the parameters of an authorization response (RFC 6749 §4.1.2, §4.1.2.1; RFC 9207 §2). Either Code
// or Error is set, never both. State is always set: visible ASCII of at most 256 characters. Iss is "" when absent.
// Description is foreign text made inert: at most 200 printable characters.
type CallbackParams struct {
	Code                           secret.String
	State, Iss, Error, Description string
}

// ErrCallback says that a query is not an authorization response.
var ErrCallback = errors.New("malformed authorization response")

// UnreadableError stands in CallbackParams.Error when the response has an error parameter that is no error code.
const UnreadableError = "unreadable_error"

const (
	maxCallback       = 64 << 10
	maxCallbackParams = 32
	maxState          = 256
	maxCode           = 4096
	maxIss            = 512
)

// ParseCallback reads the raw query of a callback. Unknown parameters (session_state, for one) are accepted, repeated
// ones never are (RFC 6749 §3.1). A response with both code and error is an error and its code is dropped. An error
// wraps ErrCallback and names a parameter, never its value.
func ParseCallback(rawQuery string) (CallbackParams, error) {
	params, err := parseParams(rawQuery)
	if err != nil {
		return CallbackParams{}, err
	}
	for _, rule := range []struct {
		name  string
		limit int
	}{{"state", maxState}, {"code", maxCode}, {"iss", maxIss}} {
		if value := params[rule.name]; len(value) > rule.limit || !isVisible(value) {
			return CallbackParams{}, fmt.Errorf("%w: %s", ErrCallback, rule.name)
		}
	}
	if params["state"] == "" {
		return CallbackParams{}, fmt.Errorf("%w: no state", ErrCallback)
	}
	answer := CallbackParams{State: params["state"], Iss: params["iss"]}
	if code, ok := params["error"]; ok {
		answer.Error, answer.Description = code, printable(params["error_description"], 200)
		if !isErrorCode(code) {
			answer.Error = UnreadableError
		}
		return answer, nil
	}
	if params["code"] == "" {
		return CallbackParams{}, fmt.Errorf("%w: neither code nor error", ErrCallback)
	}
	answer.Code = secret.New(params["code"])
	return answer, nil
}

// parseParams splits a form-encoded query into parameters that each stand once.
func parseParams(rawQuery string) (map[string]string, error) {
	if len(rawQuery) > maxCallback || strings.Count(rawQuery, "&") >= maxCallbackParams {
		return nil, fmt.Errorf("%w: too long", ErrCallback)
	}
	if strings.ContainsAny(rawQuery, ";#") {
		return nil, fmt.Errorf("%w: separator", ErrCallback)
	}
	params := map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%w: percent-encoding", ErrCallback)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("%w: a parameter stands twice", ErrCallback)
		}
		params[name] = value
	}
	return params, nil
}
